"""Pieces of a page: cells, tables, cards, figures, as HTML."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import polars as pl

from rote.analysis.drawing import Drawing
from rote.analysis.estimate import Estimate
from rote.analysis.quantities import convergence


def table(
    headers: Iterable[tuple[str, str]], rows: Iterable[Sequence[str]], *, text: Sequence[str]
) -> str:
    """Headers are (name, what stands below it); columns named in ``text`` are set left."""
    head = "".join(_header(name, below, text) for name, below in headers)
    body = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def scrolled(html: str, *, tall: bool = False) -> str:
    """A box of its own that scrolls; ``tall`` ones are cut in height too."""
    return f'<div class="scroll{" tall" if tall else ""}" tabindex="0">\n{html}\n</div>'


def text_cell(value: object, below: str = "") -> str:
    """Escaped, set left; ``below`` in small print."""
    small = f"<small>{escape(below)}</small>" if below else ""
    return f'<td class="text">{escape(str(value))}{small}</td>'


def code_cell(value: object) -> str:
    """Escaped, in the type of code."""
    return f'<td class="text"><code>{escape(str(value))}</code></td>'


def warning_cell(value: object, below: str = "") -> str:
    """Escaped, in the colour of a bound; ``below`` in small print."""
    small = f"<small>{escape(below)}</small>" if below else ""
    return f'<td class="text bound">{escape(str(value))}{small}</td>'


def converged_cell(run: Mapping[str, Any]) -> str:
    """Whether a run, a row of the table, had converged, and by which rule."""
    answer, rule = convergence.standing(run)
    return text_cell(answer, rule) if run["training.converged"] else warning_cell(answer, rule)


def number_cell(value: object, below: str = "") -> str:
    """HTML, set right; ``below`` in small print."""
    return f"<td>{value}<small>{below}</small></td>"


def estimate_cell(estimate: Estimate | None, form: str, *, otherwise: str = "") -> str:
    """A number above its interval, or above why it has none; ``otherwise`` for None."""
    if estimate is None:
        return number_cell(otherwise)
    return number_cell(form.format(estimate.value), estimate.span(form))


def extent(column: pl.Series) -> str:
    """Least to most of whole numbers; one where all are equal."""
    low, high = column.to_numpy().min(), column.to_numpy().max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def card(*, title: str, meaning: str, value: str, unit: str, lines: Iterable[str]) -> str:
    """One main number; ``lines`` are HTML paragraphs below it."""
    return (
        f'<section class="card"><h2>{escape(title)}</h2>'
        f"<small>{escape(meaning)}</small>"
        f'<div class="value">{value} <span>{escape(unit)}</span></div>'
        f"{''.join(lines)}</section>"
    )


def figure(drawing: Drawing, caption: str) -> str:
    """The drawing inline, with its finding for narrow screens and a caption of HTML."""
    return (
        f'<figure><p class="finding">{escape(drawing.alt)}</p>'
        f'<div class="light" tabindex="0">{_inline(drawing)}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _inline(drawing: Drawing) -> str:
    """The SVG without its XML prologue, its ids made unique on the page."""
    svg = drawing.svg.decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{drawing.name}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(drawing.alt)}" ', 1)


def _header(name: str, below: str, text: Sequence[str]) -> str:
    kind = ' class="text"' if name in text else ""
    return f"<th{kind}>{escape(name)}<small>{escape(below)}</small></th>"
