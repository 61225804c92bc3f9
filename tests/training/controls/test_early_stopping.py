"""Which step's weights are kept, when training ends, and what is reported."""

import copy
import json
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.conftest import COMPOSER, MakeSpec, precision
from torch import nn

from rote.config.build import build
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.models.likelihood import token_nats
from rote.run.execute import execute
from rote.run.preflight import Preflight
from rote.run.weights import load_trained
from rote.tasks.canaries.task import Canaries
from rote.tasks.protocol import HasBase, HasManifest, HasMembers, Identified, Task
from rote.tasks.uniform import Uniform
from rote.training.controls.early_stopping import EarlyStopping, ValidationStopping
from rote.training.data import TokensInMemory, subset_of
from rote.training.training_run import Diverged

FP32 = precision("fp32")
HALF = EarlyStopping(validation_share=0.5, patience_looks=2)


class Scripted(ValidationStopping):
    """Sees losses that were written beforehand."""

    def __init__(self, losses: Sequence[float]) -> None:
        rows = TokensInMemory(torch.zeros(1, 2, dtype=torch.int64))
        cpu = torch.device("cpu")
        super().__init__(sequences=rows, patience_looks=2, scored_from=0, batch_size=1, device=cpu)
        self.losses = list(losses)

    def _nats(self, model: nn.Module) -> float:
        return self.losses.pop(0)


def after(losses: Sequence[float]) -> tuple[Scripted, nn.Linear]:
    """The weight is the number of the look."""
    watch, model = Scripted(losses), nn.Linear(1, 1)
    for number in range(len(losses)):
        nn.init.constant_(model.weight, number)
        watch.check_loss(model, step=10 * (number + 1), precision=FP32)
    return watch, model


@pytest.mark.parametrize(
    ("losses", "best", "is_over"),
    [
        ([3, 2, 1], 2, False),
        ([3, 2, 2], 1, False),  # equal is not lower
        ([3, 2, 2, 2], 1, True),
        ([3, 4, 2, 5, 6], 2, True),
        ([3, float("nan"), 4], 0, True),
    ],
)
def test_the_lowest_loss_wins_and_patience_ends(
    losses: list[float], best: int, is_over: bool
) -> None:
    watch, model = after(losses)
    assert watch.is_over == is_over
    assert watch.facts() == {
        "best_step": 10 * (best + 1),
        "best_validation_nats_per_token": losses[best],
        "stopped_early": is_over,
    }
    watch.end(model)
    assert model.weight.item() == best


def test_its_state_goes_through_a_checkpoint() -> None:
    watch, model = after([3, 2, 4])
    other = Scripted([5])
    other.load(copy.deepcopy(watch.state()))
    other.check_loss(model, step=40, precision=FP32)
    assert other.is_over
    assert other.best_step == 20


def test_held_out_sequences_are_parted_and_none_is_in_both() -> None:
    task = Uniform(num_sequences=3, length=6, vocab_size=99, num_heldout_sequences=20)
    watch = EarlyStopping(validation_share=0.3, patience_looks=2).watch(
        task, seed=4, batch_size=8, device=torch.device("cpu")
    )
    reported = EarlyStopping(validation_share=0.3, patience_looks=2).reported(task)
    parts = [watch.sequences, reported.heldout(4)]
    rows = [
        {tuple(row) for row in part.tokens(torch.arange(part.num_sequences)).tolist()}
        for part in parts
    ]
    assert [len(one) for one in rows] == [6, 14]
    whole = {tuple(row) for row in task.heldout(4).tokens(torch.arange(20)).tolist()}
    assert rows[0] | rows[1] == whole
    assert task.heldout(4).num_sequences == 20  # the task itself is untouched


@pytest.mark.parametrize(("share", "validation"), [(0.01, 1), (0.99, 1)])
def test_neither_part_is_empty(share: float, validation: int) -> None:
    task = Uniform(num_sequences=3, length=6, vocab_size=99, num_heldout_sequences=2)
    one = EarlyStopping(validation_share=share, patience_looks=1)
    assert one.reported(task).heldout(0).num_sequences == 2 - validation


def test_a_reported_task_offers_what_the_task_does() -> None:
    base = Uniform(num_sequences=9, length=12, vocab_size=64, num_heldout_sequences=4)
    task = Canaries(
        base=base, kinds=["tokens"], secret_length=4, repeats=[1], num_each=1, num_controls=1
    )
    reported = HALF.reported(task)
    assert isinstance(reported, HasMembers)
    assert isinstance(reported, HasManifest)
    assert isinstance(reported, HasBase)
    assert reported.manifest(3) == task.manifest(3)


def test_a_part_of_identified_sequences_is_identified() -> None:
    class Rows(TokensInMemory):
        @property
        def sample_ids(self) -> np.ndarray:
            return np.array([70, 50, 60])

    part = subset_of(Rows(torch.arange(6).view(3, 2)), np.array([0, 2]))
    assert isinstance(part, Identified)
    assert part.sample_ids.tolist() == [70, 60]
    assert part.tokens(torch.tensor([1])).tolist() == [[4, 5]]
    assert not isinstance(
        subset_of(TokensInMemory(torch.arange(6).view(3, 2)), np.array([0])), Identified
    )


def test_a_run_ends_with_the_weights_of_its_lowest_validation_loss(
    tiny: MakeSpec, store: Store
) -> None:
    """Random tokens: what is learnt of them makes held-out ones less likely."""
    spec = tiny(
        "control=[early_stopping]", "control.early_stopping.validation_share=0.5",
        "control.early_stopping.patience_looks=3", "task.num_heldout_sequences=40",
        "budget.max_steps=3000", "optim.optimiser.lr=1e-2", "log.keep_weights=true",
    )  # fmt: skip
    record = execute(spec, store)
    rows = store.run(spec.run_id).curve()
    seen = {row["step"]: row["validation_nats_per_token"] for row in rows}
    facts = record.training
    assert facts["stopped_early"]
    assert facts["steps"] == facts["best_step"] + 3 * 10 < 3000
    assert seen[facts["best_step"]] == min(seen.values()) == facts[BEST]
    assert record.measures["cost"]["heldout_sequences"] == 20
    model, task, _ = load_trained(store.run(spec.run_id))
    assert task.heldout(0).num_sequences == 20
    watch = EarlyStopping(validation_share=0.5, patience_looks=3).watch(
        Uniform(num_sequences=12, length=8, vocab_size=16, num_heldout_sequences=40),
        seed=0, batch_size=40, device=torch.device("cpu"),
    )  # fmt: skip
    nats = token_nats(model, watch.sequences.tokens(torch.arange(20))).mean().item()
    assert nats == pytest.approx(facts[BEST], rel=1e-5)


def test_a_validation_loss_that_is_no_number_ends_a_run_that_diverged(
    tiny: MakeSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ValidationStopping, "_nats", lambda self, model: float("nan"))
    spec = tiny("control=[early_stopping]", "task.num_heldout_sequences=40")
    message = "validation_nats_per_token is nan by step 10"
    with pytest.raises(Diverged, match=message):
        execute(spec, store)
    failure = json.loads((store.run(spec.run_id).record_path.parent / "failure.json").read_text())
    assert message in str(failure)


BEST = "best_validation_nats_per_token"


def arithmetic(*overrides: str) -> Task:
    config = COMPOSER.config(["task=arithmetic", *overrides])
    return build(config["task"])


def test_items_of_validation_sequences_are_not_reported() -> None:
    task = arithmetic()
    items, heldout = task.items(0), task.heldout(0)
    reported = HALF.reported(task)
    left, kept = reported.items(0), reported.heldout(0)
    kept_rows = {tuple(row) for row in kept.tokens(torch.arange(kept.num_sequences)).tolist()}
    held_out_rows = {tuple(row) for row in left.tokens_NL[~left.is_train_N].tolist()}
    assert held_out_rows == kept_rows
    assert kept.num_sequences == heldout.num_sequences // 2
    assert left.is_train_N.sum() == items.is_train_N.sum()
    assert left.groups == items.groups


def test_items_that_cannot_be_told_apart_are_refused_before_training() -> None:
    with pytest.raises(ValueError, match="use task/batching=lines"):
        Preflight().facts(
            Spec.from_config(
                COMPOSER.config(
                    [
                        "task=arithmetic", "task/batching=windows", "control=early_stopping",
                        "size=demo_s", "budget=demo",
                    ]
                )
            )
        )  # fmt: skip
