"""Rates with exact intervals, beside what held-out text explains."""

import pytest

from rote.analysis.estimators import rate
from rote.analysis.quantities.generations import Extraction


def test_the_excess_is_train_less_heldout() -> None:
    both = Extraction(
        prefix_tokens=8,
        train=rate(80, 100),
        heldout=rate(20, 100),
    )
    low, high = both.excess.ends
    assert both.excess.value == pytest.approx(0.6)
    assert 0.4 < low < 0.6 < high < 0.8
    assert both.explained_by_heldout == pytest.approx(0.25)


def test_nothing_extracted_needs_no_explanation() -> None:
    none = rate(0, 50)
    both = Extraction(prefix_tokens=8, train=none, heldout=none)
    assert both.explained_by_heldout is None
    assert both.excess.sign == 0
