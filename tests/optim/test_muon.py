"""Muon and AdamW as one optimiser."""

import copy

import pytest
import torch
from torch import nn

from rote.models.gpt import GPT
from rote.optim.muon import Muon, muon_with_adamw, orthogonalised
from rote.optim.pair import Pair

SETTINGS = {
    "lr": 0.02, "momentum": 0.9, "weight_decay": 0.0, "embeddings": True, "adamw_lr": 0.01,
    "adamw_betas": (0.9, 0.99),
}  # fmt: skip


def made(**changes: object) -> tuple[nn.Module, Pair]:
    torch.manual_seed(0)
    model = GPT(num_layers=1, width=8, num_heads=1, vocab_size=11, max_length=5)
    return model, muon_with_adamw(model.named_parameters(), **(SETTINGS | changes))


def step(model: nn.Module, optimiser: Pair) -> None:
    model(torch.arange(5)[None]).square().mean().backward()
    optimiser.step()
    optimiser.zero_grad()


@pytest.mark.parametrize("embeddings", [True, False])
def test_each_parameter_is_updated_by_the_right_one(embeddings: bool) -> None:
    model, optimiser = made(embeddings=embeddings)
    matrices = {id(p) for p in optimiser.parts[0].param_groups[0]["params"]}
    for name, parameter in model.named_parameters():
        wanted = parameter.ndim == 2 and (embeddings or name.startswith("blocks."))
        assert (id(parameter) in matrices) == wanted
    before = [p.detach().clone() for p in model.parameters()]
    step(model, optimiser)
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embeddings": "no"}, "optim.optimiser.embeddings must be true or false, got 'no'"),
        ({"adamw_betas": 0.9}, r"optim.optimiser.adamw_betas must be a list such as \[0.9\]"),
        ({"adamw_betas": [0.9]}, "optim.optimiser.adamw_betas must be two numbers"),
        ({"momentum": -1.0}, "Muon's momentum must be a number from 0 up, got -1.0"),
    ],
)
def test_settings_that_are_none_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(**settings)


def test_a_rate_set_from_outside_reaches_both() -> None:
    model, optimiser = made()
    for group in optimiser.param_groups:
        group["lr"] = 0.0
    before = [p.detach().clone() for p in model.parameters()]
    step(model, optimiser)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_state_comes_back_whole() -> None:
    model, optimiser = made()
    step(model, optimiser)
    saved = copy.deepcopy({"model": model.state_dict(), "optimiser": optimiser.state_dict()})
    other_model, other = made()
    other_model.load_state_dict(saved["model"])
    other.load_state_dict(saved["optimiser"])
    other.param_groups[0]["lr"] = optimiser.param_groups[0]["lr"] = 0.005
    for each in ((model, optimiser), (other_model, other)):
        step(*each)
    for a, b in zip(model.parameters(), other_model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_agrees_with_torchs_own_up_to_its_bfloat16() -> None:
    shapes = [(8, 24), (24, 8), (8, 24), (5, 5)]
    torch.manual_seed(0)
    starts = [torch.randn(shape) for shape in shapes]
    ours, theirs = ([nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    optimisers = (
        Muon(ours, lr=0.02, momentum=0.9, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=0.1),
    )
    for _ in range(4):
        gradients = [torch.randn(shape) for shape in shapes]
        for weights, optimiser in zip((ours, theirs), optimisers, strict=True):
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient.clone()
            optimiser.step()
    for start, one, other in zip(starts, ours, theirs, strict=True):
        moved, expected = ((each.detach() - start).flatten() for each in (one, other))
        assert torch.cosine_similarity(moved, expected, dim=0) > 0.999
        assert float(moved.norm()) == pytest.approx(float(expected.norm()), rel=1e-2)


def test_matrices_of_a_stack_are_matrices_alone() -> None:
    torch.manual_seed(0)
    stacked = torch.randn(3, 6, 4)
    (together,) = orthogonalised([stacked])
    alone = orthogonalised(list(stacked))
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=1e-4)
    singular = torch.linalg.svdvals(together)
    assert singular.min() > 0.6
    assert singular.max() < 1.3
