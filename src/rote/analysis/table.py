"""Define a typed table with the same cells in HTML (templates/page.html), LaTeX and terminals."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any

from rote.analysis.estimate import Estimate, number
from rote.analysis.metrics import Metric

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


Row = dict[str, Any]
INTERVAL = "95 % interval"  # the unit of estimates


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The content of a cell; ``below`` is in small print."""

    text: str
    below: str = ""
    is_text: bool = True  # set left
    is_warning: bool = False
    is_code: bool = False

    @property
    def line(self) -> str:
        """The content in one line, with the small print in brackets."""
        return f"{self.text} ({self.below})" if self.below else self.text


# A cell's value; tuples are (value, small print).
Value = Cell | Estimate | str | int | float | bool | None | tuple[Any, str]


def warning(text: str, below: str = "") -> Cell:
    """Return a cell in the colour of a warning."""
    return Cell(text=text, below=below, is_warning=True)


@dataclass(frozen=True)
class Column:
    """One column: its title and unit, and how to read and format a row's value."""

    title: str
    value: str | Callable[[Any], Value]  # a key or attribute of the row, or a function of it
    _: KW_ONLY
    unit: str = ""  # small print below the title
    form: str = "{:,}"  # format of numbers and estimates
    missing: str = "not measured"  # text for None and NaN
    is_code: bool = False
    is_number: bool = False  # the words are numbers, set right

    @classmethod
    def of(cls, metric: Metric, value: str | Callable[[Any], Value] | None = None) -> "Column":
        """Build from a metric's title, unit and form; ``value`` defaults to the metric's column."""
        return cls(
            title=metric.title, unit=metric.unit, form=metric.form, value=value or metric.name
        )

    def cell(self, row: Any) -> Cell:
        """Return the cell of one row."""
        if callable(self.value):
            value = self.value(row)
        elif isinstance(row, Mapping):
            value = row.get(self.value)
        else:
            value = getattr(row, self.value)
        return self._cell(value)

    def _cell(self, value: Value) -> Cell:
        match value:
            case Cell():
                return value
            case (inner, below):
                return replace(self._cell(inner), below=below)
            case Estimate():
                span = value.span(self.form)
                return Cell(text=number(value.value, self.form), below=span, is_text=False)
            case bool():
                return Cell(text="yes" if value else "no")
            case int() | float() if not math.isnan(value):
                return Cell(text=number(value, self.form), is_text=False)
            case None | float():
                return Cell(text=self.missing, is_text=False)
        return Cell(text=str(value), is_code=self.is_code, is_text=not self.is_number)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of any kind; the columns define what is shown.

    A table that is ``folded`` states above itself the columns that are equal in all rows.
    """

    columns: Sequence[Column]
    rows: Sequence[Any]
    is_tall: bool = False  # scrolls in height too
    is_folded: bool = False
    is_prose: bool = False  # cells hold sentences, which are broken into lines

    @cached_property
    def cells(self) -> list[list[Cell]]:
        """All columns of all rows."""
        return [[column.cell(row) for column in self.columns] for row in self.rows]

    @property
    def places(self) -> list[int]:
        """Indices of the columns that are shown."""
        if not self.is_folded or len(self.cells) < 2:
            return list(range(len(self.columns)))
        lines = [{row[place].line for row in self.cells} for place in range(len(self.columns))]
        return [place for place, lines in enumerate(lines) if len(lines) > 1]

    @property
    def heads(self) -> list[tuple[Column, bool]]:
        """Columns that are shown, and whether they are set left."""
        return [
            (self.columns[place], all(row[place].is_text for row in self.cells))
            for place in self.places
        ]

    @property
    def body(self) -> list[list[Cell]]:
        """Rows of the cells that are shown."""
        return [[row[place] for place in self.places] for row in self.cells]

    @property
    def folded(self) -> str:
        """The values that are equal in all rows, as "seed 0; optimiser AdamW"."""
        gone = set(range(len(self.columns))) - set(self.places)
        return "; ".join(
            f"{self.columns[place].title} {self.cells[0][place].line}" for place in sorted(gone)
        )

    def latex(self, title: str) -> str:
        """Return a ``table`` environment for booktabs, captioned with ``title``."""
        units = [column.unit for column, _ in self.heads]
        lines = [
            r"\begin{table}",
            rf"\caption{{{_escaped(title)}}}",
            rf"\begin{{tabular}}{{{''.join('l' if left else 'r' for _, left in self.heads)}}}",
            r"\toprule",
            _latex_row(column.title for column, _ in self.heads),
            *([_latex_row(units)] if any(units) else []),
            r"\midrule",
            *(_latex_row(cell.line for cell in row) for row in self.body),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines)


def _latex_row(cells: Any) -> str:
    return " & ".join(map(_escaped, cells)) + r" \\"


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
