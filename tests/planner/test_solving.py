"""Numbers against closed forms."""

import pytest
from tests.planner.known_estimates import EXPOSURE, HOFFMANN

from rote.planner.solving import cheapest_parameters, largest_within, least_data, optimal_parameters


def loss(parameters: float, tokens: float) -> float:
    return float(HOFFMANN.predict(parameters, tokens))


@pytest.mark.parametrize("flops", [1e15, 1e21, 5.76e23])
def test_the_optimum_is_that_of_the_closed_form(flops: float) -> None:
    parameters, _ = HOFFMANN.optimum(flops)
    assert optimal_parameters(loss, flops) == pytest.approx(float(parameters), rel=1e-4)


def test_tokens_for_a_loss_are_those_of_the_closed_form() -> None:
    left = 2.2 - HOFFMANN.E - HOFFMANN.A / 1e10**HOFFMANN.alpha
    tokens = (HOFFMANN.B / left) ** (1 / HOFFMANN.beta)
    assert least_data(loss, 2.2, 1e10) == pytest.approx(tokens, rel=1e-6)
    assert least_data(loss, 2.0, 1e8) is None  # E + A / N^alpha alone is above


def test_the_cheapest_size_is_the_optimum_of_the_budget_it_needs() -> None:
    parameters = cheapest_parameters(loss, 2.2)
    tokens = least_data(loss, 2.2, parameters)
    best, best_tokens = HOFFMANN.optimum(6 * parameters * tokens)
    assert (parameters, tokens) == pytest.approx((float(best), float(best_tokens)), rel=1e-3)
    assert cheapest_parameters(loss, 1.69) is None


def test_samples_for_a_ceiling_are_the_fewest() -> None:
    def leakage(parameters: float, samples: float) -> float:
        return float(EXPOSURE.predict(parameters, samples))

    samples = least_data(leakage, 5.0, 1e6)
    assert leakage(1e6, samples) == pytest.approx(5.0)
    assert least_data(leakage, 1.0, 1e6) is None  # below chance
    assert least_data(leakage, 20.0, 1e6) == pytest.approx(1.0)  # any data will do


def test_the_largest_within_keeps_it_and_no_larger_does() -> None:
    assert largest_within(lambda size: size / 300, 1.0, 1e6) == pytest.approx(300)
    assert largest_within(lambda size: size / 300, 1.0, 1e6) <= 300
    assert largest_within(lambda size: size / 300, 400.0, 1e6) is None
    assert largest_within(lambda size: 0.5, 1.0, 1e6) == 1e6
