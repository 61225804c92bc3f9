"""`rote compare`: two sweeps run by run."""

import argparse

from rich.table import Table

from rote.analysis.comparison import (
    Compared,
    Comparison,
    comparable,
    compare,
    comparison_json,
)
from rote.cli.gathering import gathered
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.files import write_json
from rote.outputs import outputs_folder


def run(arguments: argparse.Namespace) -> int:
    """Prints what differs and the paired differences; writes outputs/comparisons/<a>-<b>.json."""
    with Bar() as show:
        first, second = (gathered(name, show) for name in (arguments.first, arguments.second))
    names = (first[0].name, second[0].name)
    found = compare(names, comparable(first[1]), comparable(second[1]))
    path = outputs_folder() / "comparisons" / f"{names[0]}-{names[1]}.json"
    content = comparison_json(found)
    write_json(path, content)
    if arguments.json:
        print_json(content)
        return 0
    console = screen()
    for each in found.differing:
        console.print(f"{each.key}: {each.first} against {each.second}", soft_wrap=True)
    console.print(_pairs(found))
    console.print(_table(found))
    console.print(f"{path}")
    return 0


def _pairs(found: Comparison) -> str:
    matched = f"{found.num_pairs} runs match"
    left = (count - found.num_pairs for count in found.num_runs)
    told = [
        f"{each} of {name} do not" for each, name in zip(left, found.names, strict=True) if each
    ]
    return "; ".join([matched, *told])


def _table(found: Comparison) -> Table:
    table = Table()
    table.add_column("mean over pairs")
    for name in (*found.names, "difference", "95 %", "pairs"):
        table.add_column(name, justify="right")
    for each in found.compared:
        table.add_row(*_cells(each), style="bold" if each.is_told else "")
    return table


def _cells(each: Compared) -> list[str]:
    form = each.metric.form
    signed = form.replace("{:", "{:+")
    low, high = each.interval or (None, None)
    return [
        each.metric.title,
        form.format(each.first.mean()),
        form.format(each.second.mean()),
        signed.format(each.difference),
        "" if low is None else f"{signed.format(low)} to {signed.format(high)}",
        str(len(each.first)),
    ]
