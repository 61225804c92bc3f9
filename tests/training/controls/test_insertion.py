"""Inserted sequences are shown as often as planned, in their window, and never besides."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.conftest import MakeSpec, Refuse

from rote.core.rng import stream_seed
from rote.ledger.store import Store
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.tasks.canaries.task import Canaries
from rote.tasks.uniform import Uniform
from rote.training.controls.insertion import Insertion, InsertionOrder
from rote.training.data import BatchOrder

BASE = Uniform(num_sequences=20, length=12, vocab_size=64, num_heldout_sequences=2)
CANARIES = Canaries(
    base=BASE, kinds=["tokens"], secret_length=4, repeats=[1, 5], num_each=3, num_controls=2
)
STEPS = range(40)
WINDOW = "control.insertion={num_inserted:3,times:4,from_step:6,to_step:20}"


def insertion(**settings: int) -> Insertion:
    usual: dict[str, int | None] = {
        "every_steps": None, "from_step": 11, "to_step": 30, "num_inserted": None, "times": None,
    }  # fmt: skip
    return Insertion(**{**usual, **settings})  # type: ignore[arg-type]


def order_of(chosen: Insertion, task: Uniform | Canaries, seed: int = 0) -> InsertionOrder:
    return chosen.order(task, batch_size=6, max_steps=len(STEPS), seed=seed)


def test_a_canary_is_shown_as_often_as_it_has_repeats_and_in_its_window() -> None:
    order = order_of(insertion(), CANARIES)
    read = order.indices(STEPS)
    assert read.shape == (40, 6)
    inserted = read >= 20
    assert Counter(read[inserted].tolist()) == dict.fromkeys(range(20, 38), 1)
    assert not inserted[:10].any()
    assert not inserted[30:].any()
    shown = order.showings.until(len(STEPS))
    for place, canary in enumerate(CANARIES.manifest(0).canaries):
        steps = shown["insertion.shown_steps"][shown["insertion.shown_items"] == place]
        assert len(set(steps)) == len(steps) == canary.repeats
        assert all(set(canary.indices) & set(read[step - 1].tolist()) for step in steps)


def test_of_any_task_the_first_sequences_are_shown() -> None:
    read = order_of(insertion(num_inserted=2, times=7), BASE).indices(STEPS)
    counts = Counter(read.flatten().tolist())
    assert (counts[0], counts[1]) == (7, 7)
    assert min(counts[index] for index in range(2, 20)) >= 40 * 6 // 18 - 2
    assert [int((row == 0).sum()) <= 1 for row in read] == [True] * 40


def test_spaced_showings_are_so_many_steps_apart() -> None:
    order = order_of(insertion(every_steps=4, to_step=13), CANARIES)
    shown = order.showings.until(len(STEPS))
    for item in np.unique(shown["insertion.shown_items"]):
        steps = shown["insertion.shown_steps"][shown["insertion.shown_items"] == item]
        assert steps[0] in (11, 12, 13)
        assert (np.diff(steps) == 4).all()


def test_other_rows_are_those_of_a_run_without_insertions() -> None:
    read = order_of(insertion(), CANARIES).indices(STEPS)
    plain = BatchOrder(num_sequences=20, batch_size=6, seed=stream_seed(0, "order")).indices(STEPS)
    assert torch.equal(read[read < 20], plain[read < 20])


def test_any_stretch_of_steps_is_what_the_whole_gives() -> None:
    whole = order_of(insertion(), CANARIES).indices(STEPS)
    for start, stop in ((0, 13), (13, 14), (14, 40)):
        part = order_of(insertion(), CANARIES).indices(range(start, stop))
        assert torch.equal(part, whole[start:stop])
    assert not torch.equal(order_of(insertion(), CANARIES, seed=1).indices(STEPS), whole)


def test_each_process_reads_its_share() -> None:
    order = order_of(insertion(), CANARIES)
    cpu = torch.device("cpu")
    halves = [list(order.read(STEPS, share=slice(k, None, 2), device=cpu)) for k in (0, 1)]
    for one, other, whole in zip(*halves, order.indices(STEPS), strict=True):
        assert sorted([*one.tolist(), *other.tolist()]) == sorted(whole.tolist())


def test_the_record_has_the_showings_that_happened(tiny: MakeSpec, store: Store) -> None:
    """Alone and in a stack; a run that ends before its window does has fewer of them."""
    specs = [tiny("control=[insertion]", WINDOW, f"seed={seed}") for seed in (0, 1)]
    Preflight().facts(specs[0])
    together = Store(store.outputs / "together")
    assert execute_together(specs, together) == {}
    for spec in specs:
        execute(spec, store)
        alone, stacked = (each.run(spec.run_id).arrays() for each in (store, together))
        assert Counter(alone["insertion.shown_items"].tolist()) == {0: 4, 1: 4, 2: 4}
        for name in ("shown_steps", "shown_sequences", "shown_items"):
            assert alone[f"insertion.{name}"].tolist() == stacked[f"insertion.{name}"].tolist()
    order = order_of(insertion(), CANARIES)
    steps = order.showings.steps_S
    assert order.showings.until(20)["insertion.shown_items"].size == (steps <= 20).sum()


def test_before_their_windows_two_runs_are_the_same(tiny: MakeSpec, store: Store) -> None:
    looks = []
    for first in (6, 12):
        window = WINDOW.replace("from_step:6", f"from_step:{first}")
        spec = tiny("control=[insertion]", window, "log.look_at=[0,5,20]")
        execute(spec, store)
        looks.append(store.run(spec.run_id).looks()["cost.train_code_bits"])
    assert np.array_equal(looks[0][:2], looks[1][:2])
    assert not np.array_equal(looks[0][2], looks[1][2])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((), r"needs task=canaries, or num_inserted and times: Uniform holds no canaries"),
        (("control.insertion.times=3",), r"num_inserted and times go together"),
        (("control.insertion.to_step=0",), r"to_step must be a whole number from 1 up"),
        (("control.insertion={num_inserted:12,times:2,to_step:9}",), r"must be below the 12 seq"),
        (("control.insertion={num_inserted:2,times:10,to_step:9}",), r"10 showings .* has 9"),
        (("control.insertion={num_inserted:9,times:1,to_step:1}",),
         r"9 sequences are shown at step 1, and a batch holds 3"),
        (("control.insertion={num_inserted:2,times:9,every_steps:4,to_step:1}",),
         r"step 33 is beyond budget.max_steps=30"),
        ((WINDOW, "budget/finish=lbfgs"), r"budget.finish .* would undo control.insertion"),
        ((WINDOW, "control=[insertion,dp_sgd]"), r"dp_sgd cannot be had together"),
    ],
)  # fmt: skip
def test_a_window_without_room_is_refused_before_training(
    refuse: Refuse, overrides: Sequence[str], message: str
) -> None:
    refuse(message, "control=[insertion]", *overrides)
