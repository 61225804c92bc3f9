"""Compiled blocks, those that run twice, and a kernel of attention give the same run."""

import copy
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import COMPOSER, After, MakeSpec, agree, left, losses
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend

from rote.config.build import build
from rote.config.compose import groups
from rote.config.host_and_log import HOST
from rote.ledger.store import Store
from rote.models import attention
from rote.models.likelihood import token_nats
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.training.blocks import KERNELS, attention_kernel, restore_blocks, train_blocks
from rote.training.training_run import Interrupted

V, L = 11, 8
SLOW = pytest.mark.slow
COMPILED = "host.compile=blocks"


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> CompileCounterWithBackend:
    """Torch's tracing, forwards and backwards, without generated code, which takes long."""
    counter = CompileCounterWithBackend("aot_eager")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    return counter


def small(name: str) -> nn.Module:
    size = ("size.num_layers=3", "size.width=16", "size.num_heads=2")
    torch.manual_seed(0)
    return build(COMPOSER.config([f"model={name}", *size])["model"], vocab_size=V, max_length=L)


def loss_and_gradients(model: nn.Module) -> list[Tensor]:
    loss = token_nats(model, torch.arange(3 * L).view(3, L) % V).mean()
    return [
        loss,
        *torch.autograd.grad(loss, [one for one in model.parameters() if one.requires_grad]),
    ]


@pytest.mark.parametrize(
    ("name", "recomputed"),
    [
        ("gpt", False),
        ("gpt", True),
        ("moe", True),
        *[pytest.param(name, False, marks=SLOW) for name in groups()["model"] if name != "gpt"],
    ],
)
def test_equal_blocks_of_every_model_share_one_graph_and_its_gradients(
    name: str, recomputed: bool, counter: CompileCounterWithBackend
) -> None:
    model = small(name)
    plain, names = loss_and_gradients(model), list(model.state_dict())
    train_blocks(model, compiled=True, recomputed=recomputed)
    compiled = loss_and_gradients(model)
    assert list(model.state_dict()) == names
    # The first block of `lora` reads frozen embeddings; `moe` is split where it chooses experts.
    assert counter.frame_count == {"lora": 2, "moe": 5}.get(name, 1)
    for ours, theirs in zip(compiled, plain, strict=True):
        torch.testing.assert_close(
            ours, theirs, rtol=1e-5, atol=1e-6 * float(theirs.detach().abs().max())
        )


def test_measures_copies_and_what_follows_training_see_plain_blocks(
    counter: CompileCounterWithBackend,
) -> None:
    model = small("gpt")
    train_blocks(model, compiled=True, recomputed=False)
    tokens_BL = torch.zeros(1, L, dtype=torch.int64)
    copied = copy.deepcopy(model)
    nn.init.zeros_(model.blocks[0].expand.weight)
    with torch.no_grad():
        assert not torch.equal(copied(tokens_BL), model(tokens_BL))
    assert counter.frame_count == 0
    restore_blocks(model)
    loss_and_gradients(model)
    assert counter.frame_count == 0


@pytest.mark.parametrize(
    "more",
    [
        ["log.look_at=[0,10]", "log.look_with=[cost]", "host.recompute_above_gib=0"],
        pytest.param(["precision=bf16_mixed", "control=[dropout,goldfish]"], marks=SLOW),
        pytest.param(["precision=qat_int8", "model=llama"], marks=SLOW),
    ],
)
def test_a_run_with_compiled_blocks_agrees_with_a_plain_one_and_resumes(
    tiny: MakeSpec, tmp_path: Path, more: list[str], counter: CompileCounterWithBackend
) -> None:
    curves = {}
    for mode in ("null", "blocks"):
        spec, store = tiny(f"host.compile={mode}", *more), Store(tmp_path / mode)
        assert spec.run_id == tiny(*more).run_id
        execute(spec, store)
        curves[mode] = losses(store, spec)
    assert counter.frame_count > 0
    assert curves["blocks"] == pytest.approx(curves["null"], rel=1e-3)
    halted = Store(tmp_path / "halted")
    with pytest.raises(Interrupted):
        execute(spec, halted, stop=After(14))
    execute(tiny(*more), halted)
    assert losses(halted, spec) == pytest.approx(curves["null"], rel=1e-3)


@SLOW
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_a_run_with_generated_code_agrees_with_a_plain_one(tiny: MakeSpec, tmp_path: Path) -> None:
    more = ("host.recompute_above_gib=0", "host.attention=flash")
    plain, compiled = (tiny(f"host.compile={mode}", *more) for mode in ("null", "blocks"))
    agree(plain, compiled, tmp_path, 1e-4)


def test_stacks_leave_their_blocks_as_they_are(
    tiny: MakeSpec, tmp_path: Path, counter: CompileCounterWithBackend
) -> None:
    specs = [tiny(COMPILED, "host.attention=flash", f"seed={seed}") for seed in (0, 1)]
    assert execute_together(specs, Store(tmp_path)) == {}
    assert counter.frame_count == 0


def test_blocks_are_compiled_of_models_that_have_them(
    tiny: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_blocks(*_: object, **__: object) -> nn.Module:
        return nn.Embedding(16, 16)

    monkeypatch.setattr("rote.run.preflight._on_meta", without_blocks)
    with pytest.raises(ValueError, match=r"host\.compile=blocks needs a model with `blocks`"):
        Preflight().facts(tiny(COMPILED))


def test_a_kernel_that_a_device_lacks_is_refused(tiny: MakeSpec) -> None:
    for name in ("cudnn", "efficient"):
        message = rf"host\.attention={name}: torch has no such kernel for float32 on this cpu"
        with pytest.raises(ValueError, match=message):
            Preflight().facts(tiny(f"host.attention={name}"))
    for name in ("flash", "math", "null"):
        Preflight().facts(tiny(f"host.attention={name}"))
    with pytest.raises(ValueError, match=r"host\.attention must be null or one of cudnn"):
        Preflight().facts(tiny("host.attention=fast"))


def test_a_kernel_can_be_chosen_where_it_is_known() -> None:
    for name in KERNELS:
        HOST["attention"]("host.attention", name)


@pytest.mark.parametrize("recomputed", ["null", "0"])
def test_training_takes_the_kernel_that_the_host_names_and_measures_any(
    tiny: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recomputed: str
) -> None:
    known, seen = attention.attend, []

    def noting(*heads: Any) -> Tensor:
        seen.append((torch.is_grad_enabled(), torch.backends.cuda.flash_sdp_enabled()))
        return known(*heads)

    monkeypatch.setattr(attention, "attend", noting)
    limit = f"host.recompute_above_gib={recomputed}"
    execute(tiny("host.attention=math", limit), Store(tmp_path))
    assert set(seen) == {(True, False), (False, True)}


def test_compiled_code_of_one_kernel_is_not_that_of_another() -> None:
    """Torch's own key of its cache would be the same."""
    tags = []
    for name in ("flash", "math", None):
        with attention_kernel(name):
            tags.append(torch.compiler.config.cache_key_tag)
    assert tags == ["attention=flash", "attention=math", ""]


@pytest.mark.parametrize("precision", ["fp32", "bf16_mixed", "bf16_true"])
def test_the_same_run_with_blocks_that_run_twice_is_the_same_bit_for_bit(
    tiny: MakeSpec, tmp_path: Path, precision: str
) -> None:
    files = []
    for limit in ("null", "0"):
        spec = tiny(f"precision={precision}", f"host.recompute_above_gib={limit}")
        execute(spec, Store(tmp_path / limit))
        files.append(left(Store(tmp_path / limit).run(spec.run_id)))
    assert files[0] == files[1]
