"""Runs of a sweep as laws take them, and the report made of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rote.analysis.laws import kinds
from rote.analysis.laws.law import FitEffort, RunCount, RunSelection
from rote.analysis.page import tables_of
from rote.analysis.quantities.scaling import doubts, formats, measured, scaling_runs
from rote.analysis.reports import scaling
from rote.analysis.reports.scaling import make
from tests.analysis import shown
from tests.analysis.scaled import BATCH, LAW, LENGTH, SIZES, TOKENS, noisy, results, table

QUICK = FitEffort(num_resamples=0, profiles=False)


@pytest.fixture
def runs(tmp_path: Path) -> pl.DataFrame:
    return scaling_runs(results(table(), tmp_path), RunCount.TOTAL)


def test_a_planted_law_comes_back_from_the_runs_of_one_epoch(runs: pl.DataFrame) -> None:
    law = kinds.law("parametric")
    points = measured(runs, law, RunCount.TOTAL)
    assert len(points) == len(SIZES) * len(TOKENS)
    found = law.fit(points, QUICK)
    for constant in found.constants:
        assert constant.value == pytest.approx(getattr(LAW, constant.name), rel=1e-3)


def test_runs_stopped_early_count_to_the_step_that_was_kept(runs: pl.DataFrame) -> None:
    stopped = runs.filter("is_stopped")
    steps = np.array(sorted(TOKENS)) // (LENGTH * BATCH)
    assert sorted(set(stopped["steps"])) == list(steps)
    assert stopped["epochs"].to_numpy() == pytest.approx(10, rel=0.05)
    assert stopped["flops"].to_numpy() == pytest.approx(
        6.0 * (stopped["parameters"] * stopped["tokens"]).to_numpy()
    )


def test_each_law_takes_the_runs_that_it_is_about(runs: pl.DataFrame) -> None:
    taken = {
        choice: measured(runs, replace(kinds.law("data"), runs=choice), RunCount.TOTAL)
        for choice in RunSelection
    }
    both = len(SIZES) * len(TOKENS)
    assert [len(taken[choice]) for choice in RunSelection] == [2 * both, both, both, 2 * both, 4, 4]
    best = taken[RunSelection.BEST_OF_DATA]
    assert (np.diff(best["loss_nats"][np.argsort(best["unique_tokens"])]) < 0).all()


def test_embeddings_are_left_out_on_demand(tmp_path: Path) -> None:
    whole = results(table(), tmp_path)
    counted = scaling_runs(whole, RunCount.NON_EMBEDDING)
    expected = whole.table["parameters"] - whole.table["embedding_parameters"]
    assert counted["parameters"].to_list() == expected.to_list()
    old = results(table().with_columns(embedding_parameters=None), tmp_path)
    with pytest.raises(ValueError, match=r"embeddings were not recorded .* --count total"):
        scaling_runs(old, RunCount.NON_EMBEDDING)


def test_what_no_run_tells_is_named(runs: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run has f1"):
        measured(runs, kinds.law("membership"), RunCount.TOTAL)
    with pytest.raises(ValueError, match="there are no runs that were stopped early"):
        measured(runs.filter(~pl.col("is_stopped")), kinds.law("kaplan"), RunCount.TOTAL)
    bare = results(table().drop("cost.heldout_code_bits"), tmp_path)
    with pytest.raises(ValueError, match="add cost to measure"):
        scaling_runs(bare, RunCount.TOTAL)


def test_the_report_has_every_law_that_can_be_told_and_says_why_not(tmp_path: Path) -> None:
    content = make(results(noisy(table(), 0.01), tmp_path))
    assert {"parametric", "kaplan", "steps", "repetition", "size", "data"} <= set(content.numbers)
    low, high = content.numbers["parametric"]["constants"]["alpha"]["bootstrap_interval"]
    assert low < LAW.alpha < high
    *_, others, runs = content.sections
    assert (others.title, runs.title) == ("Laws that cannot be fitted to these runs", "Runs")
    assert "membership" in {row[0].text for _, table in tables_of(content) for row in table.cells}
    parametric = shown.titles(content)["fit-parametric"]
    assert parametric.startswith("parametric, 16 points: a = ")
    assert shown.lead(content)


def test_no_figure_leads_and_no_card_claims_where_losses_follow_no_law(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "EFFORT", QUICK)
    monkeypatch.setattr(kinds, "laws", lambda: ["parametric"])
    shuffled = table().with_columns(pl.col("cost.heldout_code_bits").shuffle(seed=1))
    content = make(results(shuffled, tmp_path))
    assert content.lead is None
    (card,) = content.cards
    warned = [line.words for line in card.lines if line.is_warning]
    assert "the law explains little of what differs" in warned
    (title,) = shown.titles(content).values()
    assert "its constants say little" in title


def test_number_formats_are_fitted_apart(tmp_path: Path) -> None:
    """Losses of bf16 are 5 % larger: pooled, no law would hold; apart, each gives its own E."""
    one, other = noisy(table(), 0.001), noisy(table(), 0.001)
    other = other.with_columns(
        pl.lit("bf16_mixed").alias("precision.name"),
        pl.col("cost.heldout_code_bits") * 1.05,
        run_id="b" + pl.col("run_id"),
    )
    both = results(pl.concat([one, other]), tmp_path)
    assert formats(scaling_runs(both, RunCount.TOTAL)) == ("bf16_mixed", "fp32")
    numbers = make(both).numbers
    fp32, bf16 = (
        numbers[f"parametric, {name}"]["constants"]["E"]["value"] for name in ("fp32", "bf16_mixed")
    )
    assert fp32 == pytest.approx(LAW.E, rel=0.05)
    assert bf16 / fp32 == pytest.approx(1.05, rel=1e-3)
    assert "parametric" not in numbers
    alone = make(results(one, tmp_path)).numbers
    assert alone["parametric"]["constants"]["E"]["value"] == pytest.approx(fp32)


def test_runs_that_had_not_converged_and_other_settings_are_told(tmp_path: Path) -> None:
    law = replace(kinds.law("capacity"), inputs=("parameters",), output="loss_nats")
    runs = scaling_runs(results(table(), tmp_path), RunCount.TOTAL)
    assert doubts(runs, law) == []
    halves = pl.int_range(runs.height) % 2 == 0
    named = runs.with_columns(
        halves.alias("training.converged"),
        pl.when(halves).then(pl.lit("lib.linear")).otherwise(pl.lit("lib.cosine"))
        .alias("optim.schedule._target_"),
        pl.when(halves).then(1).otherwise(4).alias("size.num_heads"),
    ).with_columns(samples=pl.lit(100.0))  # fmt: skip
    missed, settings, heads = doubts(named, law)
    assert missed.startswith("16 of 32 runs are not known to have converged")
    assert "2 settings are fitted together, schedule cosine; schedule linear" in settings
    assert "several numbers of heads" in heads
    assert doubts(named, kinds.law("parametric")) == []
