"""What is planted in runs on text comes out in the report's numbers, figures and words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rote.analysis.fits.descent import Peak
from rote.analysis.page import Heading
from rote.analysis.quantities.references import Pairing
from rote.analysis.reports.text import figures
from rote.analysis.reports.text.remembered import shortened
from rote.analysis.reports.text.report import make
from rote.analysis.reports.text.study import study
from rote.analysis.reports.text.wording import check
from rote.analysis.results import Results
from rote.ledger.store import RunFolder
from tests.analysis import planted_text as planted
from tests.analysis import shown


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return planted.planted_results(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def found(results: Results):
    return study(results)


def test_mem_u_is_what_was_planted(found) -> None:
    run = found.targets.row(by_predicate=pl.col("run_id") == "train-8-10-0", named=True)
    assert run["oracle.run_id"] == "reference-32-500-0"
    assert run["same_size.run_id"] == "train-8-320-0"
    # 10 windows are far below capacity: 90 % of rare ones and 45 % of the others are memorised.
    assert 0.45 * 10 * 35 < run["oracle.max_code_bits"] < 0.9 * 10 * 45
    assert run["oracle.samples_in_reference"] == 0
    assert run["same_size.samples_in_reference"] == run["same_size.samples"] == 10
    assert run["oracle.mixture_code_bits"] <= run["oracle.max_code_bits"]
    largest = found.targets.filter(pl.col("task.num_sequences") == 320)
    assert largest["same_size.run_id"].null_count() == largest.height


def test_the_planted_peak_is_located_on_the_right_axis(found) -> None:
    assert [curve.series for curve in found.descents] == ["1x8", "1x16"]
    for curve in found.descents:
        assert isinstance(curve.fit, Peak)
        assert curve.fit.ratio == pytest.approx(planted.PEAK, rel=0.1)
        assert curve.num_unconverged == 2


def test_rare_words_are_memorised(found) -> None:
    names = [each.name for each in found.remembered]
    assert [name.split(", ")[1] for name in names] == ["N = 80", "N = 160", "N = 320", "N = 320"]
    for each in found.remembered:
        correlation = each.correlations["tf_idf"]
        assert correlation is not None and correlation.ends[0] > 0.5
        assert all(sample["sample_id"] % 2 for sample in each.most)
        assert each.most[0]["max_code_bits"] >= each.most[-1]["max_code_bits"]


def test_a_worse_oracle_calls_more_memorised(found) -> None:
    for series in found.series:
        outside = [
            each["mean_bits"].value
            for each in found.qualities
            if each["series"] == series and each["pool"] == "reference"
        ]
        assert len(outside) == 2 and outside[1] > outside[0] + 5


def test_a_run_is_no_reference_of_itself_and_equals_itself(found, results) -> None:
    paired = Pairing(results, found.runs).unintended("train-8-320-0", "train-8-320-0")
    assert (paired.max_code_bits == 0).all() and paired.in_reference.all()


@pytest.mark.parametrize("kind", ["text", "double_descent"])
def test_the_report_is_written_whole(results, tmp_path: Path, kind: str) -> None:
    report, page, manifest = shown.written(kind, results, tmp_path)
    assert set(manifest["arrays_sha256"]) == set(results.table["run_id"])
    assert page.count("<svg ") == len(manifest["figures"])
    assert "<b>" not in page
    assert (r"\x00&lt;b&gt;&amp;" in page) == (kind == "text")  # samples are escaped
    assert any("peaks where data bits are 1." in line for line in report.headlines)
    assert any("10 of 12 runs converged" in line for line in report.headlines)
    assert pl.read_parquet(tmp_path / "table.parquet")["data_per_capacity"].null_count() == 0


def test_samples_are_on_one_short_line() -> None:
    assert shortened("a\n\tb") == r"a\n\tb"
    assert len(shortened("x" * 1000)) == 160


def test_unusable_runs_are_refused(results: Results) -> None:
    def changed(keep: pl.Expr) -> Results:
        return replace(results, table=results.table.filter(keep))

    with pytest.raises(ValueError, match="no finished run on the train pool"):
        study(changed(pl.col("task.pool") == "reference"))
    with pytest.raises(ValueError, match="no run can serve as a reference"):
        study(changed((pl.col("task.num_sequences") == 10) & (pl.col("task.pool") == "train")))
    with pytest.raises(ValueError, match="no finished run of task text"):
        study(changed(pl.lit(value=False)))


def test_one_kind_of_reference_is_enough_and_a_series_without_one_is_left_out(
    results: Results,
) -> None:
    keep = (pl.col("size.width") == 8) | (pl.col("task.num_sequences") == 10)
    alone = results.table.filter(pl.col("task.pool") == "train", keep)
    found = study(replace(results, table=alone))
    assert found.references == ["same_size"]
    described = [(each.name.split(", seed")[0], each.reference) for each in found.remembered]
    assert described == [("1x8, N = 80", "same_size"), ("1x8, N = 160", "same_size")]
    marks = figures.covariates(found).layers[1].frame  # that with the most data is hollow
    assert marks["has_most_data"].unique(maintain_order=True).to_list() == [False, True]


def test_a_reference_of_another_split_or_format_is_kept_apart(results: Results) -> None:
    """Its sample ids name other texts; capacity is that of the format."""
    is_worse, is_wide = pl.col("size.width") == 24, pl.col("size.width") == 16
    split = pl.when(is_worse).then(1).otherwise("task.split_seed").alias("task.split_seed")
    formats = pl.when(is_wide).then(pl.lit("bf16_mixed")).otherwise("precision.name")
    table = results.table.with_columns(split, formats.alias("precision.name"))
    found = study(replace(results, table=table))
    outside = {each["reference"][:4] for each in found.qualities if each["pool"] == "reference"}
    assert outside == {"1x32"}
    assert "2.00 bits per parameter (planted); 3.60 bits per parameter (publ" in check(found)


def test_extraction_pools_the_seeds_that_measured_a_prefix(results: Results) -> None:
    longer = {
        f"extraction.{split}_extracted_6": pl.when(pl.col("size.width") == 8).then(0)
        for split in ("train", "heldout")
    }
    found = study(replace(results, table=results.table.with_columns(**longer))).extracted
    assert {row["series"] for row in found if row["prefix"] == 6} == {"1x8"}
    assert len([row for row in found if row["prefix"] == 4]) == 2 * len(planted.SIZES)
    first = found[0]
    assert (first["series"], first["task.num_sequences"]) == ("1x8", 10)
    assert first["train"].trials == 20 and first["heldout"].trials == 128
    assert 0 < first["train"].value < 1
    assert [each.trials for each in first["runs"]["train"]] == [10, 10]


def test_titles_claim_what_was_planted(results: Results) -> None:
    content = make(results)
    titles = shown.titles(content)
    assert titles["unintended"].startswith("Unintended memorisation reaches 68% to 70% of")
    assert titles["extraction"].startswith("Extraction comes down from")
    assert "from the best oracle to the worst" in titles["oracle_quality"]
    assert "may be chance" not in titles["covariates"]
    # Two runs of one series and size have sections of their own.
    headings = [each.title for each in shown.blocks(content) if isinstance(each, Heading)]
    assert len(set(headings)) == len(headings) == 4


def test_nothing_is_claimed_of_runs_at_chance_alone_or_unconverged(tmp_path: Path) -> None:
    """The models are as good as their reference, whose text nobody memorised."""
    chance = planted.planted_results(tmp_path, seeds=(0,), share=0.0)
    content = make(chance)
    titles = shown.titles(content)
    assert titles["unintended"].endswith("is above what held-out text gives")
    assert titles["extraction"].startswith("No more is extracted")
    assert "1 seed." in content.setting
    assert "no more than held-out text gives" in shown.words(content.cards[0].lines)
    late = chance.table.with_columns(pl.lit(value=False).alias("training.converged"))
    unconverged = make(replace(chance, table=late))
    assert "had not converged" in shown.words(unconverged.cards[0].lines)
    assert "0 of 14 runs converged" in " ".join(unconverged.headlines)


def with_arrays(results: Results, folder: Path, run_id: str, total: str, more: dict) -> Results:
    """One run measured more: it has these arrays besides, and a total of 10."""
    arrays = {**results.folders[run_id].arrays(), **more}
    (folder / run_id).mkdir()
    np.savez(folder / run_id / "arrays.npz", **arrays)
    column = pl.when(pl.col("run_id") == run_id).then(10).alias(total)
    folders = {**results.folders, run_id: RunFolder(folder / run_id)}
    return replace(results, table=results.table.with_columns(column), folders=folders)


def test_samples_that_it_takes_to_find_text_are_shown(results: Results, tmp_path: Path) -> None:
    """Ten windows: p of one sample is 1 of 4, 0.02 of 4, and 0 of 2."""
    with np.errstate(divide="ignore"):
        log_p = np.log(np.repeat([1.0, 0.02, 0.0], [4, 4, 2]))
    more = {
        "discoverable.train_log_p_top_k_4": log_p,
        "discoverable.heldout_log_p_top_k_4": np.full(10, -np.inf),
        "discoverable.train_beam_rank_4": np.array([0] * 5 + [-1] * 5),
    }
    total = "discoverable.train_expected_top_k_4"
    content = make(with_arrays(results, tmp_path, "train-8-10-0", total, more))
    _, table = shown.tables(content, "Extraction")
    name = "1x8, N = 10, seed 0"
    assert shown.lines(table)[0][:4] == [name, "train", "top k", "4"]
    shares = [[cell.split()[0] for cell in row[4:]] for row in shown.lines(table)]
    assert shares[0] == ["40.0%", "40.0%", "80.0%", "80.0%", "50.0%"]
    assert shares[1] == ["0.0%"] * 4 + ["not"]
    assert content.numbers[f"discoverable {name}, top k 4, train"]["in 100"] == 0.8


def test_samples_that_models_draw_are_shown(results: Results, tmp_path: Path) -> None:
    """Ten distinct samples, two of which hold training text; the best ranking puts them first."""
    run_id = "train-8-10-0"
    pieces = {
        "tokens": np.zeros((10, 8)), "nats": np.arange(10.0), "window_nats": np.arange(10.0)[::-1],
        "documents": np.arange(10) < 2, "heldout_documents": np.arange(10) == 5,
        "is_distinct": np.ones(10),
    }  # fmt: skip
    more = {f"generation.top_k_{name}": piece for name, piece in pieces.items()}
    total = "generation.top_k_samples"
    content = make(with_arrays(results, tmp_path, run_id, total, more))
    drawn, ranked = shown.tables(content, "draws")
    assert shown.lines(drawn)[0] == [
        "1x8, N = 10, seed 0, top k", "20.0% (2.5% to 55.6%)", "10.0% (0.3% to 44.5%)", "2",
        "10 (10)",
    ]  # fmt: skip
    assert [row[1] for row in shown.lines(ranked)] == ["perplexity", "window"]
    number = content.numbers["drawn 1x8, N = 10, seed 0, top k"]
    assert number["memorised"] == 0.2 and number["runs"] == [run_id]
    assert any("20.0% (2.5% to 55.6%) of distinct samples" in line for line in content.headlines)
