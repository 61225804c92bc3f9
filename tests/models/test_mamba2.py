"""Mamba-2 gives what transformers' own gives on the same weights: logits, loss and gradients."""

from functools import partial

import pytest
import torch
from tests.models.parity import noisy, renamed, require_same, require_same_steps, with_weights
from torch import Tensor, nn

from rote.models.decoder import sequences_at_once, token_reader
from rote.models.mamba2 import Mamba2
from rote.models.recurrence import CHUNK

SHAPE = {"num_layers": 2, "width": 24, "num_heads": 4, "vocab_size": 37, "num_taps": 4}
VARIANTS = [
    {"expand": 2, "state_width": 16, "num_groups": 1, "is_tied": True},
    {"expand": 1, "state_width": 5, "num_groups": 2, "is_tied": False},
]
LENGTHS = [11, CHUNK, 2 * CHUNK + 3]
NAMES = {
    "token_embedding": "backbone.embeddings", "final_norm": "backbone.norm_f",
    "unembedding": "lm_head", "blocks.": "backbone.layers.", "mixer.project_in": "mixer.in_proj",
    "mixer.project.": "mixer.out_proj.", "convolution": "conv1d", "log_decay": "A_log",
    "step_bias": "dt_bias", "skip": "D", "norm_weight": "norm.weight",
}  # fmt: skip


def of_transformers(model: Mamba2, *, variant: dict[str, int | bool]) -> nn.Module:
    """Its Mamba2ForCausalLM with these weights, in plain PyTorch."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Mamba2Config(
        vocab_size=37, hidden_size=24, num_hidden_layers=2, num_heads=4,
        head_dim=24 * variant["expand"] // 4, expand=variant["expand"],
        state_size=variant["state_width"], n_groups=variant["num_groups"], conv_kernel=4,
        chunk_size=16, tie_word_embeddings=variant["is_tied"], bos_token_id=None,
        eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    return with_weights(transformers.Mamba2ForCausalLM(config), renamed(model.state_dict(), NAMES))


@pytest.fixture(params=VARIANTS)
def pair(request: pytest.FixtureRequest) -> tuple[Mamba2, nn.Module]:
    torch.manual_seed(0)
    model = noisy(Mamba2(**SHAPE, max_length=max(LENGTHS), **request.param))
    return model, of_transformers(model, variant=request.param)


def tokens(length: int) -> Tensor:
    return torch.randint(37, (3, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("length", LENGTHS)
def test_logits_loss_and_gradients_are_those_of_transformers(
    pair: tuple[Mamba2, nn.Module], length: int
) -> None:
    require_same(*pair, tokens(length), partial(renamed, names=NAMES))


def test_it_reads_on_from_any_position_as_it_reads_all(pair: tuple[Mamba2, nn.Module]) -> None:
    require_same_steps(pair[0], tokens(CHUNK + 9), [2, *range(CHUNK, CHUNK + 9)])


def test_what_decoding_keeps_does_not_grow(pair: tuple[Mamba2, nn.Module]) -> None:
    model, _ = pair
    pasts = model.pasts()
    numbers = set()
    for start in range(0, 12, 3):
        model.read(tokens(12)[:1, start : start + 3], pasts)
        kept = [one for past in pasts for one in (past.window_BTE, past.state_BHKV)]
        numbers.add(sum(one.numel() for one in kept))
    assert len(numbers) == 1
    assert model.past_numbers == -(-numbers.pop() // max(LENGTHS))
    assert sequences_at_once(model, length=max(LENGTHS), vocab_size=37) > 1


@torch.inference_mode()
def test_sequences_that_are_dropped_change_nothing_for_the_others(
    pair: tuple[Mamba2, nn.Module],
) -> None:
    model, _ = pair
    decoder, kept, tokens_BL = token_reader(model), torch.tensor([2, 0]), tokens(8)
    decoder.read(tokens_BL[:, :5])
    decoder.keep(kept)
    inputs_BL = torch.cat([torch.zeros_like(tokens_BL[:, :1]), tokens_BL[:, :6]], dim=1)
    whole_BV = model(inputs_BL)[:, -1]
    torch.testing.assert_close(decoder.read(tokens_BL[kept, 5:6]), whole_BV[kept])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_formula_counts_its_parameters(variant: dict[str, int | bool]) -> None:
    model = Mamba2(**SHAPE, max_length=11, **variant)
    count = sum(parameter.numel() for parameter in model.parameters())
    inner, shared = variant["expand"] * 24, 2 * variant["num_groups"] * variant["state_width"]
    block = 24 * (2 * inner + shared + 4) + (inner + shared) * 5 + 3 * 4 + inner + inner * 24 + 24
    assert count == 37 * 24 * (1 if variant["is_tied"] else 2) + 2 * block + 24


def test_time_steps_at_the_start_are_those_of_the_authors() -> None:
    torch.manual_seed(0)
    model = Mamba2(**SHAPE | {"num_heads": 24}, max_length=11, **VARIANTS[0])
    mixer = model.blocks[0].mixer
    steps_H = nn.functional.softplus(mixer.step_bias)
    assert 1e-3 <= steps_H.min() < 1e-2 < steps_H.max() <= 1e-1
    assert mixer.log_decay.exp().min() >= 1 and mixer.log_decay.exp().max() <= 16
