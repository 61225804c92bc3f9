"""Intervals of small groups hold the truth as often as the pages say."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LEAST = 0.92  # of a stated 0.95
DRAWS = 200  # of which a true 0.95 gives 0.904 to 0.987 in all but 3 of 1,000 rows


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Only while it is imported: `coverage.py` there hides the package of that name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("groups"), importlib.import_module("rankings")


def test_what_was_counted_last_is_what_is_claimed() -> None:
    groups = json.loads((BENCHMARKS / "results" / "coverage.json").read_text())["groups"]
    rows = groups["rows"]
    assert groups["nominal"] == 0.95 and len(rows) > 100
    short = [each for each in rows if each["claimed"] and each["observed"] < LEAST]
    assert short == []
    assert [each for each in rows if not each["claimed"]]  # and these are called something else


@pytest.mark.slow
def test_exposures_of_few_canaries_hold_their_mean(benchmarks: Any) -> None:
    """A bootstrap held 0.47 (2 canaries), 0.76 (4), 0.84 (8) of guesses, 0.34 of 90 % known."""
    rows = [
        *benchmarks[0].exposure_rows(DRAWS, sizes=(3, 4, 8)),
        *benchmarks[0].pair_rows(DRAWS),
    ]
    assert len(rows) == 6 * 3 + 2 * 4
    assert [each for each in rows if each.observed < 0.9] == []


@pytest.mark.slow
def test_scores_of_few_documents_hold_their_auroc_and_f1(benchmarks: Any) -> None:
    rows = list(benchmarks[1].ranking_rows(DRAWS, sizes=(4, 10, 50)))
    assert len(rows) == 3 * 5 + 3 * 4
    assert [each for each in rows if each.observed < 0.9] == []


@pytest.mark.slow
def test_shares_over_few_splits_and_correlations_of_few_things(benchmarks: Any) -> None:
    rows = [*benchmarks[1].share_rows(DRAWS), *benchmarks[1].correlation_rows(DRAWS)]
    claimed = [each for each in rows if each.claimed]
    assert len(claimed) > 20
    assert [each for each in claimed if each.observed < 0.9] == []
