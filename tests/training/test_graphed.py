"""Recorded steps train what plain ones train, on a CPU that replays as a GPU would."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.conftest import MakeSpec, losses
from tests.training.test_stack import FP32, MIXED, STEPS, batches, fraction, models
from torch import Tensor
from torch.optim import SGD, AdamW, NAdam, Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from rote.ledger.store import Store
from rote.optim.muon import muon_with_adamw
from rote.optim.soap import soap_with_adamw
from rote.precision import LossScaled, Precision
from rote.run.execute import execute, execute_together
from rote.training import graphed, stack
from rote.training.controls.goldfish import Goldfish
from rote.training.controls.label_smoothing import LabelSmoothing
from rote.training.graphed import GRAPH, Graphed
from rote.training.objective import Objective
from rote.training.stack import ChangeGradients, Stack

WAITS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::_linalg_eigh", "aten::linalg_qr")
SCALING = {f"aten::{name}" for name in ("mul", "lerp", "copy_", "view", "detach", "_to_copy")}
SCALED = LossScaled(
    name="scaled", weights="float32", autocast=None, matmul="highest", loss_scale=1024
)


class Tape(TorchDispatchMode):
    """Stands in for a CUDA graph: keeps each kernel with its tensors, and runs it on these again.

    As on a GPU, recording changes no tensor, a replay calls no Python of the step, and what waits
    for the device is refused.
    """

    made: list["Tape"]

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[tuple[partial[Any], list[Any]]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}
        self.made.append(self)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func._schema.name in WAITS:
            raise RuntimeError("operation not permitted when stream is capturing")
        for about, given in zip(func._schema.arguments, args, strict=False):
            if about.alias_info and about.alias_info.is_write:
                for one in tree_leaves(given):
                    self.before.setdefault(one.data_ptr(), (one.detach(), one.clone()))
        result = func(*args, **(kwargs or {}))
        # Without what autograd adds to them: a graph has addresses alone.
        args, kwargs, written = tree_map_only(
            Tensor, Tensor.detach, (args, kwargs or {}, tree_leaves(result))
        )
        self.kernels.append((partial(func, *args, **kwargs), written))
        return result

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        with torch.no_grad():
            for one, value in self.before.values():
                one.copy_(value)

    def names(self) -> set[str]:
        """Of its kernels."""
        return {kernel.func._schema.name for kernel, _ in self.kernels}

    def replay(self) -> None:
        with torch.no_grad():
            for kernel, recorded in self.kernels:
                for old, new in zip(recorded, tree_leaves(kernel()), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


@pytest.fixture
def tapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Tape]]:
    """What has been recorded, on a CPU that records as a GPU."""
    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(Tape, "made", [], raising=False)
    monkeypatch.setattr(graphed, "RECORDS_ON", "cpu")
    for name, instead in {
        "CUDAGraph": Tape,
        "graph": lambda tape: tape,
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda _: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, instead)
    yield Tape.made


def bare(make: Callable[..., Optimizer], **settings: Any) -> Callable[..., Optimizer]:
    return lambda named: make([weight for _, weight in named], lr=1e-2, **settings)


SOAP = partial(
    soap_with_adamw, lr=1e-2, betas=(0.9, 0.99), factor_beta=0.95, refresh_every_steps=4, eps=1e-8,
    weight_decay=0.1,
)  # fmt: skip
MUON = partial(
    muon_with_adamw, lr=1e-2, momentum=0.9, weight_decay=0.1, embeddings=True, adamw_lr=1e-2,
    adamw_betas=(0.9, 0.99),
)  # fmt: skip
FUSED = bare(AdamW, fused=True)
# And whether their steps are recorded.
OPTIMISERS: Mapping[str, tuple[Callable[..., Optimizer], bool]] = {
    "adamw": (FUSED, True),
    "muon": (MUON, True),
    "sgd": (bare(SGD, momentum=0.9), True),
    "soap": (SOAP, False),
    "adamw not fused": (bare(AdamW), False),
    "nadam": (bare(NAdam), False),
}


def trained(
    mode: str | None,
    make: Callable[..., Optimizer],
    *,
    precision: Precision = FP32,
    objective: Objective = stack.PLAIN,
    change: ChangeGradients | None = None,
) -> tuple[Tensor, Stack]:
    """Losses of three runs, [steps, 3], NaN after the second has left; and the stack."""
    made = Stack(
        models=models(precision), optimisers=[make] * 3, clip_norm=0.5, precision=precision,
        compile_mode=mode, objective=objective,
    )  # fmt: skip
    losses_TK = torch.full((STEPS, 3), torch.nan)
    runs = [0, 1, 2]
    for step, tokens_KBL in enumerate(batches()):
        if step == STEPS - 5:
            made.keep([0, 2])
            runs = [0, 2]
        fractions_K = torch.full((len(runs),), fraction(step))
        losses_TK[step, runs] = made.step(tokens_KBL[runs], fractions_K, change)
    return losses_TK, made


def require_equal(recorded: tuple[Tensor, Stack], plain: tuple[Tensor, Stack]) -> None:
    assert torch.equal(recorded[0].nan_to_num(), plain[0].nan_to_num())
    for name, weight in recorded[1].parameters.items():
        assert torch.equal(weight, plain[1].parameters[name])


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_recorded_step_trains_what_a_plain_one_trains(name: str, tapes: list[Tape]) -> None:
    """In one graph up to the gradients and one from there, for three runs and for two."""
    make, is_recorded = OPTIMISERS[name]
    recorded = trained(GRAPH, make)
    assert len(tapes) == 4
    assert all((tape.names() <= SCALING) != is_recorded for tape in tapes[1::2])
    require_equal(recorded, trained(None, make))
    assert len(tapes) == 4


@pytest.mark.parametrize("precision", [MIXED, SCALED])
def test_so_it_does_in_other_number_formats(precision: Precision, tapes: list[Tape]) -> None:
    recorded = trained(GRAPH, SOAP, precision=precision)
    assert len(tapes) == 4
    require_equal(recorded, trained(None, SOAP, precision=precision))


@pytest.mark.parametrize("make", [FUSED, SOAP])
def test_controls_of_loss_and_gradients_act_on_recorded_steps(
    make: Callable[..., Optimizer], tapes: list[Tape]
) -> None:
    objective = Objective(losses=(LabelSmoothing(share=0.1),), weighers=(Goldfish(k=3, h=2),))
    calls = 0

    def change(run: int, gradients: Sequence[Tensor]) -> None:
        nonlocal calls
        calls += 1
        for one in gradients:
            one.add_(calls % 5, alpha=0.01)

    recorded = trained(GRAPH, make, objective=objective, change=change)
    assert len(tapes) == 4
    assert calls == 3 * STEPS - 5
    calls = 0
    require_equal(recorded, trained(None, make, objective=objective, change=change))


def test_gradients_stay_where_they_were_recorded(tapes: list[Tape]) -> None:
    made = trained(GRAPH, SOAP)[1]
    gradients = [weight.grad for weight in made.parameters.values()]
    values = [one.clone() for one in gradients if one is not None]
    made.step(batches()[0][[0, 2]], torch.ones(2))
    for weight, one, value in zip(made.parameters.values(), gradients, values, strict=True):
        assert weight.grad is one
        assert not torch.equal(weight.grad, value)


def test_an_optimiser_that_counts_on_the_cpu_cannot_be_recorded(
    tapes: list[Tape], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = trained(None, SOAP)[0].nan_to_num()
    monkeypatch.setattr(stack, "is_recordable", lambda _: True)
    assert not torch.equal(trained(GRAPH, SOAP)[0].nan_to_num(), plain)


def test_what_waits_for_the_device_cannot_be_recorded(tapes: list[Tape]) -> None:
    step = Graphed(lambda tensor: tensor * float(tensor.sum()))
    for _ in range(graphed.WARMUP_STEPS):
        step(torch.ones(2))
    with pytest.raises(RuntimeError, match=r"host\.compile=null .*when stream is capturing"):
        step(torch.ones(2))


def test_every_call_has_the_shapes_that_were_recorded(tapes: list[Tape]) -> None:
    step = Graphed(lambda tensor: 2 * tensor)
    results = [step(torch.tensor([1.0, number])) for number in range(6)]
    assert [one.tolist() for one in results] == [[2.0, 2.0 * number] for number in range(6)]
    with pytest.raises(AssertionError):
        step(torch.ones(1))


def test_goldfish_copies_its_factors_to_a_device_once() -> None:
    goldfish = Goldfish(k=3, h=2)
    assert goldfish._factors_on(torch.device("meta")) is goldfish._factors_on(torch.device("meta"))
    assert goldfish == Goldfish(k=3, h=2)


@pytest.mark.parametrize("optim", ["adamw", "muon", "soap"])
def test_a_whole_run_and_its_finish_are_recorded(
    tiny: MakeSpec, tmp_path: Path, tapes: list[Tape], optim: str
) -> None:
    """As a stack of one, beside the same without graphs."""
    plain, recorded = Store(tmp_path / "plain"), Store(tmp_path / "recorded")
    more = (f"optim={optim}", "budget/finish=lbfgs", "budget.finish.max_evaluations=10")
    spec = tiny(*more)
    assert execute_together([spec], plain) == {}
    assert not tapes
    execute(tiny(*more, "host.compile=graph"), recorded)
    assert len(tapes) == 3
    assert losses(recorded, spec) == losses(plain, spec)
