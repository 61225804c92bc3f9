"""SOAP against its definition, one matrix at a time and in float64."""

import copy

import pytest
import torch
from torch import Tensor, nn

from rote.models.gpt import GPT
from rote.optim.pair import Pair
from rote.optim.soap import LARGEST_SIDE, Soap, soap_with_adamw

SETTINGS = {
    "lr": 0.02, "betas": (0.9, 0.98), "factor_beta": 0.8, "refresh_every_steps": 3, "eps": 1e-8,
    "weight_decay": 0.0,
}  # fmt: skip


class Reference:
    """Vyas et al. 2024, algorithms 3 and 4: the momentum is kept unturned, both sides are."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight.detach().double().clone()
        self.mean, self.square = torch.zeros_like(self.weight), torch.zeros_like(self.weight)
        rows, columns = self.weight.shape
        self.left, self.right = torch.zeros(rows, rows).double(), torch.zeros(columns, columns)
        self.right = self.right.double()
        self.steps = 0

    def step(self, gradient: Tensor) -> None:
        gradient = gradient.double()
        if self.steps:
            turned = self.left_basis.T @ gradient @ self.right_basis
            self.mean = 0.9 * self.mean + 0.1 * gradient
            self.square = 0.98 * self.square + 0.02 * turned**2
            mean = self.left_basis.T @ self.mean @ self.right_basis / (1 - 0.9**self.steps)
            root = (self.square / (1 - 0.98**self.steps)).sqrt()
            self.weight -= 0.02 * self.left_basis @ (mean / root) @ self.right_basis.T
        keep = 0.8 if self.steps else 0.0
        self.left = keep * self.left + (1 - keep) * gradient @ gradient.T
        self.right = keep * self.right + (1 - keep) * gradient.T @ gradient
        if self.steps == 0:
            self.left_basis = torch.linalg.eigh(self.left).eigenvectors.flip(1)
            self.right_basis = torch.linalg.eigh(self.right).eigenvectors.flip(1)
        elif self.steps % 3 == 0:
            self.left_basis, rows = self.refreshed(self.left, self.left_basis)
            self.right_basis, columns = self.refreshed(self.right, self.right_basis)
            self.square = self.square[rows][:, columns]
        self.steps += 1

    @staticmethod
    def refreshed(factor: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
        order = torch.diagonal(basis.T @ factor @ basis).argsort(descending=True)
        return torch.linalg.qr(factor @ basis[:, order]).Q, order


def gradients(shape: tuple[int, ...], steps: int, seed: int = 0) -> list[Tensor]:
    """Correlated, so that the bases matter; of full rank, so that they are unique."""
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(shape[-1], shape[-1], generator=random)
    return [torch.randn(shape, generator=random) @ mix for _ in range(steps)]


def test_it_is_adam_in_the_eigenbases_of_shampoos_factors() -> None:
    shapes = [(6, 6), (5, 5), (6, 6)]
    weights = [
        nn.Parameter(torch.randn(s, generator=torch.Generator().manual_seed(1))) for s in shapes
    ]
    references = [Reference(weight) for weight in weights]
    optimiser = Soap(weights, **SETTINGS)
    read = [gradients(shape, 9, seed) for seed, shape in enumerate(shapes)]
    for each in zip(*read, strict=True):
        for weight, reference, gradient in zip(weights, references, each, strict=True):
            weight.grad = gradient
            reference.step(gradient)
        optimiser.step()
    for weight, reference in zip(weights, references, strict=True):
        moved = (reference.weight - weight.detach()).abs().max()
        assert moved < 2e-4 * reference.weight.abs().max()


def test_the_first_update_only_looks() -> None:
    weight = nn.Parameter(torch.ones(3, 4))
    optimiser = Soap([weight], **SETTINGS)
    weight.grad = gradients((3, 4), 1)[0]
    optimiser.step()
    assert torch.equal(weight.detach(), torch.ones(3, 4))


def test_a_stack_moves_as_its_members_do() -> None:
    read = gradients((3, 4, 5), 7)
    whole = nn.Parameter(torch.zeros(3, 4, 5))
    members = [nn.Parameter(torch.zeros(4, 5)) for _ in range(3)]
    stacked, alone = Soap([whole], **SETTINGS), [Soap([one], **SETTINGS) for one in members]
    for gradient in read:
        whole.grad = gradient
        stacked.step()
        for number, (one, optimiser) in enumerate(zip(members, alone, strict=True)):
            one.grad = gradient[number].clone()
            optimiser.step()
    for number, one in enumerate(members):
        assert torch.allclose(whole[number], one, atol=1e-5)


def test_a_side_that_is_too_large_is_left_as_it_is() -> None:
    weight = nn.Parameter(torch.zeros(LARGEST_SIDE + 1, 2))
    optimiser = Soap([weight], **SETTINGS)
    for gradient in gradients((LARGEST_SIDE + 1, 2), 3):
        weight.grad = gradient
        optimiser.step()
    shapes = {
        name: value.shape for name, value in optimiser.state[weight].items() if name != "step"
    }
    assert {name for name in shapes if "factor" in name or "basis" in name} == {
        "factor-1",
        "basis-1",
    }
    assert shapes["basis-1"] == (2, 2)
    assert weight.detach().abs().min() > 0


def made() -> tuple[nn.Module, Pair]:
    torch.manual_seed(0)
    model = GPT(num_layers=2, width=8, num_heads=1, vocab_size=11, max_length=5)
    return model, soap_with_adamw(model.named_parameters(), **SETTINGS)


def step(model: nn.Module, optimiser: Pair, steps: int) -> None:
    for number in range(steps):
        tokens = (torch.arange(5)[None] + number) % 11
        model(tokens).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()


@pytest.mark.parametrize("before", [1, 3, 5])
def test_state_comes_back_whole(before: int) -> None:
    model, optimiser = made()
    step(model, optimiser, before)
    saved = copy.deepcopy({"model": model.state_dict(), "optimiser": optimiser.state_dict()})
    other_model, other = made()
    other_model.load_state_dict(saved["model"])
    other.load_state_dict(saved["optimiser"])
    for each in ((model, optimiser), (other_model, other)):
        step(*each, 5)
    for a, b in zip(model.parameters(), other_model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"lr": -1.0}, "optim.optimiser.lr must be a number from 0 up, got -1.0"),
        ({"factor_beta": "x"}, "optim.optimiser.factor_beta must be a number from 0 to below 1"),
        ({"betas": 0.9}, r"optim.optimiser.betas must be a list such as \[0.9\]"),
        ({"betas": [0.9]}, "optim.optimiser.betas must be two numbers"),
        ({"betas": [0.9, 1.5]}, "must be a number from 0 to below 1, got 1.5"),
        ({"refresh_every_steps": 0}, "refresh_every_steps must be a whole number from 1 up, got 0"),
        ({"refresh_every_steps": True}, "refresh_every_steps must be a whole number from 1 up"),
    ],
)
def test_settings_that_are_none_are_refused(setting: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Soap([nn.Parameter(torch.zeros(2, 2))], **{**SETTINGS, **setting})
