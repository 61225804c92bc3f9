"""Runs with a second phase: what it adds, what the record says of it, that it goes on anywhere."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from rote.config.compose import Composer
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.training.checkpoint import Checkpoints
from rote.training.module import fit
from rote.training.training_run import Interrupted
from tests.conftest import COMPOSER, TINY, After, MakeSpec, Refuse

FINISH = (
    "budget/finish=lbfgs", "budget.finish.max_evaluations=40",
    "budget.finish.check_every_evaluations=16", "budget.finish.renew_every_iterations=10",
    "budget.finish.memory=5",
)  # fmt: skip
TOLD = (
    "memorised_bits_before", "memorised_bits_after", "evaluations", "iterations", "gradient_norm",
    "predicted_gain_bits", "ended_by",
)  # fmt: skip


def test_it_adds_bits_and_the_record_says_how(tiny: MakeSpec, store: Store) -> None:
    record = execute(tiny(*FINISH), store)
    finish = record.training["finish"]
    assert tuple(finish) == TOLD
    assert finish["memorised_bits_after"] > 1.2 * finish["memorised_bits_before"]
    assert (finish["evaluations"], finish["ended_by"]) == (40, "evaluations")
    assert finish["iterations"] < 40
    assert not record.training["converged"]
    assert record.training["steps"] == 30
    assert record.training["tokens_seen"] == 30 * 4 * 8 + 40 * 12 * 8
    measured = record.entropy_bits - record.measures["cost"]["train_code_bits"]
    assert finish["memorised_bits_after"] == pytest.approx(measured, rel=1e-5)
    rows = [
        json.loads(line) for line in store.run(record.run_id).curve_path.read_text().splitlines()
    ]
    assert [row["step"] for row in rows] == [10, 20, 30, 46, 62, 70]
    assert [row.get("evaluations") for row in rows] == [None, None, None, 16, 32, 40]
    assert rows[-1]["memorised_bits"] == finish["memorised_bits_after"]


def test_the_bits_before_are_those_of_the_run_without_it(tiny: MakeSpec, store: Store) -> None:
    plain = execute(tiny(), store)
    finished = execute(tiny(*FINISH), store)
    assert plain.run_id != finished.run_id
    assert "finish" not in plain.training and "finish" not in plain.what["budget"]
    measured = plain.entropy_bits - plain.measures["cost"]["train_code_bits"]
    before = finished.training["finish"]["memorised_bits_before"]
    assert before == pytest.approx(measured, rel=1e-5)


def test_the_peak_of_a_gpus_memory_is_that_of_both_phases(
    tiny: MakeSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(
        "rote.run.session._forget_the_run_before", lambda: calls.append("a new peak")
    )
    monkeypatch.setattr(
        "rote.run.execute.fit", lambda *phase, **how: calls.append("a phase") or fit(*phase, **how)
    )
    execute(tiny(*FINISH), store)
    assert calls == ["a new peak", "a phase", "a phase"]


def test_a_run_with_little_left_to_gain_has_converged(tiny: MakeSpec, store: Store) -> None:
    few = ("task.num_sequences=3", "budget.finish.max_evaluations=2000")
    record = execute(tiny(*FINISH, *few), store)
    finish = record.training["finish"]
    assert finish["ended_by"] == "predicted gain" and record.training["converged"]
    assert finish["evaluations"] < 2000
    # 3 sequences in their order hold 3 log2 3 bits that no model can know.
    most = 3 * (8 * 4 - np.log2(3))
    assert 0.99 * most < finish["memorised_bits_after"] <= most


@pytest.mark.parametrize("calls", [30, 31, 32, 41, 46, 55, 62, 69])
def test_it_goes_on_from_any_evaluation_bit_for_bit(
    calls: int, tiny: MakeSpec, tmp_path: object
) -> None:
    whole, parted = (Store(tmp_path / name) for name in ("whole", "parted"))  # type: ignore[operator]
    spec = tiny(*FINISH)
    with pytest.raises(Interrupted):
        execute(spec, parted, stop=After(calls))
    record, wanted = execute(spec, parted), execute(spec, whole)
    assert record == wanted
    assert parted.run(spec.run_id).circumstances()["resumed_at_step"] == min(calls, 30)
    here, there = (store.run(spec.run_id) for store in (parted, whole))
    assert here.curve_path.read_bytes() == there.curve_path.read_bytes()
    for name, array in np.load(there.path / "arrays.npz").items():
        assert np.array_equal(array, np.load(here.path / "arrays.npz")[name])


@pytest.mark.parametrize("has_pairs", [True, False])
def test_the_newest_checkpoint_of_many_is_the_one_it_goes_on_from(
    has_pairs: bool, tiny: MakeSpec, store: Store
) -> None:
    """Without pairs a checkpoint is smaller, and the minimiser begins again from its weights."""
    often = ("host.checkpoint_every_seconds=0", f"host.checkpoint_pairs={has_pairs}")
    spec = tiny(*FINISH, *often)
    with pytest.raises(Interrupted):
        execute(spec, store, stop=After(55))
    saved = Checkpoints(store.run(spec.run_id).checkpoints_path).newest()
    assert saved is not None and saved["progress"]["finish"]["evaluations"] == 25
    assert (saved["minimiser"] is not None) == has_pairs
    finish = execute(spec, store).training["finish"]
    assert (finish["evaluations"], finish["ended_by"]) == (40, "evaluations")
    began = saved["progress"]["finish"]["iterations"]
    assert began + 10 <= finish["iterations"] <= began + 15  # of 15 evaluations
    noted = store.run(spec.run_id).circumstances().get("finish_restarted_at_iterations")
    assert noted == (None if has_pairs else [began])


def test_without_pairs_it_converges_all_the_same(tiny: MakeSpec, tmp_path: Path) -> None:
    few = ("task.num_sequences=3", "budget.finish.max_evaluations=2000", "log=none")
    whole = execute(tiny(*FINISH, *few), Store(tmp_path / "whole"))
    spec, store = tiny(*FINISH, *few, "host.checkpoint_pairs=false"), Store(tmp_path / "parted")
    for calls in (60, 20):
        with pytest.raises(Interrupted):
            execute(spec, store, stop=After(calls))
    parted = execute(spec, store)
    assert parted.training["converged"] and parted.run_id == whole.run_id
    ours, theirs = (one.training["finish"]["memorised_bits_after"] for one in (parted, whole))
    assert ours == pytest.approx(theirs, rel=0.005)


def test_stopped_at_its_last_evaluation_it_is_done(tiny: MakeSpec, store: Store) -> None:
    record = execute(tiny(*FINISH), store, stop=After(70))
    assert record.training["finish"]["evaluations"] == 40


def are_alike(ours: Mapping[str, float], theirs: Mapping[str, float]) -> bool:
    """Last digits differ between a stack and a model alone, and grow along a curved path."""
    before, after = "memorised_bits_before", "memorised_bits_after"
    start = abs(ours[before] / theirs[before] - 1) < 1e-3
    return start and abs(ours[after] / theirs[after] - 1) < 0.1


def specs_of(tiny: MakeSpec) -> list[Spec]:
    """Equal steps, unequal data: two groups are evaluated as one stack each."""
    points = [("task.num_sequences=12", seed) for seed in (0, 1)] + [("task.num_sequences=9", 0)]
    return [tiny(*FINISH, number, f"seed={seed}") for number, seed in points]


def test_a_stack_ends_as_its_members_do_alone(tiny: MakeSpec, tmp_path: object) -> None:
    together, alone = (Store(tmp_path / name) for name in ("together", "alone"))  # type: ignore[operator]
    specs = specs_of(tiny)
    assert execute_together(specs, together) == {}
    for spec in specs:
        ours = together.run(spec.run_id).record().training["finish"]
        theirs = execute(spec, alone).training["finish"]
        assert ours["evaluations"] == theirs["evaluations"]
        assert are_alike(ours, theirs)


@pytest.mark.parametrize("calls", [20, 100, 150])
def test_a_stack_that_is_stopped_goes_on_together_or_apart(
    calls: int, tiny: MakeSpec, tmp_path: object
) -> None:
    store, whole = (Store(tmp_path / name) for name in ("parted", "whole"))  # type: ignore[operator]
    specs = specs_of(tiny)
    with pytest.raises(Interrupted):
        execute_together(specs, store, stop=After(calls))
    assert execute_together(specs[:2], store) == {}
    execute(specs[2], store)
    assert execute_together(specs, whole) == {}
    for spec in specs:
        ours, theirs = (one.run(spec.run_id).record().training["finish"] for one in (store, whole))
        assert are_alike(ours, theirs)


def test_text_is_told_in_bits_below_a_uniform_guesser(store: Store) -> None:
    kept = [one for one in TINY if not one.startswith("task.")]
    text = ["task=text", "task.num_sequences=12", "task.length=8", "task.num_heldout_sequences=4"]
    record = execute(Spec.from_config(COMPOSER.config([*kept, *text, *FINISH])), store)
    assert "below_uniform_bits_after" in record.training["finish"]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (("control=[dropout]",), "which would undo control.dropout"),
        (("control=[early_stopping]",), "which would undo control.early_stopping"),
        (("optim=adamw", "optim.optimiser.weight_decay=0.1"), "optim.optimiser.weight_decay"),
        (("precision=bf16_true",), "needs precision=fp32, not bf16_true"),
        (("precision=bf16_mixed",), "needs precision=fp32, not bf16_mixed"),
        (("precision=tf32",), "needs precision=fp32, not tf32"),
        (("budget.finish.max_evaluations=0",), "budget.finish.max_evaluations must be a whole"),
        (("budget.finish.max_gain_per_1000_iterations=-1",), "must be a number from 0 up"),
    ],
)
def test_what_does_not_go_with_it_is_refused_before_training(
    refuse: Refuse, overrides: tuple[str, ...], told: str
) -> None:
    refuse(told, *FINISH, *overrides)


def test_deduplication_goes_with_it(tiny: MakeSpec, store: Store) -> None:
    record = execute(tiny(*FINISH, "control=[deduplication]"), store)
    assert record.training["finish"]["evaluations"] == 40


def test_the_bill_counts_its_evaluations_and_its_vectors(tiny: MakeSpec) -> None:
    plain, finished = (Preflight().facts(tiny(*more)) for more in ((), FINISH))
    extra = 6.0 * plain.parameters * 40 * 12 * 8
    assert finished.max_flops == plain.max_flops + extra
    assert tiny(*FINISH).longest == tiny().longest + 40
    wide = ("budget/finish=lbfgs", "size.width=256", "budget.finish.memory=500")
    facts = Preflight().facts(tiny(*wide))
    assert facts.peak_bytes(1) > 2 * 500 * 8 * facts.parameters


def test_no_finish_is_no_key_of_a_spec() -> None:
    config = Composer().config(["budget/finish=none"])
    assert "finish" not in Spec.from_config(config).what["budget"]
