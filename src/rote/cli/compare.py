"""`rote compare`: two sweeps run by run."""

import argparse

from rote.analysis.comparison import comparable, compare, comparison_json
from rote.analysis.comparison_page import pairs, summary, write_comparison
from rote.cli.damage import require_no_damage
from rote.cli.gathering import gathered, needs_columns
from rote.cli.progress import Bar
from rote.cli.screen import grid, print_json, screen
from rote.io.outputs import below, outputs_folder


def run(arguments: argparse.Namespace) -> int:
    """Prints what differs and the paired differences; writes outputs/comparisons/<a>-<b>/.

    Raises ValueError for runs that are damaged, once the others are compared.
    """
    with Bar() as show:
        first, second = (gathered(name, show) for name in (arguments.first, arguments.second))
    names = (first.plan.name, second.plan.name)
    with needs_columns(" and ".join(names)):
        found = compare(names, comparable(first.results), comparable(second.results))
    folder = below(outputs_folder() / "comparisons", "a comparison's name", "-".join(names))
    report = write_comparison(found, first.results, second.results, folder)
    if arguments.json:
        print_json(comparison_json(found))
    console = screen()
    for each in found.differing:
        console.print(f"{each.key}: {each.first} against {each.second}", soft_wrap=True)
    console.print(pairs(found))
    styles = ["bold" if each.difference.sign else "" for each in found.compared]
    console.print(grid(summary(found), styles=styles))
    console.print(f"{report.page}", soft_wrap=True)
    require_no_damage([*first.damaged, *second.damaged])
    return 0
