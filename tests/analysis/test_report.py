"""A report is complete, self-contained, traceable to its records, and the same every time."""

import json
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from rote.analysis.report import Report, write_report
from rote.analysis.results import Corpus, Results
from rote.files import sha256

FIGURES = ("memorised_bits", "bits_per_parameter", "training_curves")
VOID = {"meta", "br", "img", "link", "hr"}


def refuse(corpus: str) -> Corpus:
    raise AssertionError(f"random tokens have no corpus, asked for {corpus}")


@pytest.fixture
def write(build_curves, tmp_path: Path):
    def made(table: pl.DataFrame, folder: str = "report", **changes) -> Report:
        held = {
            "curves": build_curves(table),
            "records_sha256": {run_id: sha256(run_id.encode()) for run_id in table["run_id"]},
        }
        return write_report(
            kind="capacity",
            name="demo",
            question="Is 2 < 3 bits & more?",
            results=Results(
                table=table, folders={}, alphas={}, open_corpus=refuse, **held | changes
            ),
            folder=tmp_path / folder,
        )

    return made


def test_everything_is_written_and_in_the_manifest(write, build_table) -> None:
    table = build_table(noise=0.01)
    report = write(table)
    manifest = json.loads((report.folder / "manifest.json").read_text())
    written = {path.name for path in report.folder.iterdir()} - {"manifest.json"}
    figures = {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png", "csv")}
    assert written == figures | {"report.html", "table.parquet", "table.csv", "tables.tex"}
    assert manifest["files_sha256"] == {
        name: sha256((report.folder / name).read_bytes()) for name in written
    }
    assert set(manifest["records_sha256"]) == set(table["run_id"])
    behind = [*manifest["figures"].values(), *(n["runs"] for n in manifest["numbers"].values())]
    assert all(set(run_ids) <= set(table["run_id"]) and run_ids for run_ids in behind)
    assert pl.read_parquet(report.folder / "table.parquet")["memorised_bits"].len() == table.height


def test_a_limit_of_the_data_and_one_of_training_are_told_apart(write, build_table) -> None:
    table = build_table(fills=(0.1, 0.2, 0.4, 0.8), planted={"tf32": 3.0})
    report = write(table)
    assert "at least" not in report.headlines[0]
    assert "2 sizes data-limited" in report.headlines[0]
    assert report.headlines[1] == "8 of 8 runs converged, judged by growth per 1,000 steps"
    page = report.page.read_text()
    assert "data-limited: the capacity is not 10 % below" in page
    assert "no published value for this model and precision" in page
    stopped = write(table.with_columns(pl.lit(False).alias("training.converged")), "stopped")
    assert stopped.headlines[0].startswith("tf32: at least ")
    assert "had not converged: 1x16, 2 heads in tf32 (1 run); 1x24" in stopped.page.read_text()


def test_a_sweep_of_heads_and_budgets_shows_both(write, build_table) -> None:
    """Eight heads store a tenth more than two; T steps lack a fifth over the root of T."""
    parts = []
    stored = pl.col("entropy_bits") - pl.col("cost.train_code_bits")
    for heads, steps in product((2, 8), (1000, 2000, 4000)):
        factor = (1.1 if heads == 8 else 1.0) * (1 - 0.2 * (steps / 1000) ** -0.5)
        parts.append(
            build_table(planted={"fp32": 3.0}, noise=0.001).with_columns(
                pl.format("{}-{}-{}", "run_id", pl.lit(heads), pl.lit(steps)).alias("run_id"),
                pl.lit(heads).alias("size.num_heads"),
                pl.lit(steps).alias("budget.max_steps"),
                pl.lit(steps).alias("training.steps"),
                (pl.col("entropy_bits") - factor * stored).alias("cost.train_code_bits"),
            )
        )
    report = write(pl.concat(parts))
    shown = {path.stem for path in report.folder.glob("*.svg")}
    assert shown == {*FIGURES, "heads", "budgets"}
    alpha = report.numbers["alpha fp32"]
    assert alpha["models"] == ["1x16, 8 heads", "1x24, 8 heads"]
    assert alpha["bits_per_parameter"] == pytest.approx(3.0 * 1.1 * 0.9, rel=0.02)
    assert all(run_id.endswith("-8-4000") for run_id in alpha["runs"])
    limit = report.numbers["limit 1x16, 8 heads fp32"]
    stored = limit["stored_bits_per_parameter"]
    assert stored == pytest.approx(3.3 * 0.9, rel=0.02)
    low, high = limit["interval_bits_per_parameter"]
    assert low < limit["bits_per_parameter"] < high
    assert limit["bits_per_parameter"] == pytest.approx(stored / 0.9, rel=0.02)
    assert len(limit["runs"]) % 3 == 0 and len(limit["runs"]) >= 9
    told = [line for line in report.headlines if "unlimited optimiser steps" in line]
    assert len(told) == 2 and "95 % interval" in told[0]
    assert "the best heads of each size: 1x16, 8 heads; 1x24, 8 heads" in report.headlines[0]


def test_a_finish_is_shown_with_what_it_gained_and_why_it_ended(write, build_table) -> None:
    table = build_table(planted={"fp32": 3.0}).with_columns(
        pl.lit(123.0).alias("training.finish.memorised_bits_before"),
        pl.lit(345).alias("training.finish.evaluations"),
        pl.lit("line search").alias("training.finish.ended_by"),
        pl.lit(False).alias("training.converged"),
        pl.lit(None, pl.Float64).alias("training.growth_bits_per_1000_steps"),
    )
    report = write(table)
    page = report.page.read_text()
    for cell in ("no<small>finish: line search", "<td>123<", "<td>345<", "<td>not measured"):
        assert page.count(cell) == table.height
    judged = "0 of 12 runs converged, judged by the gain that the full-batch finish predicts"
    assert judged in report.headlines
    assert "2,000 optimiser steps, then 345 full-batch evaluations; 1 seed." in page


class Outline(HTMLParser):
    """Fails on a tag closed out of turn; collects ids and whatever a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        self.loaded += [values[key] for key in ("src", "href", "xlink:href") if key in values]

    def handle_startendtag(self, tag: str, attrs) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_well_formed_and_loads_nothing(write, build_table) -> None:
    report = write(build_table())
    page = report.page.read_text()
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    inside = {f"#{name}" for name in outline.ids}
    others = [target for target in outline.loaded if target not in inside]
    beside = [target for target in others if not target.startswith("data:image/png")]
    assert all((report.folder / target).is_file() for target in beside)  # to be downloaded
    assert set(re.findall(r"url\((#[^)]*)\)", page)) <= inside
    assert "Is 2 &lt; 3 bits &amp; more?" in page
    assert page.count("<svg ") == len(FIGURES)
    assert "$" not in page


def test_figures_keep_their_text_and_their_bytes(write, build_table) -> None:
    table = build_table(shapes=((1, 16), (2, 24)))
    first, second = write(table, "first"), write(table, "second")
    for path in sorted(first.folder.iterdir()):
        assert path.read_bytes() == (second.folder / path.name).read_bytes(), path.name
    figure = (first.folder / "memorised_bits.svg").read_text()
    ElementTree.fromstring(figure)
    for text in ("memorised (bits)", "sequences", "width 16", "2 layers", "bf16_mixed"):
        assert f">{text}</text>" in figure
    assert "dc:date" not in figure


def test_a_run_that_memorised_nothing_is_drawn_around(write, build_table) -> None:
    table = build_table()
    nothing = pl.when(pl.int_range(pl.len()) == 5).then(pl.col("entropy_bits") + 1.0)
    code = nothing.otherwise(pl.col("cost.train_code_bits")).alias("cost.train_code_bits")
    assert write(table.with_columns(code)).page.exists()


@pytest.mark.parametrize("missing", ["curves", "records_sha256"])
def test_a_run_without_curve_or_record_is_refused(write, build_table, missing: str) -> None:
    with pytest.raises(ValueError, match="run 0000000000000000 has no"):
        write(build_table(), **{missing: {}})
