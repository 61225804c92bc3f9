"""Plan a sweep, print its bill, launch it and follow it."""

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from rich import filesize
from rich.table import Table

from rote.analysis.report import require_kind
from rote.cli.progress import Bar
from rote.cli.screen import Screen, print_json, screen
from rote.cli.status import standing, summarise, watch
from rote.cluster.launching import cancel, launch, require_mode, wait_for_end
from rote.cluster.limits import Limits, reached
from rote.cluster.plan import Plan, load_plan, sweep_folder
from rote.cluster.planning import make_plan
from rote.cluster.snapshot import CODE
from rote.cluster.status import sweep_status
from rote.config.compose import Composer
from rote.config.grammar import parse
from rote.config.primary import Primary
from rote.config.sweep import Grid, Sweep, load_sweep, with_overrides
from rote.core.progress import Progress
from rote.io.outputs import outputs_folder
from rote.io.write import canonical_json, require_writable, sha256
from rote.ledger.store import Store
from rote.planner.bill import Bill
from rote.planner.formatting import duration
from rote.planner.sweep_bill import bill_json, make_bill
from rote.tasks.text.task import rehearsal

NO_LIMITS = Limits()
LAST_CHECKPOINT_SECONDS = 30.0
SHOWN_JOBS = 8
SHOWN_RUNS = 200  # of a bill: rich takes a millisecond a row; --json has them all
NUMBERS = ("parameters", "data bits", "bits/parameter", "max steps", "max FLOPs", "peak MiB")


def sweep_from_overrides(
    overrides: Sequence[str], primary: Primary, *, dry_run: bool = False
) -> int:
    """Launch Hydra's multirun: ``+sweep=NAME`` and overrides, or only axes such as ``key=a,b``.

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
    changed = renamed(with_overrides(sweep, rest, primary), rest, primary)
    failed = launch_sweep(changed, Composer(primary), dry_run=dry_run)
    if failed:
        raise SystemExit(failed)  # Hydra ignores a sweeper's return value
    return failed


def _one_name(chosen: Sequence[str]) -> str:
    parsed = parse(chosen)
    if len(parsed) > 1 or parsed[0].is_sweep_override():
        raise ValueError(f"one sweep at a time, got {' '.join(chosen)}")
    return str(parsed[0].value())


def renamed(sweep: Sweep, overrides: Sequence[str], primary: Primary) -> Sweep:
    """Rename a changed sweep, so that it never mixes with the one in the file."""
    how = ("host", "log")
    changes = sorted(word for word in overrides if not word.lstrip("+").startswith(how))
    changes += primary.changes
    if not changes:
        return sweep
    suffix = sha256(canonical_json(changes).encode())[:6]
    return dataclasses.replace(sweep, name=f"{sweep.name}-{suffix}")


def launch_sweep(
    sweep: Sweep,
    composer: Composer,
    *,
    mode: str = "cached",
    dry_run: bool = False,
    wait: bool = False,
    as_json: bool = False,
    limits: Limits = NO_LIMITS,
    gpu: str | None = None,
) -> int:
    """Plan the sweep, print the bill and launch what is not done; a dry run ends with the bill.

    ``gpu``: the kind of GPU whose hours the bill has; None: of all kinds.
    """
    console = screen()
    require_mode(mode)
    require_kind(sweep.report)
    outputs = outputs_folder() if dry_run else require_writable(outputs_folder())
    with Bar() as progress, rehearsal() if dry_run else nullcontext():
        plan, todo, bill = _planned(sweep, composer, Store(outputs), progress)
    bill = bill.on(gpu) if gpu else bill
    _print_bill(console, plan, bill, each=dry_run)
    if dry_run:
        if as_json:
            print_json(bill_json(plan, bill, todo))
        return 0
    if todo or mode in ("force", "repair"):
        code = _launch(console, plan, outputs, mode=mode, wait=wait, limits=limits)
    else:
        code = _all_done(console, plan, outputs)
    _print_standing(outputs, plan, as_json=as_json)
    return code


def cost_of(name: str, progress: Progress) -> str:
    """Return what the runs of a sweep file that are not done cost at most, in words."""
    with rehearsal():
        _, _, bill = _planned(load_sweep(name), Composer(), Store(outputs_folder()), progress)
    here = f"at most {duration(bill.seconds_here)} on this machine"
    return f"{here}, or {_gpu_hours(bill)} hours of one GPU" if bill.gpu_hours else here


def _planned(
    sweep: Sweep, composer: Composer, store: Store, progress: Progress
) -> tuple[Plan, list[int], Bill]:
    """Return the plan, the indices of its runs that are not done, and their bill."""
    plan, facts = make_plan(sweep, composer, progress)
    todo = [index for index, name in enumerate(plan.run_ids) if not store.run(name).is_done()]
    return plan, todo, make_bill(plan, facts, todo, store)


def launch_again(name: str, *, mode: str, wait: bool, as_json: bool, limits: Limits) -> int:
    """Launch a frozen plan again, without reading YAML."""
    outputs = outputs_folder()
    plan = load_plan(outputs, name)
    require_writable(outputs)
    code = _launch(screen(), plan, outputs, mode=mode, wait=wait, limits=limits)
    _print_standing(outputs, plan, as_json=as_json)
    return code


def _print_standing(outputs: Path, plan: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(standing(outputs, [plan], sweep_status(outputs, [plan.name])))


def _all_done(console: Screen, plan: Plan, outputs: Path) -> int:
    plan.save(outputs)
    if any(Store(outputs).run(run_id).damage() for run_id in plan.run_ids):
        return summarise(console, plan, outputs)
    console.print(f"all {len(plan.points)} runs are done: nothing to train")
    return 0


def _launch(
    console: Screen, plan: Plan, outputs: Path, *, mode: str, wait: bool, limits: Limits
) -> int:
    """Send the remaining runs; follow them if they run in this terminal or ``wait`` is set.

    Raises ValueError for a sweep that has reached a limit.
    """
    folder = sweep_folder(outputs, plan.name)
    limits.write(folder)
    if reason := reached(folder, Store(outputs)):
        raise ValueError(f"{plan.name} has stopped: {reason}; give a higher limit")
    launched = launch(plan, outputs, mode)
    if launched.job_ids:
        console.print(f"{launched.num_runs} runs in {_jobs(launched.job_ids)}")
        if (num_versions := len({path.stem for path in (folder / CODE).glob("[!.]*")})) > 1:
            console.print(f"version {num_versions} of the code in this sweep; each run records its")
    if launched.detached and not wait:
        if not launched.job_ids:
            return summarise(console, plan, outputs)
        console.print(f"rote status {plan.name} shows where they stand")
        return 0
    try:
        watch(console, plan, outputs, detached=launched.detached)
    except KeyboardInterrupt:
        if launched.job_ids and not launched.detached:
            cancel(outputs, plan.name)
            wait_for_end(outputs, plan.name, limit_seconds=LAST_CHECKPOINT_SECONDS)
        raise
    return summarise(console, plan, outputs)


def _jobs(job_ids: Sequence[str]) -> str:
    shown = ", ".join(job_ids[:SHOWN_JOBS])
    more = "" if len(job_ids) <= SHOWN_JOBS else f", ... {job_ids[-1]}"
    return f"{len(job_ids)} job{'s' if len(job_ids) > 1 else ''}: {shown}{more}"


def _print_bill(console: Screen, plan: Plan, bill: Bill, *, each: bool) -> None:
    """Print one line for the sweep; with ``each`` also one for every run."""
    console.say(f"{plan.name}: {plan.question}", style="bold")
    if each:
        console.print(_bill_table(plan.run_ids[:SHOWN_RUNS], bill))
        if (hidden := len(plan.points) - SHOWN_RUNS) > 0:
            console.print(f"and {hidden:,} more: --json lists all")
    console.print(
        f"{len(bill.lines)} runs, {bill.num_done} done before; at most {bill.flops:.2e} FLOPs, "
        f"{filesize.decimal(bill.max_memory_bytes)} of memory a process, "
        f"{duration(bill.seconds_here)} on this machine",
        highlight=False,
    )
    if bill.num_stacks < (num_left := len(bill.lines) - bill.num_done):
        console.print(f"{num_left} runs train as {bill.num_stacks} stacks", highlight=False)
    if num_left:
        mfu = f" (the H100 at an MFU of {100 * bill.h100_mfu:.2g} %)" if bill.h100_mfu else ""
        console.print(f"hours of one GPU, at most: {_gpu_hours(bill)}{mfu}", highlight=False)


def _gpu_hours(bill: Bill) -> str:
    return ", ".join(
        f"{_round(least)} to {_round(most)} {name}"
        for name, (least, most) in bill.gpu_hours.items()
    )


def _bill_table(run_ids: Sequence[str], bill: Bill) -> Table:
    table = Table(box=None, header_style="bold")
    for header in ("run", "point"):
        table.add_column(header, overflow="fold")
    for header in NUMBERS:
        table.add_column(header, justify="right")
    for run_id, line in zip(run_ids, bill.lines, strict=False):
        known = line.entropy_bits is not None
        table.add_row(
            run_id,
            line.label,
            f"{line.parameters:,}",
            f"{line.entropy_bits:,.0f}" if known else "unknown",
            f"{line.entropy_bits / line.parameters:.2f}" if line.entropy_bits else "unknown",
            f"{line.max_steps:,}",
            f"{line.flops:.2e}",
            f"{line.memory_bytes / 2**20:,.1f}",
        )
    return table


def _round(hours: float) -> str:
    """Round to two digits, the precision of the estimate."""
    return f"{float(f'{hours:.2g}'):,g}"
