"""Shares and their differences: by hand, and beside a slower bootstrap of loops."""

import pytest

from rote.analysis.quantities.over_seeds import over_seeds
from rote.analysis.quantities.rate import Rate
from rote.analysis.quantities.shares import Answers, apart, share


def answers(successes: dict[tuple[int, int], int], trials: int) -> list[Answers]:
    """By (split, seed)."""
    return [
        Answers(split=split, seed=seed, rate=Rate(successes=right, trials=trials))
        for (split, seed), right in successes.items()
    ]


def test_one_run_has_the_interval_of_clopper_and_pearson() -> None:
    found = share(answers({(0, 0): 0}, 4))
    assert found.value == 0
    assert found.interval == pytest.approx((0, 1 - 0.025**0.25))  # (1 - p)^4 = 2.5 %
    assert (found.num_splits, found.num_runs) == (1, 1)


def test_splits_count_alike_however_many_seeds_they_have() -> None:
    found = share(answers({(0, 0): 10, (1, 0): 0, (1, 1): 0, (1, 2): 5}, 10))
    assert found.value == pytest.approx((1 + 0.5 / 3) / 2)
    assert found.pooled == Rate(successes=15, trials=40)
    with pytest.raises(ValueError, match="no run that answered"):
        share([])


def test_the_interval_is_students_over_means_of_splits() -> None:
    """Splits of 0.2, 0.4 and 0.6, the middle one by two seeds: 0.4 +- 4.3027 * 0.2 / sqrt(3)."""
    trials = 1_000_000
    right = {(0, 0): 200_000, (1, 0): 300_000, (1, 1): 500_000, (2, 0): 600_000}
    found = share(answers(right, trials))
    assert found.value == pytest.approx(0.4)
    assert found.interval == pytest.approx((0.0, 0.4 + 4.3027 * 0.2 / 3**0.5), abs=1e-4)
    seeds = share(answers({(0, seed): 100_000 * (3 + seed) for seed in range(3)}, trials))
    assert seeds.interval == pytest.approx((0.4 - 0.24841, 0.4 + 0.24841), abs=1e-4)


def test_agreement_of_few_runs_leaves_room_for_doubt() -> None:
    found = share(answers({(0, 0): 0, (0, 1): 0, (0, 2): 0}, 4))
    assert found.interval == pytest.approx((0, 1 - 0.025 ** (1 / 12)))


def test_a_difference_is_of_the_same_splits_and_seeds() -> None:
    larger = answers({(0, 0): 8, (1, 0): 6, (2, 0): 0}, 10)
    smaller = answers({(0, 0): 3, (1, 0): 1, (1, 1): 10}, 10)
    found = apart(larger, smaller)
    assert found is not None
    assert found.value == pytest.approx(0.5)  # 8 - 3 and 6 - 1; the rest has no partner
    assert (found.num_splits, found.num_runs) == (2, 2)
    assert 0 < found.interval[0] < 0.5 < found.interval[1] < 1  # Newcombe: 14 of 20, 4 of 20
    assert apart(larger, answers({(3, 0): 1}, 10)) is None


def test_means_over_seeds() -> None:
    found = over_seeds([1.0, 2.0, 3.0])
    assert found.value == 2 and found.sign == 0
    assert found.interval == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)  # t: 4.3027 / 3^.5
    equal = over_seeds([2.0, 2.0, 2.0])
    assert (equal.interval, equal.sign, equal.why_no_interval) == (
        None,
        0,
        "equal in 3 runs, no interval",
    )
    assert over_seeds([5.0, 5.1, 4.9]).sign == 1
    assert over_seeds([-5.0, -5.1]).sign == -1
    alone = over_seeds([7.0])
    assert alone.interval is None and alone.sign == 0
    with pytest.raises(ValueError, match="no run to take a mean of"):
        over_seeds([])
