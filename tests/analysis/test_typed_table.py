"""A table says the same on the page, in LaTeX and in the terminal."""

import polars as pl
import pytest

from rote.analysis.estimate import Estimate
from rote.analysis.page import Card, Content, Section, Text, page
from rote.analysis.table import Column, Table, warning

LOSS = Estimate.of(-0.5, (-0.75, -0.25), n=3, method="Student's t")
ROWS = [
    {"size": "1x20_a", "cost": LOSS, "runs": 3, "note": "a & b", "format": "fp32"},
    {"size": "<1x32>", "cost": None, "runs": 1_200, "note": warning("one seed"), "format": "fp32"},
]


def table(**more: bool) -> Table:
    columns = [
        Column("size", "size"),
        Column("cost", "cost", unit="bits, 95 %", form="{:+.2f}"),
        Column("runs", "runs"),
        Column("note", "note"),
        Column("format", "format"),
    ]
    return Table(columns=columns, rows=ROWS, **more)


def test_latex_is_escaped_aligned_and_holds_the_intervals() -> None:
    lines = table().latex("Cost, 100 %").splitlines()
    assert r"\caption{Cost, 100 \%}" in lines
    assert r"\begin{tabular}{lrrll}" in lines
    assert r"1x20\_a & -0.50 (-0.75 to -0.25) & 3 & a \& b & fp32 \\" in lines
    assert r"\textless{}1x32\textgreater{} & not measured & 1,200 & one seed & fp32 \\" in lines
    assert lines[lines.index(r"\toprule") + 2] == r" & bits, 95 \% &  &  &  \\"


def test_the_terminal_shows_cells_in_one_line() -> None:
    first, _ = table().body
    assert [cell.line for cell in first] == [
        "1x20_a", "-0.50 (-0.75 to -0.25)", "3", "a & b", "fp32"
    ]  # fmt: skip


def test_what_is_the_same_in_all_rows_is_folded() -> None:
    folded = table(is_folded=True)
    assert folded.folded == "format fp32"
    assert [column.title for column, _ in folded.heads] == ["size", "cost", "runs", "note"]


def test_a_page_escapes_words_and_sets_true_minus_signs() -> None:
    html = page(
        name="x", question="Is 2 < 3?",
        content=Content(
            headlines=("one",), setting="-1 & more",
            cards=(Card(title="a", meaning="b", value="-2"),),
            sections=(Section("Costs", [table(), Text("<b>bare</b>")]),), numbers={},
            table=pl.DataFrame(),
        ),
        closing=Section("End", [Text("<i>marked</i>", is_html=True)]),
    )  # fmt: skip
    assert "Is 2 &lt; 3?" in html and "&lt;b&gt;bare&lt;/b&gt;" in html and "<i>marked</i>" in html
    assert "\N{MINUS SIGN}0.50" in html and "\N{MINUS SIGN}1 &amp; more" in html
    assert '<td class="text bound">one seed</td>' in html and "&lt;1x32&gt;" in html


@pytest.mark.parametrize(
    ("value", "form", "words"),
    [(0.0004, "{:+.2f}", "+0.0004"), (-0.001, "{:+.0%}", "-0.1%"), (0.0, "{:.2f}", "0.00")],
)
def test_a_small_number_is_not_written_as_zero(value: float, form: str, words: str) -> None:
    column = Column("x", "x", form=form)
    assert column.cell({"x": value}).text == words
