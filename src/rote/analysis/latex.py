"""The tables of a page in LaTeX, with booktabs: for papers, the same numbers as on the page."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from rote.analysis.content import Section

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip
HEAD = "% The tables of the report; they take \\usepackage{booktabs}."


@dataclass
class _Cell:
    text: str = ""
    below: str = ""
    is_text: bool = False


@dataclass
class _Tables(HTMLParser):
    """Rows of cells of every table, in order; small print apart."""

    tables: list[list[list[_Cell]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.is_open = self.is_small = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables:
            kind = dict(attrs).get("class") or ""
            self.tables[-1][-1].append(_Cell(is_text="text" in kind.split()))
            self.is_open = True
        elif tag == "small":
            self.is_small = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.is_open = False
        elif tag == "small":
            self.is_small = False

    def handle_data(self, data: str) -> None:
        if not self.is_open:
            return
        cell = self.tables[-1][-1][-1]
        if self.is_small:
            cell.below += data
        else:
            cell.text += data


def latex_tables(sections: Iterable[Section]) -> str:
    """A ``table`` environment for each table, captioned with its section's title."""
    parts = [HEAD]
    for section in sections:
        reader = _Tables()
        reader.feed(section.html)
        parts += [_environment(section.title, rows) for rows in reader.tables if len(rows) > 1]
    return "\n\n".join(parts) + "\n"


def _environment(title: str, rows: list[list[_Cell]]) -> str:
    head, *body = rows
    columns = "".join("l" if cell.is_text else "r" for cell in head)
    units = [cell.below for cell in head]
    lines = [
        r"\begin{table}",
        rf"\caption{{{_escaped(title)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(cell.text for cell in head),
        *([_row(units)] if any(units) else []),
        r"\midrule",
        *(_row(map(_value, row)) for row in body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _value(cell: _Cell) -> str:
    """The interval in brackets behind its number."""
    return f"{cell.text} ({cell.below})" if cell.below.strip() else cell.text


def _row(cells: Iterable[str]) -> str:
    return " & ".join(map(_escaped, cells)) + r" \\"


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
