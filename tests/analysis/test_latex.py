"""Tables of a page become LaTeX that holds the same numbers, escaped."""

from rote.analysis.content import Section
from rote.analysis.elements import number_cell, table, text_cell
from rote.analysis.latex import latex_tables

HTML = table(
    [("size", ""), ("share", "95 %"), ("note", "")],
    [
        [text_cell("1x20_a"), number_cell("50 %", "40 to 60 %"), text_cell("a & b")],
        [text_cell("<1x32>"), number_cell("7"), text_cell("")],
    ],
    text=("size", "note"),
)


def test_a_table_keeps_its_cells_its_alignment_and_its_intervals() -> None:
    told = latex_tables(
        [Section(title="Shares, 100 %", html=f"<p>Before.</p>{HTML}<p>Behind.</p>")]
    )
    lines = told.splitlines()
    assert r"\caption{Shares, 100 \%}" in lines
    assert r"\begin{tabular}{lrl}" in lines
    assert r"1x20\_a & 50 \% (40 to 60 \%) & a \& b \\" in lines
    assert r"\textless{}1x32\textgreater{} & 7 &  \\" in lines
    assert lines[lines.index(r"\toprule") + 2] == r" & 95 \% &  \\"
    assert "Before" not in told and "Behind" not in told


def test_every_table_of_every_section_is_there_and_empty_ones_are_not() -> None:
    empty = table([("a", "")], [], text=())
    sections = [Section(title="one", html=HTML + HTML), Section(title="two", html=empty)]
    assert latex_tables(sections).count(r"\begin{table}") == 2
    assert latex_tables([]).count("table}") == 0
