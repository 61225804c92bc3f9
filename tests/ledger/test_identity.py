"""What a run's name depends on, and what it does not."""

from tests.conftest import COMPOSER

from rote.config.compose import groups
from rote.ledger.spec import Spec, flatten

# Pinned: a change here moves every run id, and must be meant (raise VERSION in ledger/spec.py).
# Moved on 2026-11-21 where the optimiser is the default, which is Muon since; AdamW's ids stand.
GOLDEN = {
    (): "8696ff63f76594ee",
    ("size=535k", "precision=bf16_mixed", "task.num_sequences=4000", "seed=3"): "c8e7f493004a14a7",
    ("optim=adamw",): "80b344337a98a5ca",
    ("control=[goldfish]",): "cb78792cb4b6beaf",
}


def run_id(*overrides: str) -> str:
    return Spec.from_config(COMPOSER.config(overrides)).run_id


def test_ids_are_pinned() -> None:
    assert {overrides: run_id(*overrides) for overrides in GOLDEN} == GOLDEN


def test_one_and_one_point_zero_are_one_run() -> None:
    assert run_id("optim.clip_norm=1") == run_id("optim.clip_norm=1.0") == run_id()
    assert run_id("optim.optimiser.weight_decay=1") != run_id("optim.optimiser.weight_decay=true")


def test_where_and_how_move_no_id() -> None:
    assert run_id("log=none", "host.workers=7", "host.threads=4") == run_id()
    assert {run_id(f"host={name}") for name in groups()["host"]} == {run_id()}


def test_controls_move_the_id_and_their_absence_does_not() -> None:
    assert run_id("control=[]") == run_id()
    assert len({run_id(), run_id("control=[dropout]"), run_id("control=[dropout,goldfish]")}) == 3
    assert run_id("control=[goldfish]", "control.goldfish.k=5") != run_id("control=[goldfish]")


def test_a_control_that_sets_a_key_is_the_run_with_that_key() -> None:
    decayed = run_id("optim.optimiser.weight_decay=0.1")
    assert run_id("control=[weight_decay]") == decayed != run_id()
    assert run_id("control=[gradient_clipping]") == run_id("optim.clip_norm=0.1") != run_id()


def test_everything_that_is_run_moves_the_id() -> None:
    config = COMPOSER.config([])
    what = {key: config[key] for key in Spec.from_config(config).what}
    keys = [key for key, value in flatten(what).items() if isinstance(value, int | float)]
    assert len(keys) > 10
    assert len({run_id(), *(run_id(f"{key}=77") for key in keys)}) == 1 + len(keys)


def test_the_spelling_of_the_overrides_does_not_matter() -> None:
    assert run_id("size=80k", "seed=1") == run_id("seed=1", "size=80k")
    assert run_id("optim.optimiser.lr=0.03") == run_id("optim.optimiser.lr=3e-2") == run_id()
