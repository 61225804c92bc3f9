"""`rote sweep`: plan, bill, launch, follow; and the same for Hydra's multirun."""

import argparse
import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from rote.analysis.report import require_kind
from rote.cli.bill import bill_told, make_bill, print_bill
from rote.cli.follow import summarise
from rote.cli.launching import launch_and_report
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.cli.status import standing
from rote.cluster.launching import require_mode
from rote.cluster.plan import Plan
from rote.cluster.planning import make_plan
from rote.cluster.status import sweep_status
from rote.config.compose import OWN, Composer
from rote.config.grammar import parse
from rote.config.primary import Primary
from rote.config.sweep import Grid, Sweep, load_sweep, with_overrides
from rote.io.outputs import outputs_folder
from rote.io.write import canonical_json, require_writable, sha256
from rote.ledger.store import Store
from rote.tasks.text.task import rehearsal


def run(arguments: argparse.Namespace) -> int:
    """The command line."""
    sweep = with_overrides(load_sweep(arguments.name), arguments.overrides)
    return _launch_sweep(
        _named(sweep, arguments.overrides, OWN),
        Composer(),
        mode=arguments.mode,
        dry_run=arguments.dry_run,
        wait=arguments.follow,
        as_json=arguments.json,
    )


def sweep_from_overrides(
    overrides: Sequence[str], primary: Primary, *, dry_run: bool = False
) -> int:
    """Hydra's multirun: ``+sweep=NAME`` and overrides, or axes given as ``key=a,b`` alone.

    Points are composed from ``primary``.
    """
    chosen = [word for word in overrides if word.lstrip("+").startswith("sweep=")]
    rest = [word for word in overrides if word not in chosen]
    if chosen:
        sweep = load_sweep(_one_name(chosen))
    else:
        sweep = Sweep(
            name="multirun", question="(from the command line)", report="capacity",
            fixed={}, grid=Grid(),
        )  # fmt: skip
    composer = Composer(primary)
    named = _named(with_overrides(sweep, rest, primary), rest, primary)
    failed = _launch_sweep(
        named, composer, mode="cached", dry_run=dry_run, wait=False, as_json=False
    )
    if failed:
        raise SystemExit(failed)  # Hydra drops what a sweeper returns
    return failed


def _one_name(chosen: Sequence[str]) -> str:
    parsed = parse(chosen)
    if len(parsed) > 1 or parsed[0].is_sweep_override():
        raise ValueError(f"one sweep at a time, got {' '.join(chosen)}")
    return str(parsed[0].value())


def _named(sweep: Sweep, overrides: Sequence[str], primary: Primary) -> Sweep:
    """A changed sweep gets a name of its own, so that it never mixes with the one in the file."""
    how = ("host", "log")
    changes = sorted(word for word in overrides if not word.lstrip("+").startswith(how))
    changes += primary.changes
    if not changes:
        return sweep
    suffix = sha256(canonical_json(changes).encode())[:6]
    return dataclasses.replace(sweep, name=f"{sweep.name}-{suffix}")


def _launch_sweep(
    sweep: Sweep, composer: Composer, *, mode: str, dry_run: bool, wait: bool, as_json: bool
) -> int:
    console = screen()
    require_mode(mode)
    require_kind(sweep.report)
    outputs = outputs_folder() if dry_run else require_writable(outputs_folder())
    with Bar() as show, rehearsal() if dry_run else nullcontext():
        plan, facts = make_plan(sweep, composer, show)
    store = Store(outputs)
    todo = [index for index, name in enumerate(plan.run_ids) if not store.run(name).is_done()]
    total = make_bill(plan, facts, todo, store)
    print_bill(console, plan, total, each=dry_run)
    if dry_run:
        if as_json:
            print_json(bill_told(plan, total, todo))
        return 0
    if todo or mode in ("force", "repair"):
        code = launch_and_report(console, plan, outputs, mode=mode, wait=wait)
    else:
        code = _all_done(console, plan, outputs)
    if as_json:
        print_json(standing(outputs, [plan], sweep_status(outputs, [plan.name])))
    return code


def _all_done(console: Console, plan: Plan, outputs: Path) -> int:
    plan.save(outputs)
    if any(Store(outputs).run(run_id).damage() for run_id in plan.run_ids):
        return summarise(console, plan, outputs)
    console.print(f"all {len(plan.points)} runs are done: nothing to train")
    return 0
