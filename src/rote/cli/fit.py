"""`rote fit`: laws through the runs of a sweep, or through anybody's table."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from rote.analysis.content import Content, Section
from rote.analysis.csv_runs import doubts_about, measured_rows, read_runs
from rote.analysis.fit_sections import (
    NotFitted,
    Runs,
    Through,
    drawn,
    fit_laws,
    left_out,
    numbers,
    runs_of,
    section,
)
from rote.analysis.fit_wording import goodness, lines, method
from rote.analysis.laws import kinds
from rote.analysis.laws.law import Count, Effort
from rote.analysis.page import page
from rote.analysis.quantities.scaling import scaling_runs
from rote.analysis.tables.cells import SUFFIXES
from rote.cli.damage import require_no_damage
from rote.cli.gathering import gathered, needs_columns
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.files import (
    named_by_digest,
    require_writable,
    sha256_of_file,
    write_bytes,
    write_json,
    write_text,
)
from rote.outputs import outputs_folder
from rote.watching import Show


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/fits/<name>-<digest of what is asked>/; prints the constants.

    Raises ValueError for runs that are damaged, once laws are fitted to the others.
    """
    outputs = require_writable(outputs_folder())
    effort = Effort(num_resamples=arguments.resamples, clusters=arguments.clusters or "")
    names = [arguments.law] if arguments.law else kinds.laws()
    with Bar() as show:
        source = _source(arguments, show)
        found = fit_laws(names, source.runs, effort, show)
    fitted = [each for each in found if isinstance(each, Through)]
    reasons = [each for each in found if isinstance(each, NotFitted)]
    if not fitted:
        raise ValueError(_why_none(reasons))
    asked = [source.asked, names, arguments.count, arguments.resamples]
    asked += [arguments.clusters] if arguments.clusters else []
    folder = outputs / "fits" / named_by_digest(source.name, asked)
    content = {each.name: numbers(each) for each in fitted}
    _write(folder, source.name, fitted, reasons, content)
    if arguments.json:
        print_json({"page": str(folder / "fit.html"), "laws": content})
    console = screen()
    for through in fitted:
        _print(console, through)
    for kept in reasons:
        console.print(f"not fitted: {kept.name}: {kept.reason}", style="dim", soft_wrap=True)
    console.print(f"{folder / 'fit.html'}", soft_wrap=True)
    require_no_damage(source.damaged)
    return 0


def _why_none(reasons: Sequence[NotFitted]) -> str:
    laws: dict[str, list[str]] = {}
    for each in reasons:
        laws.setdefault(each.reason, []).append(each.name)
    return "; ".join(f"law {', '.join(names)}: {reason}" for reason, names in laws.items())


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What laws are fitted to."""

    name: str
    asked: tuple[str, ...]  # what it holds, where another one of this name may hold other runs
    runs: Runs
    damaged: tuple[str, ...] = ()  # runs that were left out


def _source(arguments: argparse.Namespace, show: Show) -> _Source:
    count = Count(arguments.count)
    path = Path(arguments.source)
    if path.suffix.lower() in SUFFIXES or path.is_file():
        table = read_runs(path, arguments.columns)
        return _Source(
            name=path.stem,
            asked=(sha256_of_file(path), arguments.columns),
            runs=Runs(
                columns=lambda law, _: measured_rows(table, law, count),
                doubts=lambda law, _: doubts_about(table, law),
            ),
        )
    if arguments.columns:
        raise ValueError("--columns maps those of a CSV file; a sweep's are known")
    plan, results, damaged = gathered(arguments.source, show)
    with needs_columns(plan.name):
        runs = scaling_runs(results, count)
    return _Source(
        name=plan.name,
        asked=(),
        runs=runs_of(runs, count),
        damaged=tuple(damaged),
    )


def _write(
    folder: Path,
    name: str,
    fitted: Sequence[Through],
    reasons: Sequence[NotFitted],
    content: dict[str, Any],
) -> None:
    drawings = [drawn(each) for each in fitted]
    for drawing in drawings:
        write_bytes(folder / f"{drawing.name}.svg", drawing.svg)
        write_bytes(folder / f"{drawing.name}.png", drawing.png)
    sections = [section(each, drawing) for each, drawing in zip(fitted, drawings, strict=True)]
    made = Content(
        headlines=(),
        setting=f"{len(fitted)} laws through {name}.",
        cards=(),
        sections=(*sections, *([left_out(reasons)] if reasons else [])),
        drawings=tuple(drawings),
        numbers=content,
        table=pl.DataFrame(),
    )
    command = escape(shlex.join(["rote", *sys.argv[1:]]))
    closing = Section(title="How to reproduce", html=f"<pre><code>{command}</code></pre>")
    question = "Which law do these runs follow, and how well do they tell its constants?"
    write_text(
        folder / "fit.html", page(name=name, question=question, content=made, closing=closing)
    )
    write_json(folder / "fit.json", content)


def _print(console: Console, through: Through) -> None:
    law, fitted = through.law, through.fitted
    console.print(f"{through.name}: {fitted.formula}", style="bold", soft_wrap=True)
    grid = Table()
    for name in ("constant", "value", "s.e.", "95 % profile", "95 % bootstrap"):
        grid.add_column(name, justify="left" if name == "constant" else "right")
    for source in law.published:
        grid.add_column(source.partition(",")[0], justify="right")
    for line in lines(law, fitted):
        cells = (line.value, line.standard_error, line.profile, line.bootstrap)
        grid.add_row(line.name, *cells, *line.published)
    console.print(grid)
    console.print(f"{goodness(fitted)}. {method(fitted)}.", soft_wrap=True)
    for warning in fitted.warnings:
        console.print(f"- {warning}", style="yellow", soft_wrap=True)
    console.print()
