"""Rates with exact intervals, beside what held-out text explains."""

import pytest

from rote.analysis.quantities.extraction import Extraction
from rote.analysis.quantities.rate import Rate


def test_the_excess_is_train_less_heldout() -> None:
    both = Extraction(
        prefix_tokens=8,
        train=Rate(successes=80, trials=100),
        heldout=Rate(successes=20, trials=100),
    )
    low, high = both.excess_interval
    assert both.excess == pytest.approx(0.6)
    assert 0.4 < low < 0.6 < high < 0.8
    assert both.explained_by_heldout == pytest.approx(0.25)


def test_nothing_extracted_needs_no_explanation() -> None:
    none = Rate(successes=0, trials=50)
    both = Extraction(prefix_tokens=8, train=none, heldout=none)
    assert both.explained_by_heldout is None
    assert both.excess_interval[0] < 0 < both.excess_interval[1]
