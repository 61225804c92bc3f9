"""How much noise there is at a step, and that it is a function of seed and step."""

import pytest
import torch
from torch import Tensor

from rote.training.controls.gradient_noise import GradientNoise

NOISE = GradientNoise(eta=0.3, gamma=0.55)


def noise(seed: int, step: int) -> list[Tensor]:
    gradients = [torch.zeros(300, 300), torch.zeros(7)]
    NOISE.change_gradients(gradients, seed=seed, step=step)
    return gradients


@pytest.mark.parametrize("step", [0, 99])
def test_its_variance_is_the_published_one(step: int) -> None:
    assert noise(0, step)[0].var().item() == pytest.approx(0.3 / (1 + step) ** 0.55, rel=0.03)


def test_it_is_added() -> None:
    gradient = torch.full((300, 300), 5.0)
    NOISE.change_gradients([gradient], seed=0, step=3)
    torch.testing.assert_close(gradient - 5.0, noise(0, 3)[0], atol=1e-5, rtol=0)


def test_it_is_a_function_of_seed_and_step() -> None:
    for one, other in zip(noise(1, 2), noise(1, 2), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(noise(1, 2)[1], noise(2, 2)[1])
    assert not torch.equal(noise(1, 2)[1] / NOISE.std(2), noise(1, 3)[1] / NOISE.std(3))


def test_a_format_of_few_digits_gets_it_too() -> None:
    gradient = torch.zeros(300, 300, dtype=torch.bfloat16)
    NOISE.change_gradients([gradient], seed=0, step=0)
    assert gradient.float().var().item() == pytest.approx(0.3, rel=0.03)
