"""`rote fit`: laws through the runs of a sweep, or through anybody's table."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from rote.analysis import fit_sections as fits
from rote.analysis.csv_runs import doubts_about, measured_rows, read_runs
from rote.analysis.estimate import plural
from rote.analysis.fit_sections import NotFitted, Runs, Through
from rote.analysis.laws import kinds
from rote.analysis.laws.law import FitEffort, RunCount
from rote.analysis.page import Content
from rote.analysis.quantities.scaling import scaling_runs
from rote.analysis.report import reproduce, write_page
from rote.analysis.tables.cells import SUFFIXES
from rote.cli.damage import require_no_damage
from rote.cli.gathering import gathered, needs_columns
from rote.cli.progress import Bar
from rote.cli.screen import grid, print_json, screen
from rote.core.progress import Progress
from rote.io.outputs import outputs_folder
from rote.io.write import named_by_digest, require_writable, sha256_of_file, write_json

QUESTION = "Which law do these runs follow, and how well do they determine its constants?"


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/fits/<name>-<digest of what is asked>/; prints the constants.

    Raises ValueError for runs that are damaged, once laws are fitted to the others.
    """
    outputs = require_writable(outputs_folder())
    effort = FitEffort(num_resamples=arguments.resamples, clusters=arguments.clusters or "")
    names = [arguments.law] if arguments.law else kinds.laws()
    with Bar() as progress:
        source = _source(arguments, progress)
        fitted, others = fits.fit_laws(names, source.runs, effort, progress)
    if not fitted:
        raise ValueError(_why_none(others))
    asked = [source.asked, names, arguments.count, arguments.resamples]
    asked += [arguments.clusters] if arguments.clusters else []
    folder = outputs / "fits" / named_by_digest(source.name, asked)
    content = {each.name: fits.numbers(each) for each in fitted}
    _write(folder, source.name, fitted, others, content)
    if arguments.json:
        print_json({"page": str(folder / "fit.html"), "laws": content})
    console = screen()
    for through in fitted:
        _print(console, through)
    for each in others:
        console.print(f"not fitted: {each.name}: {each.reason}", style="dim", soft_wrap=True)
    if len(fitted) > 1:
        console.print(grid(fits.ranking(fitted)))
    console.print(f"{folder / 'fit.html'}", soft_wrap=True)
    require_no_damage(source.damaged)
    return 0


def _why_none(others: Sequence[NotFitted]) -> str:
    laws: dict[str, list[str]] = {}
    for each in others:
        laws.setdefault(each.reason, []).append(each.name)
    return "; ".join(f"law {', '.join(names)}: {reason}" for reason, names in laws.items())


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What laws are fitted to."""

    name: str
    asked: tuple[str, ...]  # what it holds, where another one of this name may hold other runs
    runs: Runs
    damaged: tuple[str, ...] = ()  # runs that were left out


def _source(arguments: argparse.Namespace, progress: Progress) -> _Source:
    count = RunCount(arguments.count)
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
    plan, results, damaged = gathered(arguments.source, progress)
    with needs_columns(plan.name):
        runs = scaling_runs(results, count)
    return _Source(
        name=plan.name,
        asked=(),
        runs=fits.runs_of(runs, count),
        damaged=tuple(damaged),
    )


def _write(
    folder: Path,
    name: str,
    fitted: Sequence[Through],
    others: Sequence[NotFitted],
    content: Mapping[str, Any],
) -> None:
    made = Content(
        headlines=tuple(map(fits.headline, fitted)),
        setting=f"{plural(len(fitted), 'law')} through {name}. {fits.LOSS_NOTE}",
        cards=(),
        lead=fits.ranking(fitted),
        sections=tuple(fits.sections(fitted, others)),
        numbers=content,
        table=pl.DataFrame(),
    )
    closing = reproduce([shlex.join(["rote", *sys.argv[1:]])])
    write_page(folder / "fit.html", name=name, question=QUESTION, content=made, closing=closing)
    write_json(folder / "fit.json", content)


def _print(console: Console, through: Through) -> None:
    console.print(f"{through.name}: {through.fitted.formula}", style="bold", soft_wrap=True)
    shown = fits.constants(through)
    columns = [column for column in shown.columns if column.title != "meaning"]
    console.print(grid(replace(shown, columns=columns)))
    console.print(
        f"{fits.goodness(through.fitted)}. {fits.method(through.fitted)}.", soft_wrap=True
    )
    for warning in through.fitted.warnings:
        console.print(f"- {warning}", style="yellow", soft_wrap=True)
    console.print()
