"""What the Lightning module does at each step."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from tests.conftest import precision
from torch import nn

from rote.models.gpt import GPT
from rote.optim.schedules import constant, flat_linear, linear
from rote.tasks.uniform import Uniform
from rote.training.budget import Budget
from rote.training.data import BatchOrder
from rote.training.module import TrainingModule, fit
from rote.training.saturation import Saturation
from rote.training.training_run import CheckpointPolicy, TrainingRun


def memoriser(
    optimiser: Callable[..., torch.optim.Optimizer], clip_norm: float | None = None
) -> TrainingModule:
    torch.manual_seed(0)
    task = Uniform(num_sequences=6, length=5, vocab_size=7, num_heldout_sequences=1)
    run = TrainingRun(
        model=GPT(num_layers=1, width=8, num_heads=1, vocab_size=7, max_length=5),
        sequences=task.train(0),
        length=5,
        entropy_bits=task.entropy_bits(),
        vocab_size=7,
        order=BatchOrder(num_sequences=6, batch_size=3, seed=0),
        optimiser=optimiser,
        schedule=partial(linear, warmup_steps=4, final_fraction=0.0),
        clip_norm=clip_norm,
        budget=Budget(
            max_steps=20,
            batch_size=3,
            check_every_steps=7,
            saturation=Saturation(window_steps=5, max_growth_per_1000_steps=0.0, min_steps=0),
        ),
        precision=precision("fp32"),
        on_row=lambda row: None,
        checkpointing=CheckpointPolicy(),
        resume=None,
    )
    return TrainingModule(run)


class Watched(torch.optim.SGD):
    """Remembers the rate and the size of the gradient at every step."""

    seen: list[tuple[float, float]]

    def step(self, closure: None = None) -> None:
        group = self.param_groups[0]
        norm = torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in group["params"]]))
        self.seen.append((group["lr"], norm.item()))
        super().step()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    monkeypatch.setattr(Watched, "seen", [], raising=False)
    return Watched


def test_the_rate_follows_the_schedule_at_every_step(watched: type[Watched]) -> None:
    fit(memoriser(partial(watched, lr=0.5)), accelerator="cpu", strategy="ddp")
    rates = [rate for rate, _ in watched.seen]
    assert len(rates) == 20  # strides of 7, 7 and 6 steps
    assert rates[0] == pytest.approx(0.5 / 5)
    assert max(rates) == rates[4] == 0.5
    assert rates[-1] == pytest.approx(0.5 / 16)


DECAY = {"final_fraction": 0.0}


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        (partial(constant, warmup_steps=0), 10),
        (partial(linear, warmup_steps=0, **DECAY), 10),
        (partial(flat_linear, warmup_steps=0, decay_fraction=0.5, **DECAY), 20),
    ],
)
def test_saturation_ends_a_run_but_for_a_decay_still_to_come(
    watched: type[Watched], schedule: Callable[[int, int], float], steps: int
) -> None:
    """Here every run counts as saturated from its 10th step on."""
    module = memoriser(partial(watched, lr=0.5))
    module.run.schedule = schedule
    saturation = Saturation(window_steps=5, max_growth_per_1000_steps=1e9, min_steps=10)
    module.run.budget = Budget(
        max_steps=100, batch_size=3, check_every_steps=5, saturation=saturation
    )
    fit(module, accelerator="cpu", strategy="ddp")
    rates = [rate for rate, _ in watched.seen]
    assert len(rates) == steps
    if steps == 20:
        assert rates[:10] == [0.5] * 10
        assert rates[-1] == pytest.approx(0.5 / 10)


def test_gradients_are_clipped_where_asked(watched: type[Watched]) -> None:
    fit(memoriser(partial(watched, lr=0.0), clip_norm=0.01), accelerator="cpu", strategy="ddp")
    assert all(norm == pytest.approx(0.01, rel=1e-3) for _, norm in watched.seen)


def test_lightning_changes_nothing_a_bare_loop_would_give() -> None:
    module = memoriser(partial(torch.optim.AdamW, lr=1e-2))
    bare = memoriser(partial(torch.optim.AdamW, lr=1e-2))
    fit(module, accelerator="cpu", strategy="ddp")
    optimiser = bare.configure_optimizers()
    tokens = bare.run.sequences.tokens(torch.arange(6))
    for step, indices in enumerate(bare.run.order.indices(range(20))):
        optimiser.param_groups[0]["lr"] = 1e-2 * linear(
            step, 20, warmup_steps=4, final_fraction=0.0
        )
        rows = tokens[indices]
        inputs = torch.cat([torch.zeros_like(rows[:, :1]), rows[:, :-1]], dim=1)
        loss = nn.functional.cross_entropy(bare.model(inputs).flatten(0, 1), rows.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for ours, theirs in zip(module.model.parameters(), bare.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
