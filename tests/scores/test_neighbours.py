"""Neighbours differ in as many places as asked for, and only there."""

import numpy as np
import pytest

from rote.scores.likelihood import neighbours


@pytest.mark.parametrize(("length", "percent", "changes"), [(20, 15, 3), (1, 15, 1), (5, 100, 5)])
def test_so_many_places_hold_tokens_of_the_pool(length: int, percent: int, changes: int) -> None:
    tokens_L, pool_T = np.arange(length), np.array([100, 101])
    found_WL = neighbours(
        tokens_L, pool_T, num_neighbours=50, percent=percent, generator=np.random.default_rng(0)
    )
    assert found_WL.shape == (50, length)
    assert ((found_WL != tokens_L).sum(axis=1) == changes).all()
    assert set(found_WL[found_WL != tokens_L]) == {100, 101}
    assert (found_WL != tokens_L).any(axis=0).all()  # every place has its turn
    assert tokens_L.tolist() == list(range(length))


@pytest.mark.parametrize(
    ("tokens", "pool", "number", "percent", "message"),
    [
        (0, 1, 1, 10, "neighbours of 0 tokens from a pool of 1"),
        (1, 0, 1, 10, "neighbours of 1 tokens from a pool of 0"),
        (3, 3, 1, 0, "percent must be a whole number from 1 to 100, got 0"),
        (3, 3, 1, 101, "percent must be a whole number from 1 to 100, got 101"),
        (3, 3, 1, 12.5, "percent must be a whole number from 1 to 100, got 12.5"),
        (3, 3, 0, 10, "num_neighbours must be a whole number from 1 up, got 0"),
    ],
)
def test_what_makes_no_neighbours_is_refused(
    tokens: int, pool: int, number: int, percent: int, message: str
) -> None:
    random, rows = np.random.default_rng(0), (np.arange(tokens), np.arange(pool))
    with pytest.raises(ValueError, match=message):
        neighbours(*rows, num_neighbours=number, percent=percent, generator=random)


def test_one_percent_is_one_token_of_a_hundred() -> None:
    found_WL = neighbours(
        np.zeros(100), np.ones(1), num_neighbours=3, percent=1, generator=np.random.default_rng(0)
    )
    assert found_WL.sum(axis=1).tolist() == [1, 1, 1]
