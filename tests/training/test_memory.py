"""The formula counts what torch keeps."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from tests.conftest import COMPOSER, precision
from torch import Tensor, nn

from rote.config.build import build
from rote.config.compose import groups
from rote.models import attention
from rote.models.attention import PLACES
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.models.looped import Looped
from rote.precision import Precision
from rote.training.blocks import train_blocks
from rote.training.functional import per_sample_gradients
from rote.training.memory import ModelShape, StepMemory
from rote.training.objective import Objective

V, L, B, D = 11, 8, 3, 32
FORMATS = {name: precision(name) for name in ("fp32", "bf16_mixed", "bf16_true")}


def gpt(
    num_layers: int, *, dropout: Collection[str] = (), length: int = L, num_heads: int = 2
) -> GPT:
    model = GPT(
        num_layers=num_layers, width=D, num_heads=num_heads, vocab_size=V, max_length=length
    )
    model.set_dropout(0.1, dropout)
    return model


def kept_bytes(model: GPT, precision: Precision) -> int:
    """As `bytes_of_what_is_kept` by a loss of a batch."""
    tokens_BL = torch.zeros(B, model.position_embedding.num_embeddings, dtype=torch.int64)
    with precision.active("cpu"):
        return bytes_of_what_is_kept(model, lambda: token_nats(model, tokens_BL))


def bytes_of_what_is_kept(model: GPT, compute: Callable[[], object]) -> int:
    """Of all storages that the backward pass needs and that are no weight."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    storages: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        compute()
    return sum(
        tensor.untyped_storage().nbytes()
        for pointer, tensor in storages.items()
        if pointer not in weights
    )


def step(model: nn.Module, precision: Precision, **changes: Any) -> StepMemory:
    made = StepMemory.of(
        ModelShape.of(model),
        precision,
        batch_size=B,
        length=L,
        device_type="cpu",
        processes=1,
        strategy="ddp",
        microbatch_size=None,
    )
    return replace(made, **changes)


@pytest.mark.parametrize("sixteen_bit_length", [0, L], ids=["avx2", "avx512"])
@pytest.mark.parametrize("num_heads", [2, 8, D])  # wide ones, narrow ones, of one number
@pytest.mark.parametrize("name", FORMATS)
def test_a_block_keeps_as_many_bytes_as_the_formula_says(
    name: str, num_heads: int, sixteen_bit_length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "SIXTEEN_BIT_LENGTH", sixteen_bit_length)
    added, made = added_by_a_block(FORMATS[name], num_heads=num_heads)
    assert added == made.block_bytes()
    assert made.activation_bytes() == 3 * added


def added_by_a_block(precision: Precision, **block: Any) -> tuple[int, StepMemory]:
    """The bytes that a third block keeps, and the step of the model that has it."""
    two, three = (precision.cast(gpt(layers, **block)) for layers in (2, 3))
    added = kept_bytes(three, precision) - kept_bytes(two, precision)
    if precision.autocast:
        added -= 12 * D * D * 2  # autocast's copies of the weights
    return added, step(three, precision)


@pytest.mark.parametrize("places", [("residual",), ("attention",), PLACES])
@pytest.mark.parametrize("name", FORMATS)
def test_dropout_keeps_its_masks(name: str, places: Collection[str]) -> None:
    added, made = added_by_a_block(FORMATS[name], dropout=places)
    assert added == made.block_bytes()


def test_dropout_of_embeddings_keeps_one_mask() -> None:
    model, dropping = gpt(2), gpt(2, dropout=["embedding"])
    added = kept_bytes(dropping, FORMATS["fp32"]) - kept_bytes(model, FORMATS["fp32"])
    steps = (step(one, FORMATS["fp32"], on_cpu=True) for one in (dropping, model))
    kept, without = (one._kept_bytes(recomputed=False) for one in steps)
    assert added == kept - without == B * L * D * 4


def test_attention_with_dropout_is_written_out_on_a_cpu_whatever_its_length() -> None:
    length = 257
    two, three = (gpt(layers, dropout=["attention"], length=length) for layers in (2, 3))
    added = kept_bytes(three, FORMATS["fp32"]) - kept_bytes(two, FORMATS["fp32"])
    made = step(three, FORMATS["fp32"], length=length)
    assert made.block_bytes() == pytest.approx(added, rel=0.01)
    assert replace(made, on_cpu=False).block_bytes() < 0.3 * made.block_bytes()


def test_gradients_of_single_sequences_are_held_as_the_formula_says() -> None:
    """What one backward pass keeps of each block, and what it gives."""
    plain = Objective(losses=(), weighers=(), scored_from=0)
    tokens_bL = torch.zeros(B, L, dtype=torch.int64)
    models = [gpt(layers) for layers in (2, 3)]
    two, three = (
        bytes_of_what_is_kept(model, partial(per_sample_gradients, model, tokens_bL, plain))
        for model in models
    )
    made = step(models[1], FORMATS["fp32"], batch_size=10 * B, microbatch_size=B)
    assert three - two == made.block_bytes() == replace(made, on_cpu=False).block_bytes()
    gradients, _ = per_sample_gradients(models[1], tokens_bL, plain)
    given = sum(one.untyped_storage().nbytes() for one in gradients.values())
    assert given == B * 4 * made.shape.parameters
    whole = replace(made, microbatch_size=None)
    assert made.positions == B * L and whole.positions == 10 * B * L
    assert not made.is_recomputed(0) and whole.is_recomputed(0)


def test_a_bill_of_single_gradients_grows_with_their_number() -> None:
    """Without activations to speak of: b gradients, their sum, the one made of it, the weights."""
    linear = step(nn.Linear(300, 200), FORMATS["fp32"], on_cpu=False, batch_size=64)
    assert peak(replace(linear, microbatch_size=16), copies=0) == 60_200 * 4 * (16 + 3)
    assert peak(replace(linear, microbatch_size=99), copies=0) == 60_200 * 4 * (64 + 3)


@pytest.mark.parametrize("name", FORMATS)
def test_a_block_that_runs_twice_keeps_its_input(name: str) -> None:
    precision = FORMATS[name]
    models = [precision.cast(gpt(layers)) for layers in (2, 3)]
    for model in models:
        train_blocks(model, compiled=False, recomputed=True)
    two, three = (kept_bytes(model, precision) for model in models)
    assert three - two == B * L * D * models[0].head.element_size()


def test_a_limit_decides_which_blocks_run_twice() -> None:
    made = step(gpt(2), FORMATS["fp32"])
    gib = made.activation_bytes() / 2**30
    assert not made.is_recomputed(None)
    assert not made.is_recomputed(gib)
    assert made.is_recomputed(0.99 * gib)
    assert made.is_recomputed(0)


def test_blocks_that_are_gone_through_again_keep_as_much_again() -> None:
    shape = {"num_layers": 2, "width": D, "num_heads": 2, "vocab_size": V, "max_length": L}
    looped, once = Looped(**shape, num_loops=3), gpt(2)
    kept = [kept_bytes(model, FORMATS["fp32"]) for model in (looped, once)]
    made = [step(model, FORMATS["fp32"]).activation_bytes() for model in (looped, once)]
    assert made[0] == 3 * made[1]
    assert kept[0] - kept[1] == made[0] - made[1]


@pytest.mark.parametrize(
    ("precision", "width", "num_heads", "length"),
    [("fp32", 64, 2, 96), ("bf16_mixed", 48, 8, 64)],  # fused attention, and written out
)
@pytest.mark.parametrize("name", groups()["model"])
def test_every_model_keeps_what_its_blocks_state(
    name: str, precision: str, width: int, num_heads: int, length: int
) -> None:
    size = (f"size.width={width}", f"size.num_heads={num_heads}")
    tokens_BL = torch.arange(B * length).view(B, length) % V  # with different experts
    kept, stated = [], []
    for num_layers in (1, 2):
        torch.manual_seed(0)
        config = COMPOSER.config([f"model={name}", f"size.num_layers={num_layers}", *size])
        model = build(config["model"], vocab_size=V, max_length=length)
        FORMATS[precision].cast(model)
        with FORMATS[precision].active("cpu"):
            compute = partial(token_nats, model, tokens_BL)
            kept.append(bytes_of_what_is_kept(model, compute))
        stated.append(step(model, FORMATS[precision], length=length).activation_bytes())
    added = kept[1] - kept[0]
    if FORMATS[precision].autocast:  # copies of matrices, of experts' as well
        block = model.blocks[0].parameters()
        added -= 2 * sum(one.numel() for one in block if one.shape[-2:].numel() > max(one.shape))
    assert stated[1] - stated[0] == pytest.approx(added, rel=0.15)


def test_blocks_that_state_nothing_count_as_those_of_gpt2() -> None:
    model = gpt(2)
    stated = step(model, FORMATS["bf16_mixed"]).activation_bytes()
    model.blocks = nn.ModuleList(nn.Linear(D, D) for _ in range(2))
    guessed = step(model, FORMATS["bf16_mixed"]).activation_bytes()
    assert guessed == pytest.approx(stated, rel=0.05)


def test_frozen_weights_have_no_gradient_and_no_state() -> None:
    model = nn.Sequential(nn.Linear(300, 200), nn.Linear(200, 100))
    model[0].requires_grad_(False)
    made = step(model, FORMATS["fp32"], on_cpu=False)
    assert peak(made) == 60_200 * 4 + 20_100 * 4 * 4


def test_of_a_model_without_blocks_only_the_weights_are_known() -> None:
    shape = ModelShape.of(nn.Linear(3, 2))
    assert (shape.parameters, shape.num_blocks, shape.vocab_size) == (8, 0, 0)
    assert not step(nn.Linear(3, 2), FORMATS["fp32"]).is_recomputed(0)


def peak(made: StepMemory, *, copies: float = 2, recomputed: bool = False) -> int:
    return made.peak_bytes(optimiser_copies=copies, recomputed=recomputed)


def test_the_state_is_weights_gradients_and_what_the_optimiser_keeps() -> None:
    """A model without blocks, on a GPU, where no interpreter is counted."""
    made = step(nn.Linear(300, 200), FORMATS["fp32"], on_cpu=False)
    assert peak(made) == 60_200 * 4 * 4
    assert peak(made, copies=0) == 60_200 * 4 * 2


def test_fsdp_divides_the_state_ddp_does_not() -> None:
    large = step(
        GPT(num_layers=8, width=64, num_heads=2, vocab_size=V, max_length=L),
        FORMATS["fp32"], on_cpu=False,
    )  # fmt: skip
    eight = replace(large, batch_size=8 * B, processes=8)
    assert eight.positions == large.positions
    buckets = 4 * large.shape.parameters
    assert peak(eight) == peak(large) + buckets
    assert peak(replace(eight, strategy="fsdp")) < 0.6 * peak(large)


def test_blocks_that_run_twice_need_less() -> None:
    made = step(gpt(8), FORMATS["fp32"], on_cpu=False, batch_size=1000)
    assert peak(made, recomputed=True) < 0.4 * peak(made)


def test_an_unknown_strategy_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"host.strategy='dpp': choose from .*fsdp"):
        StepMemory.of(
            ModelShape.of(gpt(1)), FORMATS["fp32"],
            batch_size=1, length=1, device_type="cpu", processes=1, strategy="dpp",
            microbatch_size=None,
        )  # fmt: skip
