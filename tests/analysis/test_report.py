"""A report is complete, self-contained, traceable to its records, and the same every time."""

import json
import re
from html.parser import HTMLParser
from inspect import signature
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from rote.analysis.report import Report, kinds, maker, require_kind, write_report
from rote.analysis.results import Corpus
from rote.io.write import sha256
from tests.analysis.scaled import results

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
            results=results(table, tmp_path, open_corpus=refuse, **held | changes),
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


def test_every_kind_can_be_made_and_an_unknown_one_names_the_choices() -> None:
    assert "capacity" in kinds()
    for kind in kinds():
        assert list(signature(maker(kind)).parameters) == ["results"]
    with pytest.raises(ValueError, match=r"report 'capcity' is not known.*'capacity'"):
        require_kind("capcity")
