"""How many sequences of a larger set can be scored: all of it, and not one more."""

from types import SimpleNamespace

import pytest

from rote.measures.superset import Superset


class Pool:
    """A task that is part of a set of 30 sequences."""

    def superset(self, seed: int) -> SimpleNamespace:
        return SimpleNamespace(num_sequences=30)


@pytest.mark.parametrize("number", [None, 1, 29, 30])
def test_up_to_the_whole_set_is_accepted(number: int | None) -> None:
    Superset(num_sequences=number).check(Pool())  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [31, 1_000])
def test_more_than_the_whole_set_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=rf"num_sequences={number:,} is more than the 30 of"):
        Superset(num_sequences=number).check(Pool())  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [0, -1, 1.5, True])
def test_what_is_no_number_of_sequences_is_refused(number: object) -> None:
    with pytest.raises(ValueError, match="num_sequences must be a whole number from 1 up"):
        Superset(num_sequences=number)  # type: ignore[arg-type]
