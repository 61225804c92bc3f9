"""A task whose sequences begin with tokens that are only read: training counts the others."""

import pytest
import torch
from tests.conftest import MakeSpec

from rote.core.units import bits_from_nats
from rote.ledger.store import Store
from rote.models.likelihood import token_nats
from rote.run.execute import execute, execute_together
from rote.run.weights import load_trained
from rote.tasks.uniform import Uniform

SCORED = 5  # of 8 tokens


class Prompted(Uniform):
    """The first three tokens are given."""

    @property
    def scored_from(self) -> int:
        return 8 - SCORED


TASK = "task._target_=tests.training.test_prompted.Prompted"


def test_tokens_and_bits_are_those_that_are_scored(tiny: MakeSpec, store: Store) -> None:
    spec = tiny(TASK)
    record = execute(spec, store)
    assert record.training["tokens_seen"] == 30 * 4 * SCORED
    for row in store.run(spec.run_id).curve():
        learnt = 12 * SCORED * (4 - bits_from_nats(row["loss_nats_per_token"]))
        assert row["memorised_bits"] == pytest.approx(learnt)


def test_what_is_given_is_not_learnt(tiny: MakeSpec, store: Store) -> None:
    """The first token depends on nothing: a model that is not trained on it knows only the bias."""
    first_token_bits = []
    for target in (TASK, "task._target_=rote.tasks.uniform.Uniform"):
        spec = tiny(
            target, "budget.max_steps=300", "optim.optimiser.lr=1e-2", "log.keep_weights=true"
        )
        execute(spec, store)
        trained = load_trained(store.run(spec.run_id))
        tokens_BL = trained.task.train(0).tokens(torch.arange(12))
        with torch.inference_mode():
            nats_B = token_nats(trained.model, tokens_BL)[:, 0]
        first_token_bits.append(float(bits_from_nats(nats_B.mean())))
    given, learnt = first_token_bits
    assert learnt < 4  # that of the twelve sequences, of 16 symbols
    assert given > learnt + 0.2


def test_in_a_stack_it_is_the_same(tiny: MakeSpec, store: Store) -> None:
    specs = [tiny(TASK, f"seed={seed}", "control=[goldfish]") for seed in (0, 1)]
    together, alone = Store(store.outputs / "together"), Store(store.outputs / "alone")
    assert execute_together(specs, together) == {}
    for spec in specs:
        execute(spec, alone)
        for row, other in zip(
            together.run(spec.run_id).curve(), alone.run(spec.run_id).curve(), strict=True
        ):
            assert row == pytest.approx(other, rel=1e-4)
