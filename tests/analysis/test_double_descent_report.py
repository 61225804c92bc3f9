"""Random tokens and text stand beside each other; no peak is claimed where there is none."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from rote.analysis.page import Content
from rote.analysis.reports.double_descent import make
from rote.analysis.results import Results
from tests.analysis import planted_text as planted


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return planted.planted_results(tmp_path / "runs", seeds=(0, 1))


def labels(content: Content) -> set[str]:
    return {layer.label for layer in content.lead.layers}


def test_both_sources_have_their_peak(results: Results) -> None:
    content = make(planted.with_random_tokens(results))
    peaks = {name: number["data_per_capacity"] for name, number in content.numbers.items()}
    assert list(peaks) == [
        "peak random tokens, 1x8", "peak random tokens, 1x16", "peak text, 1x8", "peak text, 1x16",
    ]  # fmt: skip
    assert list(peaks.values()) == [pytest.approx(planted.PEAK, rel=0.1)] * 4
    targets = content.table.filter(pl.col("task.pool").fill_null("train") == "train")
    bases = {run["source"]: run["data_bits_basis"] for run in targets.iter_rows(named=True)}
    assert bases["random tokens"] == "exact entropy" and "oracle" in bases["text"]
    assert len(content.headlines) == 4
    assert content.lead.panels == [name.removeprefix("peak ") for name in peaks]
    assert "peak of held-out loss, 95 % interval" in labels(content)
    assert content.lead.title.endswith("of capacity; 8 runs of these had not converged")


def test_a_grid_below_the_peak_has_none_drawn_and_none_named(results: Results) -> None:
    below = pl.col("task.num_sequences") * planted.BITS_PER_WINDOW < 2 * pl.col("parameters")
    some = results.table.filter(below | (pl.col("task.pool") == "reference"))
    content = make(replace(results, table=some))
    assert content.lead.title == "Held-out loss has no peak inside the grid"
    assert all("no interior peak" in line for line in content.headlines)
    assert not any("peak" in label for label in labels(content))
    assert [card.value for card in content.cards] == ["no peak"] * 2


def test_one_seed_is_said(results: Results) -> None:
    content = make(replace(results, table=results.table.filter(pl.col("seed") == 0)))
    assert all(line.endswith("; one seed") for line in content.headlines)


def test_no_run_is_refused(results: Results) -> None:
    with pytest.raises(ValueError, match="no finished run"):
        make(replace(results, table=results.table.clear()))
