"""Every control in real runs: settings on record, resumed bit for bit, in stacks or not."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.conftest import COMPOSER, After, MakeSpec, Refuse, left
from tests.shared import Shared
from tests.training.test_module import memoriser
from torch.optim import SGD

from rote.config.build import build
from rote.config.compose import groups
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.models.attention import PLACES
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.training.controls.combined import Controls
from rote.training.controls.deduplication import Deduplication
from rote.training.controls.dropout import Dropout
from rote.training.controls.early_stopping import EarlyStopping
from rote.training.controls.goldfish import Goldfish
from rote.training.controls.gradient_noise import GradientNoise
from rote.training.controls.insertion import Insertion
from rote.training.controls.label_smoothing import LabelSmoothing
from rote.training.stack import CannotStack
from rote.training.training_run import Diverged, Interrupted

SETTINGS = {  # not the defaults; what a record of it must hold
    "dropout": ("control.dropout.rate=0.3", "control.dropout.rate", 0.3),
    "label_smoothing": ("control.label_smoothing.share=0.3", "control.label_smoothing.share", 0.3),
    "goldfish": ("control.goldfish.k=3", "control.goldfish.k", 3),
    "early_stopping": (
        "control.early_stopping.patience_looks=2", "control.early_stopping.patience_looks", 2,
    ),
    "deduplication": ("task.vocab_size=2", "control.deduplication", None),
    "insertion": (
        "control.insertion={num_inserted:2,times:3,to_step:20}", "control.insertion.times", 3,
    ),
    "dp_sgd": ("control.dp_sgd.epsilon=4", "control.dp_sgd.epsilon", 4),
    "gradient_noise": ("control.gradient_noise.eta=0.3", "control.gradient_noise.eta", 0.3),
    "weight_decay": (
        "optim.optimiser.weight_decay=0.3", "optim.optimiser.weight_decay", 0.3,
    ),
    "gradient_clipping": ("optim.clip_norm=0.2", "optim.clip_norm", 0.2),
}  # fmt: skip
IN_STACKS = "control=[goldfish,label_smoothing,gradient_noise,deduplication,weight_decay]"
ALONE = ("dropout", "early_stopping", "dp_sgd")


def test_every_choice_of_the_group_is_tried_here() -> None:
    assert set(SETTINGS) == set(groups()["control"])


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_run_with_it_trains_and_its_record_tells_the_settings(
    tiny: MakeSpec, shared: Shared, store: Store, name: str
) -> None:
    override, key, value = SETTINGS[name]
    spec = tiny(f"control=[{name}]", override)
    plain, default = tiny(), tiny(f"control=[{name}]")
    assert len({spec.run_id, plain.run_id, default.run_id}) == 3
    Preflight().facts(spec)
    record = execute(spec, store)
    told: object = record.what
    for part in key.split("."):
        assert isinstance(told, dict)
        told = told[part]
    assert value is None or told == value
    assert record.training["steps"] == 30
    rows = [run.curve() for run in (store.run(spec.run_id), shared.finished(plain))]
    assert rows[0][-1] != rows[1][-1]  # early stopping has a validation loss to tell besides


@pytest.mark.parametrize(
    "overrides",
    [
        ("control=[goldfish,label_smoothing,gradient_noise,deduplication]",),
        ("control=[insertion]", "control.insertion={num_inserted:2,times:3,to_step:20}"),
        *(pytest.param(more, marks=pytest.mark.slow) for more in (
            ("control=[dp_sgd,dropout]",),
            ("control=[dropout]",),
            ("control=[early_stopping]", "control.early_stopping.patience_looks=1",
             "optim.optimiser.lr=0.3"),
        )),
    ],
)  # fmt: skip
def test_stopped_and_resumed_it_is_the_same_bit_for_bit(
    tiny: MakeSpec, shared: Shared, tmp_path: Path, overrides: Sequence[str]
) -> None:
    spec = tiny(*overrides)
    whole = shared.finished(spec)
    record = whole.record()
    for step in (4, 10, 11, 20):  # looks come after every ten steps
        if step > record.training["steps"]:
            continue
        some = Store(tmp_path / str(step))
        with pytest.raises(Interrupted, match=f"stopped at step {step} "):
            execute(spec, some, stop=After(step))
        execute(spec, some)
        assert left(some.run(spec.run_id)) == left(whole)


def test_in_a_stack_each_member_has_the_record_of_a_run_alone(tiny: MakeSpec, store: Store) -> None:
    together, alone = Store(store.outputs / "together"), Store(store.outputs / "alone")
    seeds = [("seed=0",), ("seed=1", "task.num_sequences=20"), ("seed=2", "budget.max_steps=17")]
    specs = [tiny(IN_STACKS, "control.gradient_noise.eta=1e-4", *more) for more in seeds]
    assert execute_together(specs, together) == {}
    for spec in specs:
        execute(spec, alone)
        ours, theirs = together.run(spec.run_id), alone.run(spec.run_id)
        assert ours.record().training == theirs.record().training
        for row, other in zip(ours.curve(), theirs.curve(), strict=True):
            assert row == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("name", ALONE)
def test_what_cannot_be_stacked_runs_alone(tiny: MakeSpec, store: Store, name: str) -> None:
    specs = [tiny(f"control=[{name}]", f"seed={seed}") for seed in (0, 1)]
    with pytest.raises(CannotStack, match=f"control.{name} has to train one by one"):
        execute_together(specs, store)
    assert not any(store.run(spec.run_id).failure() for spec in specs)
    assert execute(specs[1], store).training["steps"] == 30


def test_members_of_a_stack_have_equal_controls(tiny: MakeSpec, store: Store) -> None:
    specs = [tiny(), tiny("control=[goldfish]")]
    with pytest.raises(CannotStack, match="their controls differ"):
        execute_together(specs, store)


def test_their_order_says_nothing(tiny: MakeSpec) -> None:
    one, other = tiny("control=[goldfish,dropout]"), tiny("control=[dropout,goldfish]")
    assert one.run_id == other.run_id


def test_several_processes_are_refused_what_they_cannot_do(
    tiny: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def controls(override: str) -> Controls:
        return Controls.of(tiny(override).controls, build)

    monkeypatch.setattr("rote.training.distributed.num_processes", lambda: 2)
    for name, strategy, message in (
        ("dp_sgd", "ddp", "control.dp_sgd trains in one process"),
        ("early_stopping", "fsdp", "control.early_stopping does not go with host.strategy=fsdp"),
        ("gradient_noise", "fsdp", "control.gradient_noise does not go with host.strategy=fsdp"),
    ):
        with pytest.raises(ValueError, match=message):
            controls(f"control=[{name}]").require_strategy(strategy)
    controls("control=[early_stopping,gradient_noise]").require_strategy("ddp")
    controls("control=[dropout,goldfish,label_smoothing]").require_strategy("fsdp")


def test_what_is_no_control_or_cannot_be_had_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"control\.hope: str is no control"):
        Controls({"hope": "it will do"})
    stopping = EarlyStopping(validation_share=0.5, patience_looks=3)
    with pytest.raises(ValueError, match="control: one and other cannot be had together"):
        Controls({"other": stopping, "one": stopping})
    inserted = Insertion(every_steps=None, from_step=1, to_step=9, num_inserted=None, times=None)
    with pytest.raises(ValueError, match="control: one and other cannot be had together"):
        Controls({"one": inserted, "other": Deduplication()})
    Controls({"one": Goldfish(k=3, h=4), "other": Goldfish(k=5, h=4), "third": Deduplication()})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("control=[goldfsh]",), r"control 'goldfsh' is not known\. Did you mean 'goldfish'"),
        (("control.goldfish.k=3",), r"key 'control\.goldfish\.k' is not known"),
        (("control=[goldfish]", "control.goldfish.kk=3"), r"mean 'control\.goldfish\.k'"),
        (("control=[dropout]", "control.dropout.rate=1"), r"rate must be a number from 0 to below"),
        (("control=[dropout]", "model._target_=tests.training.controls.test_together.bare"),
         r"control\.dropout: Linear has no places for it"),
        (("control=[early_stopping]", "task.num_heldout_sequences=1"),
         r"control\.early_stopping splits held-out sequences: there is 1"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_before_it_starts(
    refuse: Refuse, overrides: Sequence[str], message: str
) -> None:
    refuse(message, *overrides)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (GradientNoise, {"eta": -1, "gamma": 0.55},
         r"gradient_noise\.eta must be a number from 0 up, got -1"),
        (Dropout, {"rate": 1.0, "places": PLACES},
         "dropout.rate must be a number from 0 to below 1, got 1.0"),
        (Dropout, {"rate": -0.1, "places": PLACES}, "must be a number from 0 to below 1, got -0.1"),
        (Dropout, {"rate": 0.1, "places": ["mlp"]}, "dropout.places: 'mlp' is not among"),
        (EarlyStopping, {"validation_share": 1.0, "patience_looks": 2},
         "validation_share must be a number from 0 to below 1"),
        (EarlyStopping, {"validation_share": 0.5, "patience_looks": 0},
         "patience_looks must be a whole number from 1 up, got 0"),
        (Goldfish, {"k": 1, "h": 13}, "goldfish.k must be a whole number from 2 up, got 1"),
        (Goldfish, {"k": 4, "h": 0}, "goldfish.h must be a whole number from 1 to 1024, got 0"),
        (LabelSmoothing, {"share": 1.0}, "share must be a number from 0 to below 1, got 1.0"),
        (LabelSmoothing, {"share": "much"}, "share must be a number .*, got 'much'"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(
    make: type, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_tokens_that_are_never_learnt_may_cost_much() -> None:
    """Goldfish's dropped tokens do, of a model that is sure of what it has learnt instead."""
    run = memoriser(SGD).run
    steps, far = range(7), 3 * run.guesser_nats
    with pytest.raises(Diverged):
        run.check_loss(steps, far, 0.1)
    run.controls = Controls({"goldfish": Goldfish(k=3, h=4)})
    run.check_loss(steps, far, 0.1)
    for nats in (math.inf, math.nan):
        with pytest.raises(Diverged):
            run.check_loss(steps, nats, 0.1)


def bare(**_: int) -> object:
    """A model that offers nothing."""
    from torch import nn

    return nn.Linear(1, 1)


def test_a_run_without_controls_is_what_it_was_before_there_were_any() -> None:
    config = COMPOSER.config([])
    spec = Spec.from_config(config)
    assert "control" not in spec.what
    assert spec.controls == {}
    assert Spec(what=spec.what, how=spec.how).run_id == spec.run_id
