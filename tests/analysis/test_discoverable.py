"""(n, p)-discoverable extraction against arithmetic in high precision."""

import math

import mpmath
import numpy as np
import pytest

from rote.analysis.quantities.generations import num_extractable

LOGS = [0.0, -1e-12, -0.5, -10.0, -36.9, -37.1, -100.0, -740.0]


def exact(log_p: float, number: float) -> float:
    """1 - (1 - p)^n with 400 digits."""
    with mpmath.workdps(400):
        return float(1 - (1 - mpmath.exp(log_p)) ** mpmath.mpf(number))


@pytest.mark.parametrize("number", [1, 2, 1000, 1e15, 1e40])
def test_counts_are_exact_where_powers_underflow(number: float) -> None:
    for probability in (0.1, 0.5, 0.999):
        expected = sum(exact(log_p, number) >= probability for log_p in LOGS)
        assert num_extractable(LOGS, number, probability) == expected


def test_known_answers() -> None:
    logs = [0.0, math.log(0.5), -math.inf]
    assert num_extractable(logs, 2, 0.75) == 2
    assert num_extractable(logs, 2, 0.76) == 1
    assert num_extractable(logs, 3, 0.76) == 2
    assert num_extractable([-2000.0], 1e300, 0.5) == 0


def test_as_few_samples_as_the_probability_takes_are_enough() -> None:
    logs = np.log(np.random.default_rng(0).uniform(1e-6, 0.9, 50))
    for probability in (0.1, 0.5, 0.999):
        for log_p in logs:
            needed = math.ceil(math.log1p(-probability) / math.log1p(-math.exp(log_p)))
            assert num_extractable([log_p], needed, probability) == 1
            assert needed == 1 or num_extractable([log_p], needed - 1, probability) == 0


def test_what_is_no_probability_is_refused() -> None:
    for wrong in ([0.1], [math.nan]):
        with pytest.raises(ValueError, match="ln p must be 0 or below"):
            num_extractable(wrong, 1, 0.5)
    with pytest.raises(ValueError, match="samples must be above 0, got -1"):
        num_extractable([-1.0], -1, 0.5)
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        num_extractable([-1.0], 1, 1)
