"""(n, p)-discoverable extraction against arithmetic in high precision."""

import math

import mpmath
import numpy as np
import pytest

from rote.analysis.quantities.generations import (
    log_samples_needed,
    num_extractable,
    probability_within,
    samples_needed,
)

LOGS = [0.0, -1e-12, -0.5, -10.0, -36.9, -37.1, -100.0, -740.0]


def exact(log_p: float, number: float) -> float:
    """1 - (1 - p)^n with 400 digits."""
    with mpmath.workdps(400):
        return float(1 - (1 - mpmath.exp(log_p)) ** mpmath.mpf(number))


@pytest.mark.parametrize("number", [1, 2, 1000, 1e15, 1e40])
def test_probabilities_are_exact_where_powers_underflow(number: float) -> None:
    expected = [exact(log_p, number) for log_p in LOGS]
    assert probability_within(LOGS, number).tolist() == pytest.approx(expected, rel=1e-9)


def test_known_answers() -> None:
    half = [math.log(0.5)]
    assert probability_within(half, 2).tolist() == pytest.approx([0.75])
    assert probability_within(half, 0).tolist() == [0.0]
    assert samples_needed(half, 0.75).tolist() == [2.0]
    assert samples_needed(half, 0.76).tolist() == [3.0]
    assert samples_needed([0.0, -math.inf], 0.9).tolist() == [1.0, math.inf]
    assert num_extractable([0.0, math.log(0.5), -math.inf], 2, 0.75) == 2


def test_numbers_of_samples_beyond_float64_are_known_by_their_logarithm() -> None:
    assert log_samples_needed([-2000.0], 0.5).item() == pytest.approx(2000 + math.log(math.log(2)))
    assert samples_needed([-2000.0], 0.5).item() == math.inf


def test_samples_needed_are_the_fewest() -> None:
    logs = np.log(np.random.default_rng(0).uniform(1e-6, 0.9, 50))
    for probability in (0.1, 0.5, 0.999):
        needed = samples_needed(logs, probability)
        for log_p, number in zip(logs, needed, strict=True):
            assert exact(log_p, number) >= probability * (1 - 1e-6)
            assert number == 1 or exact(log_p, number - 1) < probability


def test_what_is_no_probability_is_refused() -> None:
    for wrong in ([0.1], [math.nan]):
        with pytest.raises(ValueError, match="ln p must be 0 or below"):
            probability_within(wrong, 1)
    with pytest.raises(ValueError, match="samples must be from 0 up, got -1"):
        probability_within([-1.0], -1)
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        samples_needed([-1.0], 1)
