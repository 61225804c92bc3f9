"""Neighbours differ in as many places as asked for, and only there."""

import numpy as np
import pytest

from rote.scores.neighbours import neighbours


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


def test_nothing_to_change_is_refused() -> None:
    for tokens_L, pool_T in (([], [1]), ([1], [])):
        with pytest.raises(ValueError, match="from a pool of"):
            neighbours(
                np.array(tokens_L), np.array(pool_T), num_neighbours=1, percent=10,
                generator=np.random.default_rng(0),
            )  # fmt: skip
