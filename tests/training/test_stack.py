"""Stacked models agree with the same models trained one by one, run by run."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from tests.conftest import precision as format_of
from torch import Tensor, nn
from torch.optim import SGD, Adafactor, AdamW, Optimizer

from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.optim.muon import muon_with_adamw
from rote.precision import Precision
from rote.training.stack import CannotStack, Stack

FP32, MIXED, TRUE = (format_of(name) for name in ("fp32", "bf16_mixed", "bf16_true"))
RATES = (1e-2, 3e-3, 1e-2)
STEPS = 12


def models(precision: Precision, number: int = 3) -> list[nn.Module]:
    torch.manual_seed(0)
    shape = {"num_layers": 2, "width": 12, "num_heads": 2, "vocab_size": 16, "max_length": 8}
    return [precision.cast(GPT(**shape)) for _ in range(number)]


def batches(number: int = 3) -> Tensor:
    """[steps, K, B, L]"""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(16, (STEPS, number, 4, 8), generator=generator)


def makers(
    make: Callable[..., Optimizer] = AdamW, **more: object
) -> list[Callable[..., Optimizer]]:
    return [lambda named, lr=lr: make([p for _, p in named], lr=lr, **more) for lr in RATES]


def stacked(precision: Precision = FP32, **more: object) -> Stack:
    return Stack(
        models=models(precision), optimisers=makers(**more), clip_norm=0.5, precision=precision
    )


def fraction(step: int) -> float:
    return 1 - step / STEPS


def alone(
    run: int, precision: Precision, make: Callable[..., Optimizer]
) -> tuple[list[float], nn.Module, Optimizer]:
    """Losses, weights and optimiser of one run trained by itself."""
    model = models(precision)[run]
    optimiser = makers(make)[run](model.named_parameters())
    losses = []
    for step, tokens_KBL in enumerate(batches()):
        for group in optimiser.param_groups:
            group["lr"] = RATES[run] * fraction(step)
        with precision.active("cpu"):
            loss = token_nats(model, tokens_KBL[run]).mean()
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    return losses, model, optimiser


def train(stack: Stack, steps: range, runs: tuple[int, ...] = (0, 1, 2)) -> Tensor:
    """Losses, [steps, K]."""
    losses = [
        stack.step(batches()[step][list(runs)], torch.tensor([fraction(step)] * len(runs)))
        for step in steps
    ]
    return torch.stack(losses)


def muon(weights: list[nn.Parameter], lr: float) -> Optimizer:
    return muon_with_adamw(
        [("" , weight) for weight in weights], lr=lr, momentum=0.9, weight_decay=0.1,
        embeddings=True, adamw_lr=lr, adamw_betas=(0.9, 0.99),
    )  # fmt: skip


@pytest.mark.parametrize("make", [AdamW, partial(SGD, momentum=0.9, weight_decay=0.1), muon])
@pytest.mark.parametrize(("precision", "error"), [(FP32, 2e-5), (MIXED, 2e-3), (TRUE, 2e-2)])
def test_each_member_trains_as_if_alone(
    precision: Precision, error: float, make: Callable[..., Optimizer]
) -> None:
    stack = stacked(precision, make=make)
    losses = train(stack, range(STEPS))
    for run in range(3):
        expected, model, _ = alone(run, precision, make)
        assert losses[:, run].tolist() == pytest.approx(expected, rel=error)
        if precision is FP32:
            for name, weight in model.named_parameters():
                torch.testing.assert_close(stack.weights(run)[name], weight, atol=2e-5, rtol=2e-3)


@pytest.mark.parametrize("make", [AdamW, muon])
def test_state_goes_into_a_run_alone_and_back(make: Callable[..., Optimizer]) -> None:
    whole = stacked(make=make)
    train(whole, range(6))
    states = [copy.deepcopy(whole.optimiser_state(run)) for run in range(3)]
    alone_model = models(FP32)[1]
    optimiser = makers(make)[1](alone_model.named_parameters())
    optimiser.load_state_dict(states[1])
    second = stacked(make=make)
    for name, weight in second.parameters.items():
        weight.data = torch.stack([whole.weights(run)[name] for run in range(3)])
    second.load_optimiser_states(states)
    assert torch.equal(train(whole, range(6, STEPS)), train(second, range(6, STEPS)))


def test_who_leaves_changes_nothing_for_the_others() -> None:
    whole, fewer = stacked(make=muon), stacked(make=muon)
    train(whole, range(6))
    train(fewer, range(6))
    fewer.keep([0, 2])
    assert len(fewer) == 2
    kept = train(fewer, range(6, STEPS), (0, 2))
    torch.testing.assert_close(kept, train(whole, range(6, STEPS))[:, [0, 2]], rtol=1e-5, atol=0)


def test_a_member_that_diverges_harms_no_neighbour() -> None:
    sound, sick = stacked(), stacked()
    with torch.no_grad():
        sick.parameters["final_norm.weight"][1] = float("nan")
    losses = train(sick, range(STEPS))
    assert losses[:, 1].isnan().all()
    assert torch.equal(losses[:, [0, 2]], train(sound, range(STEPS))[:, [0, 2]])


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(CannotStack, match="Adafactor may look at more than one weight"):
        matrices = [lambda named: Adafactor([p for _, p in named], lr=1e-2) for _ in range(3)]
        Stack(models=models(FP32), optimisers=matrices, clip_norm=None, precision=FP32)
    different = [*makers()[:2], *makers(weight_decay=0.5)[2:]]
    with pytest.raises(CannotStack, match="differ in more than their rates"):
        Stack(models=models(FP32), optimisers=different, clip_norm=None, precision=FP32)
    dropping = [nn.Sequential(model, nn.Dropout(0.1)) for model in models(FP32)]
    with pytest.raises(CannotStack, match="dropout"):
        Stack(models=dropping, optimisers=makers(), clip_norm=None, precision=FP32)
