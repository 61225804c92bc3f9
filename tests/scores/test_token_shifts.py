"""EZ-MIA and WBC, worked by hand."""

import numpy as np
import pytest

from rote.scores.token_shifts import error_zone, window_votes


def test_error_zone_divides_upward_by_downward_shifts_where_decoding_errs() -> None:
    shift = np.array([1.0, -1.0, -3.0, 9.0, 2.0, 0.5, -4.0, 1.0])
    is_greedy = np.array([False, False, False, True, False, False, False, False])
    lengths = np.array([4, 4])
    assert error_zone(shift, is_greedy, lengths) == pytest.approx([1 / 4, 3.5 / 4])


@pytest.mark.parametrize(
    ("shift", "is_greedy"),
    [([5.0, -1.0, 3.0], [True, False, True]), ([5.0, 1.0, 3.0], [False, False, False])],
    ids=["one error", "no downward shift"],
)
def test_error_zone_is_zero_where_it_is_not_defined(
    shift: list[float], is_greedy: list[bool]
) -> None:
    assert error_zone(np.array(shift), np.array(is_greedy), np.array([3])) == [0.0]


def test_windows_of_each_size_vote_alike() -> None:
    """Sizes 2, 3 and 4 fit four tokens: sums (1, -1, 0), (2, -2), (1), and 0 is no vote."""
    shift = np.array([3.0, -2.0, 1.0, -1.0, -7.0])
    found = window_votes(shift, np.array([4, 1]))
    assert found == pytest.approx([(1 / 3 + 1 / 2 + 1) / 3, 0.0])


def test_the_ten_sizes_are_those_of_the_paper() -> None:
    """A single spike at the end is seen by windows that reach it: one of each size."""
    length = 60
    shift = np.full(length, -1.0)
    shift[-1] = 1000.0
    sizes = np.array([2, 3, 4, 5, 8, 11, 15, 21, 29, 40])
    assert window_votes(shift, np.array([length])) == pytest.approx(
        [(1 / (length - sizes + 1)).mean()]
    )


def test_a_shift_of_every_token_gives_the_largest_vote_at_any_length() -> None:
    shift = np.full(100, 1e-3)
    assert window_votes(shift, np.array([1, 2, 7, 90])).tolist() == [1.0] * 4
