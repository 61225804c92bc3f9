"""Looks measure a run while it trains, and change nothing of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rote.io.read import Damaged
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store
from rote.run.execute import execute, execute_together
from rote.run.looks import Looks, look_steps
from rote.run.preflight import Preflight
from rote.training.training_run import Interrupted
from tests.conftest import After, MakeSpec, Refuse, left
from tests.shared import Shared
from tests.test_resume import EVERY_STEP

AT = "log.look_at=[30,0,3,10,17]"
EXTRACTED = ("measure=[cost,extraction]", "measure.extraction.prefix_tokens=[2]")


def looks_of(folder: RunFolder) -> bytes:
    return (folder.path / "looks.npz").read_bytes()


@pytest.mark.parametrize(
    "overrides",
    [
        EXTRACTED,
        ("control=[dropout]",),
        ("control=[early_stopping]",),
        ("precision=qat_int8", "model=mamba2", "model.state_width=4"),
    ],
)
def test_a_run_trains_the_same_bits_with_and_without(
    tiny: MakeSpec, shared: Shared, store: Store, overrides: Sequence[str]
) -> None:
    plain, spec = tiny(*overrides), tiny(*overrides, AT)
    assert spec.run_id == plain.run_id
    Preflight().facts(spec)
    execute(spec, store)
    folder = store.run(spec.run_id)
    assert left(folder) == left(shared.finished(plain))
    assert folder.looks()["steps"].tolist() == [0, 3, 10, 17, 30]
    assert folder.damage(thorough=True) is None


def test_runs_of_a_stack_train_the_same_bits_with_and_without(tiny: MakeSpec, store: Store) -> None:
    more = [("seed=0", AT), ("seed=1", "task.num_sequences=20", "log.look_at=[4]"), ("seed=2",)]
    stores = [Store(store.outputs / name) for name in ("looked", "plain")]
    specs = [tiny(*each) for each in more]
    assert execute_together(specs, stores[0]) == {}
    assert execute_together([tiny(*each, "log.look_at=null") for each in more], stores[1]) == {}
    for spec in specs:
        one, two = (each.run(spec.run_id) for each in stores)
        assert left(one) == left(two)
    assert stores[0].run(specs[1].run_id).looks()["steps"].tolist() == [4]
    assert_last_look_is_the_end(stores[0].run(specs[0].run_id))


def assert_last_look_is_the_end(folder: RunFolder) -> None:
    looks, arrays = folder.looks(), folder.arrays()
    assert set(arrays) < set(looks)
    for name, array in arrays.items():
        assert looks[name].dtype == array.dtype
        assert np.array_equal(looks[name][-1], array), name
    for name, value in folder.record().measures["cost"].items():
        found = looks[f"cost.{name}"]
        assert found[-1].sum() == pytest.approx(value, rel=1e-6)
        assert found.dtype == (np.float32 if f"cost.{name}" in arrays else np.float64)


def test_a_look_is_what_a_run_of_so_many_steps_ends_with(tiny: MakeSpec, store: Store) -> None:
    constant = ("optim/schedule=constant", *EXTRACTED)
    spec, short = tiny(*constant, AT), tiny(*constant, "budget.max_steps=17")
    for each in (spec, short):
        execute(each, store)
    assert_last_look_is_the_end(store.run(spec.run_id))
    looks = store.run(spec.run_id).looks()
    for name, array in store.run(short.run_id).arrays().items():
        assert np.array_equal(looks[name][3], array), name
    untrained = looks["cost.train_code_bits"][0]
    assert untrained.mean() == pytest.approx(8 * 4, rel=0.05)  # 8 tokens of 16 symbols


def test_an_interrupted_run_has_all_its_looks(
    tiny: MakeSpec, shared: Shared, tmp_path: Path
) -> None:
    spec = tiny(AT)
    whole = shared.finished(spec)
    for step in (3, 9, 30):
        some = Store(tmp_path / str(step))
        with pytest.raises(Interrupted):
            execute(spec, some, stop=After(step))
        if step == 9:
            execute_together([spec], some)
        else:
            execute(spec, some)
        folder = some.run(spec.run_id)
        if step == 9:  # a stack's sums differ in the last bits
            assert folder.looks()["steps"].tolist() == [0, 3, 10, 17, 30]
        else:
            assert looks_of(folder) == looks_of(whole)


def test_a_damaged_checkpoint_costs_no_look(tiny: MakeSpec, shared: Shared, store: Store) -> None:
    spec = tiny(AT, EVERY_STEP)
    with pytest.raises(Interrupted):
        execute(spec, store, stop=After(17))
    folder = store.run(spec.run_id)
    sorted(folder.checkpoints_path.iterdir())[-1].write_bytes(b"torn")
    execute(spec, store)
    assert looks_of(folder) == looks_of(shared.finished(tiny(AT)))


def test_a_run_that_ends_early_has_the_looks_until_then(tiny: MakeSpec, store: Store) -> None:
    spec = tiny(
        AT, "task.num_sequences=4", "optim.optimiser.lr=1e-2", "budget.saturation.window_steps=10",
        "budget.saturation.min_steps=0", "budget.saturation.max_growth_per_1000_steps=1e9",
        "optim/schedule=constant",
    )  # fmt: skip
    ended = execute(spec, store).training["steps"]
    assert ended < 30
    steps = store.run(spec.run_id).looks()["steps"].tolist()
    assert steps == [step for step in (0, 3, 10, 17, 30) if step <= ended]


def test_a_number_asks_for_so_many_steps_evenly_in_their_logarithms(tiny: MakeSpec) -> None:
    spec = tiny("log.look_at=5", "budget.max_steps=1000")
    assert look_steps(spec) == {0, 1, 10, 100, 1000}
    assert look_steps(tiny("log.look_at=2", "budget.max_steps=1000")) == {0, 1000}
    assert look_steps(tiny("log.look_at=20", "budget.max_steps=4")) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("log.look_at=[5,31]",), r"log\.look_at: 31 is beyond budget\.max_steps=30"),
        (("log.look_at=1",), r"log\.look_at must be null or a whole number from 2 up"),
        (("log.look_at=true",), r"log\.look_at must be null or a whole number from 2 up"),
        (("log.look_at=[-1]",), r"log\.look_at must be null or a list of different steps"),
        ((AT, "log.look_with=[exposure]"), r"log\.look_with: the run has no measure 'exposure'"),
        ((AT, "measure=[membership]"), r"log\.look_at needs one of measure=\['cost'"),
        ((AT, "host.strategy=fsdp"), r"log\.look_at does not go with host\.strategy=fsdp"),
    ],
)
def test_looks_that_are_not_possible_are_refused_before_training(
    refuse: Refuse, overrides: Sequence[str], message: str
) -> None:
    refuse(message, *overrides)


def test_a_run_without_looks_says_how_to_have_them(
    tiny: MakeSpec, shared: Shared, store: Store
) -> None:
    spec = tiny()
    with pytest.raises(ValueError, match=r"is not done: there is no .*record\.json"):
        store.run(spec.run_id).looks()
    with pytest.raises(ValueError, match=r"was not looked at: .* with log\.look_at=\[0,100\]"):
        shared.finished(spec).looks()


def test_damaged_looks_are_found(tiny: MakeSpec, store: Store) -> None:
    spec = tiny(AT)
    execute(spec, store)
    folder = store.run(spec.run_id)
    folder.write_looks({"steps": np.arange(2), "cost.train_code_bits": np.zeros((3, 4))})
    with pytest.raises(Damaged, match=r"looks\.npz .*SHA-256 differs"):
        folder.looks()
    folder.finish(folder.record(), folder.arrays(), folder.circumstances())  # sealed as it is
    with pytest.raises(Damaged, match=r"its arrays have no common axis of steps"):
        folder.looks()
    (folder.path / "looks.npz").unlink()
    with pytest.raises(Damaged, match=r"looks\.npz is damaged: it is missing"):
        folder.looks()


def test_a_spec_that_was_frozen_before_looks_existed_runs(tiny: MakeSpec, store: Store) -> None:
    spec = tiny()
    log = {key: value for key, value in spec.how["log"].items() if not key.startswith("look")}
    old = Spec(what=spec.what, how={**spec.how, "log": log})
    Preflight().facts(old)
    execute(old, store)
    assert not (store.run(spec.run_id).path / "looks.npz").exists()


def test_an_array_whose_size_changes_is_left_out() -> None:
    looks = Looks({})
    for step, size in ((5, 2), (0, 3)):
        looks.add(step, {"own": {"count": size}}, {"own.drawn": np.zeros(size)})
    again = Looks(looks.state())
    assert {name: array.tolist() for name, array in again.stacked().items()} == {
        "steps": [0, 5], "own.count": [3.0, 2.0],
    }  # fmt: skip
