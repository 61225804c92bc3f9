"""Runs trained as one stack: their records are those of runs trained one by one."""

import json
import math

import pytest

from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute, execute_together
from rote.training.stack import CannotStack
from rote.training.training_run import Diverged, Interrupted
from tests.conftest import After, MakeSpec, left
from tests.shared import Shared

SPECS = (
    ("seed=0",),
    ("seed=1", "task.num_sequences=20", "optim.optimiser.lr=3e-3"),
    ("seed=2", "budget.max_steps=17"),
    ("seed=3", "optim.optimiser.lr=1e9", "optim.clip_norm=1.0"),
)
DIVERGING = 3


@pytest.fixture
def specs(tiny: MakeSpec) -> list[Spec]:
    return [tiny("budget.max_steps=25", "optim.clip_norm=1.0", *more) for more in SPECS]


def assert_agree(specs: list[Spec], store: Store, shared: Shared) -> None:
    """With the same runs, trained one by one."""
    for spec in specs:
        ours, theirs = store.run(spec.run_id), shared.finished(spec)
        record, expected = ours.record(), theirs.record()
        assert record.training["steps"] == expected.training["steps"]
        assert record.training["tokens_seen"] == expected.training["tokens_seen"]
        for name, value in expected.measures["cost"].items():
            assert math.isclose(record.measures["cost"][name], value, rel_tol=1e-4), name
        for row, other in zip(ours.curve(), theirs.curve(), strict=True):
            assert row["step"] == other["step"]
            assert math.isclose(
                row["loss_nats_per_token"], other["loss_nats_per_token"], rel_tol=1e-5
            )
            assert math.isclose(row["learning_rate"], other["learning_rate"], rel_tol=1e-6)


def test_each_has_the_record_of_a_run_alone(
    specs: list[Spec], store: Store, shared: Shared
) -> None:
    together = Store(store.outputs / "together")
    ended = execute_together(specs, together)
    sound = [spec for number, spec in enumerate(specs) if number != DIVERGING]
    assert_agree(sound, together, shared)
    sick = specs[DIVERGING].run_id
    assert list(ended) == [sick]
    assert isinstance(ended[sick], Diverged)
    assert "Diverged: the loss is" in (together.run(sick).failure() or {})["reason"]
    facts = json.loads((together.run(sound[0].run_id).path / "circumstances.json").read_text())
    assert facts["stacked"] == len(specs)


@pytest.mark.parametrize(("step", "num_alone"), [(13, 0), (13, 1), (10, 0), (17, 0)])
def test_interrupted_they_go_on_together_or_alone(
    specs: list[Spec], store: Store, shared: Shared, step: int, num_alone: int
) -> None:
    """In the middle of a stride of ten steps, at its end, and where one of them ends."""
    together = Store(store.outputs / "together")
    specs = [spec for number, spec in enumerate(specs) if number != DIVERGING]
    with pytest.raises(Interrupted, match=f"stopped at step {step} with checkpoints"):
        execute_together(specs, together, stop=After(3 * (step - 1) + 1))
    for spec in specs[:num_alone]:
        execute(spec, together)
    assert execute_together(specs, together) == {}
    assert_agree(specs, together, shared)


def test_runs_that_left_at_different_steps_go_on_in_a_stack_for_each_step(
    specs: list[Spec], store: Store, shared: Shared
) -> None:
    together = Store(store.outputs / "together")
    specs = [spec for number, spec in enumerate(specs) if number != DIVERGING]
    with pytest.raises(Interrupted, match="stopped at step 13 with checkpoints"):
        execute_together(specs[:2], together, stop=After(2 * 12 + 1))
    assert execute_together(specs, together) == {}  # the third is new
    assert_agree(specs, together, shared)


def test_the_same_stack_twice_is_the_same(specs: list[Spec], store: Store) -> None:
    stores = [Store(store.outputs / name) for name in ("one", "two")]
    for each in stores:
        execute_together(specs[:3], each)
    for spec in specs[:3]:
        one, two = (each.run(spec.run_id) for each in stores)
        assert left(one) == left(two)


def test_what_differs_in_shape_has_to_run_alone(tiny: MakeSpec, store: Store) -> None:
    specs = [tiny(), tiny("budget.batch_size=3")]
    with pytest.raises(CannotStack):
        execute_together(specs, store)
    assert not any(store.run(spec.run_id).failure() for spec in specs)
    assert execute(specs[1], store).training["steps"] == 30
