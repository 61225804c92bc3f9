"""The minimiser against the textbook's loop, on functions whose minimum is known."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rote.training.finish.lbfgs import ARMIJO, CURVATURE, Lbfgs

Function = Callable[[Tensor], tuple[float, Tensor]]


def quadratic(size: int = 12, condition: float = 1e3) -> tuple[Function, Tensor]:
    """x A x / 2 - b x, and its minimum."""
    random = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(size, size, generator=random).double()).Q
    values = torch.logspace(0, math.log10(condition), size).double()
    whole, linear = (
        basis @ torch.diag(values) @ basis.T,
        torch.randn(size, generator=random).double(),
    )

    def function(x: Tensor) -> tuple[float, Tensor]:
        return float(x @ whole @ x / 2 - linear @ x), whole @ x - linear

    return function, torch.linalg.solve(whole, linear)


def rosenbrock(x: Tensor) -> tuple[float, Tensor]:
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        value = ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()
        return float(value.detach()), torch.autograd.grad(value, x)[0]


def started(size: int, memory: int = 20) -> Lbfgs:
    return Lbfgs(torch.zeros(size), torch.ones(size), memory=memory)


def minimised(function: Function, minimiser: Lbfgs, evaluations: int) -> Lbfgs:
    for _ in range(evaluations):
        if minimiser.stuck:
            break
        minimiser.update(*function(minimiser.point))
    return minimiser


def two_loops(gradient: Tensor, pairs: list[tuple[Tensor, Tensor]], metric: Tensor) -> Tensor:
    """Nocedal and Wright 2006, algorithm 7.4, with a diagonal first guess: H gradient."""
    q, alphas = gradient.clone(), []
    for s, y in reversed(pairs):
        alphas.append((s @ q) / (s @ y))
        q -= alphas[-1] * y
    s, y = pairs[-1]
    r = (s @ y) / (y @ (metric * y)) * metric * q
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        r += (alpha - (y @ r) / (s @ y)) * s
    return r


@pytest.mark.parametrize("memory", [3, 30])
def test_directions_are_those_of_the_textbooks_two_loops(memory: int) -> None:
    function, _ = quadratic()
    metric = torch.logspace(-1, 1, 12).double()
    minimiser = Lbfgs(torch.zeros(12), metric, memory=memory)
    pairs: list[tuple[Tensor, Tensor]] = []
    known = 0
    for evaluation in range(30):
        before = (minimiser.at_P, minimiser.gradient_P)
        minimiser.update(*function(minimiser.point))
        if minimiser.iterations > known:
            pairs.append((minimiser.at_P - before[0], minimiser.gradient_P - before[1]))
            known = minimiser.iterations
        if evaluation == 12:
            metric = metric.flip(0)
            minimiser.renew(metric)
        if pairs and minimiser.search.tries == 0:
            wanted = -two_loops(minimiser.gradient_P, pairs[-memory:], metric)
            assert torch.allclose(minimiser.direction_P, wanted, rtol=1e-6, atol=1e-12)
    assert known > 10


def test_a_quadratic_is_minimised_and_the_predicted_gain_tells_how_much_is_left() -> None:
    function, minimum = quadratic()
    for evaluations in (16, 18, 22, 24):
        minimiser = minimised(function, started(12), evaluations)
        left = minimiser.loss - function(minimum)[0]
        assert left / 5 < minimiser.predicted_gain < 1.01 * left
    minimised(function, minimiser, 40)
    assert torch.allclose(minimiser.at_P, minimum, atol=1e-8)


def test_a_curved_valley_is_followed_to_its_end() -> None:
    minimiser = minimised(rosenbrock, started(10), 400)
    assert torch.allclose(minimiser.at_P, torch.ones(10).double(), atol=1e-6)


def test_every_step_that_is_taken_is_long_and_low_enough() -> None:
    minimiser, taken = started(6), 0
    for _ in range(120):
        before = (
            minimiser.loss,
            minimiser.search.slope,
            minimiser.direction_P,
            minimiser.iterations,
        )
        step = minimiser.search.step
        loss, gradient = rosenbrock(minimiser.point)
        minimiser.update(loss, gradient)
        if minimiser.iterations > before[3] and float(gradient.abs().max()) > 1e-6:
            assert loss <= before[0] + ARMIJO * step * before[1]
            assert float(gradient @ before[2]) >= CURVATURE * before[1]
            taken += 1
    assert taken > 20


def test_a_loss_that_is_no_number_is_too_high() -> None:
    def walled(x: Tensor) -> tuple[float, Tensor]:
        """Minus log of the distance to a wall at 1, and a pull towards it."""
        if float(x.max()) >= 1:
            return math.nan, torch.full_like(x, math.nan)
        return float((-torch.log(1 - x) - 4 * x).sum()), 1 / (1 - x) - 4

    minimiser = minimised(walled, started(3), 60)
    assert torch.allclose(minimiser.at_P, torch.full((3,), 0.75).double(), atol=1e-6)


def test_where_nothing_gets_lower_it_says_so() -> None:
    minimiser = minimised(lambda x: (float(x.abs().sum() > 0), torch.ones_like(x)), started(2), 50)
    assert minimiser.stuck
    assert minimiser.loss == 0 and torch.equal(minimiser.at_P, torch.zeros(2).double())


@pytest.mark.parametrize("at", range(1, 30))
def test_it_goes_on_from_any_evaluation_bit_for_bit(at: int) -> None:
    whole = minimised(rosenbrock, started(5, memory=4), 40)
    first = minimised(rosenbrock, started(5, memory=4), at)
    other = started(5, memory=4)
    other.load(first.state())
    minimised(rosenbrock, other, 40 - at)
    assert torch.equal(other.at_P, whole.at_P) and other.loss == whole.loss
    assert torch.equal(other.point, whole.point)
