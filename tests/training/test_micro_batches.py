"""A batch that is cut into micro-batches gives the run of the whole batch, in less memory."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import After, MakeSpec, losses
from tests.training.test_memory import FORMATS, gpt, step

from rote.ledger.store import Store
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.training import module
from rote.training.memory import StepMemory
from rote.training.stack import CannotStack
from rote.training.training_run import Interrupted

CUT = "host.accumulate_above_gib=0"


def cut(made: StepMemory, limit_gib: float | None, recompute: float | None = None) -> StepMemory:
    return made.cut(
        accumulate_above_gib=limit_gib, recompute_above_gib=recompute, optimiser_copies=2
    )


def peak_gib(made: StepMemory, *, recomputed: bool = False) -> float:
    return made.peak_bytes(optimiser_copies=2, recomputed=recomputed) / 2**30


@pytest.mark.parametrize(
    ("more", "tolerance"),
    [
        ((), 1e-6),
        # Tokens count in unequal numbers in micro-batches, and one mean is that of the batch.
        (("control=[goldfish,label_smoothing,gradient_noise]", "control.goldfish.k=2"), 1e-6),
        (("precision=fp16_mixed", "host.recompute_above_gib=0"), 1e-2),
        (("precision=bf16_true", "optim=adamw"), 2e-2),
    ],
)
def test_losses_are_those_of_whole_batches_and_a_resumed_run_is_the_same(
    tiny: MakeSpec, tmp_path: Path, more: tuple[str, ...], tolerance: float
) -> None:
    spec, whole, store = tiny(CUT, *more), Store(tmp_path / "whole"), Store(tmp_path / "cut")
    assert spec.run_id == tiny(*more).run_id
    execute(tiny(*more), whole)
    execute(spec, store)
    assert losses(store, spec) == pytest.approx(losses(whole, spec), rel=tolerance)
    halted = Store(tmp_path / "halted")
    with pytest.raises(Interrupted):
        execute(spec, halted, stop=After(14))
    execute(spec, halted)
    assert losses(halted, spec) == losses(store, spec)


def test_each_step_computes_as_many_parts_as_the_bill_counts(
    tiny: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    class Noting(module.TrainingModule):
        def _gradient(self, tokens_BL, weights_BL, *, is_last):  # type: ignore[no-untyped-def]
            sizes.append((len(tokens_BL), is_last))
            return super()._gradient(tokens_BL, weights_BL, is_last=is_last)

    monkeypatch.setattr("rote.run.execute.TrainingModule", Noting)
    execute(tiny(CUT, "budget.max_steps=1"), Store(tmp_path))
    assert sizes == [(1, False)] * 3 + [(1, True)]


def test_a_batch_is_cut_no_more_than_the_limit_asks_for() -> None:
    whole = step(gpt(8), FORMATS["fp32"], on_cpu=False, batch_size=24)
    parts = [replace(whole, num_microbatches=number) for number in (1, 2, 3, 4, 6, 8, 12, 24)]
    peaks = [peak_gib(one) for one in parts]
    assert peaks == sorted(peaks, reverse=True)
    for one, peak in zip(parts, peaks, strict=True):
        assert cut(whole, peak) == one
    assert cut(whole, None) == whole
    assert cut(whole, 0).num_microbatches == 24
    assert cut(replace(whole, processes=8), 0).num_microbatches == 3


def test_blocks_that_run_twice_may_save_the_cut() -> None:
    whole = step(gpt(8), FORMATS["fp32"], on_cpu=False, batch_size=24)
    limit = peak_gib(whole, recomputed=True)
    assert cut(whole, limit, recompute=0).num_microbatches == 1
    assert cut(whole, limit).num_microbatches > 1


def test_the_bill_of_a_cut_run_is_smaller(tiny: MakeSpec) -> None:
    large = ("size=20m", "budget.batch_size=64", "task.num_sequences=64", "task.length=64")

    def peak_gib_of(limit: float | None) -> float:
        spec = tiny(*large, f"host.accumulate_above_gib={'null' if limit is None else limit}")
        facts = Preflight().facts(spec)
        assert facts.trains_alone == (limit is not None)
        return facts.peak_bytes(1) / 2**30

    whole = peak_gib_of(None)
    for share in (0.9, 0.7):
        assert share * whole / 1.5 < peak_gib_of(share * whole) <= share * whole


def test_gradients_of_single_sequences_are_cut_by_their_own_control(tiny: MakeSpec) -> None:
    private = [tiny("control=[dp_sgd]", f"host.accumulate_above_gib={x}") for x in ("null", "0")]
    whole, same = (Preflight().facts(spec).peak_bytes(1) for spec in private)
    assert same == whole


def test_cut_runs_do_not_stack(tiny: MakeSpec, tmp_path: Path) -> None:
    specs = [tiny(CUT, f"seed={seed}") for seed in (0, 1)]
    with pytest.raises(CannotStack, match="their batches are cut into micro-batches"):
        execute_together(specs, Store(tmp_path))
