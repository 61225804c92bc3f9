"""Shares and their differences: by hand, and beside a slower bootstrap of loops."""

import random

import numpy as np
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


def test_the_bootstrap_is_that_of_loops() -> None:
    draws = np.random.default_rng(3)
    right = {
        (split, seed): int(draws.binomial(1000, 0.2 + 0.06 * split))
        for split in range(8)
        for seed in range(1 + split % 3)
    }
    found = share(answers(right, 1000))
    by_split: dict[int, list[float]] = {}
    for (split, _), count in right.items():
        by_split.setdefault(split, []).append(count / 1000)
    chance = random.Random(0)
    means = []
    for _ in range(4000):
        splits = [chance.choice(list(by_split.values())) for _ in by_split]
        means.append(np.mean([np.mean(chance.choices(seeds, k=len(seeds))) for seeds in splits]))
    assert found.interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)


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
    assert over_seeds([5.0, 5.1, 4.9]).sign == 1
    assert over_seeds([-5.0, -5.1]).sign == -1
    alone = over_seeds([7.0])
    assert alone.interval is None and alone.sign == 0
    with pytest.raises(ValueError, match="no run to take a mean of"):
        over_seeds([])


def test_splits_of_unequal_numbers_of_seeds_are_resampled_as_they_are() -> None:
    """One split with one seed, one with four that agree: means 0.8 and 0.4.

    Two splits drawn from two are twice the first in 1 of 4 cases and twice the second in 1 of 4:
    the interval reaches from one mean to the other. Of a million answers Clopper and Pearson's is
    far narrower.
    """
    trials = 1_000_000
    right = {(0, 0): 800_000} | {(1, seed): 400_000 for seed in range(4)}
    found = share(answers(right, trials))
    assert found.value == pytest.approx(0.6)
    assert found.interval == pytest.approx((0.4, 0.8))
    less = apart(answers(right, trials), answers(dict.fromkeys(right, 100_000), trials))
    assert less is not None
    assert less.value == pytest.approx(0.5)
    assert less.interval == pytest.approx((0.3, 0.7))
