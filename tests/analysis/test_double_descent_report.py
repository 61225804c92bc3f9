"""Random tokens and text stand beside each other, each on its own axis of data bits."""

from pathlib import Path

import polars as pl
import pytest

from rote.analysis.report import write_report
from rote.analysis.reports.double_descent.report import make
from tests.analysis import planted_text as planted


def test_both_sources_have_their_peak(tmp_path: Path) -> None:
    results = planted.with_random_tokens(planted.planted_results(tmp_path / "runs", seeds=(0,)))
    content = make(results)
    peaks = {name: number["data_per_capacity"] for name, number in content.numbers.items()}
    assert list(peaks) == [
        "peak random tokens, 1x8", "peak random tokens, 1x16", "peak text, 1x8", "peak text, 1x16",
    ]  # fmt: skip
    assert list(peaks.values()) == [pytest.approx(planted.PEAK, rel=0.1)] * 4
    targets = content.table.filter(pl.col("task.pool").fill_null("train") == "train")
    bases = {run["source"]: run["data_bits_basis"] for run in targets.iter_rows(named=True)}
    assert bases["random tokens"] == "exact entropy" and "oracle" in bases["text"]
    assert len(content.headlines) == 4


def test_no_run_is_told(tmp_path: Path) -> None:
    results = planted.planted_results(tmp_path / "runs", seeds=(0,))
    empty = {**vars(results), "table": results.table.clear()}
    with pytest.raises(ValueError, match="no finished run"):
        write_report(
            kind="double_descent", name="x", question="?", folder=tmp_path,
            results=type(results)(**empty),
        )  # fmt: skip
