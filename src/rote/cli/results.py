"""Define the commands that turn finished runs into tables, reports, comparisons and the site."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rote.cli.arguments import CAPACITY, LAUNCHED, Json, Launched, argument, flag, whole
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.cli.wandb import log_report, require_wandb
from rote.io.outputs import below, outputs_folder
from rote.io.read import require_no_damage

if TYPE_CHECKING:
    import polars as pl

    from rote.analysis.report import Report
    from rote.analysis.results import Results
    from rote.cluster.plan import Plan

SOURCE = "wandb:ENTITY/PROJECT or wandb-offline:FOLDER, instead of the records on disk"
NETCDF = "netcdf"
Form = Literal["parquet", "csv", "arrow", "netcdf"]
FORM = "of the files, instead of the usual three"
COLLECTED = ("table.parquet", "table.csv", "curves.parquet")
KIND = "instead of the sweep's own, which for a grid of `rote train -m` is capacity"


def collect(
    name: Annotated[str, LAUNCHED],
    /,
    *,
    from_: Annotated[str | None, argument(SOURCE, name="--from", metavar="SOURCE")] = None,
    form: Annotated[Form | None, argument(FORM, name="--format", converter=None)] = None,
    json: Json = False,
) -> int:
    """Writes table.parquet, table.csv and curves.parquet into the sweep's folder.

    With a format, table and curves in it instead; netcdf: results.nc, the metrics by the sweep's
    axes. The table holds settings, stored sums, all columns that `rote.analysis.metrics` derives
    from them, and the sweep's axes. ``from_`` may hold a group of wandb that was not launched here.
    Raises ValueError for runs that are damaged, once the others are written.
    """
    from rote.analysis.results import curves_table, write_frame
    from rote.cluster.plan import launched, load_plan, sweep_folder
    from rote.gathering.runs import collected, sound_runs
    from rote.ledger.store import Store

    if form == NETCDF:
        return _collect_netcdf(name, from_=from_, as_json=json)
    outputs = outputs_folder()
    folder = sweep_folder(outputs, name)
    damaged: list[str] = []
    plan = load_plan(outputs, name) if not from_ or name in launched(outputs) else None
    with Bar() as progress:
        if from_:  # the runs of the plan, in its order; without a plan those of the group
            from rote.tracking.reading import read_back

            runs = read_back(from_, name, plan.run_ids if plan else None, progress)
            if not runs:
                raise ValueError(f"{from_} holds no finished run of {name!r}")
        else:
            assert plan is not None  # without a source the plan was loaded above
            runs, damaged = sound_runs(plan, Store(outputs), progress)
        table = collected(runs, plan)
        curves = {run.record.run_id: run.curve for run in runs}
    names = [f"table.{form}", f"curves.{form}"] if form else list(COLLECTED)
    for file in names:
        write_frame(table if file.startswith("table") else curves_table(curves), folder / file)
    if json:
        print_json(_table_json([folder / file for file in names], table, plan))
    counted = f"{table.height} of {len(plan.specs)} runs" if plan else f"{table.height} runs"
    files = ", ".join([f"{folder / names[0]}", *names[1:]])
    screen().say(f"{counted}, {table.width} columns: {files}")
    require_no_damage(damaged)
    return 0


def _table_json(
    files: Sequence[Path], table: "pl.DataFrame", plan: "Plan | None"
) -> dict[str, Any]:
    """Return the table's files and columns; missing runs are known only with a plan."""
    there = set(table["run_id"])
    return {
        **{file.name.replace(".", "_"): str(file) for file in files},
        "num_rows": table.height,
        "columns": table.columns,
        "missing_run_ids": [each for each in plan.run_ids if each not in there] if plan else None,
    }


def _collect_netcdf(name: str, *, from_: str | None, as_json: bool) -> int:
    """Write results.nc; raises ValueError for another source than the records on disk."""
    from rote.cluster.plan import sweep_folder
    from rote.gathering.sweep_results import SweepResults
    from rote.io.write import write_with

    if from_:
        raise ValueError("--format netcdf takes the records on disk, without --from")
    with Bar() as progress:
        made = SweepResults(name, progress).dataset()
    path = sweep_folder(outputs_folder(), name) / "results.nc"
    write_with(path, lambda place: made.to_netcdf(place, engine="h5netcdf"))
    if as_json:
        print_json({"results_nc": str(path), "axes": dict(made.sizes), "variables": [*made]})
    screen().say(f"{len(made)} metrics by {', '.join(map(str, made.sizes))}: {path}")
    return 0


def report(
    name: Annotated[str | None, LAUNCHED] = None,
    /,
    *,
    all_: Annotated[bool, flag("a site of all sweeps and runs instead", name="--all")] = False,
    kind: Annotated[str | None, argument(KIND)] = None,
    capacity_from: Annotated[str | None, CAPACITY] = None,
    wandb: Annotated[bool, flag("log it as a run beside its own")] = False,
    json: Json = False,
) -> int:
    """Writes outputs/reports/<name>/, or <name>-<kind>/ of another kind; with all, outputs/site/.

    Prints the headline; with wandb, logs the report as a run.
    Raises ValueError for runs that are damaged, once the others are reported.
    """
    if (name is None) != all_:
        raise ValueError("give a launched sweep, or --all for the site; see rote report --help")
    if wandb:
        require_wandb()
    if name is None:
        _build_site(as_json=json)
        return 0
    from rote.gathering.runs import gathered
    from rote.io.write import require_writable

    with Bar() as progress:
        plan, results, damaged = gathered(name, progress, capacity_from=capacity_from)
        require_writable(outputs_folder())
        written = _write_report(plan, kind, results)
    console = screen()
    if missing := len(plan.specs) - results.table.height:
        console.print(f"{missing} of {len(plan.specs)} runs are not in it", style="yellow")
    if results.code_versions:
        console.say(results.code_versions, style="yellow")
    for line in written.headlines:
        console.print(line)
    console.say(written.page)
    run_id = log_report(plan, written.folder) if wandb else None
    if json:
        print_json(_report_json(plan, results, written) | {"wandb_run_id": run_id})
    require_no_damage(damaged)
    return 0


def _build_site(*, as_json: bool) -> None:
    from rote.io.write import require_writable
    from rote.site.site import build_site

    with Bar() as progress:
        built = build_site(require_writable(outputs_folder()), progress)
    if as_json:
        print_json(asdict(built) | {"index": str(built.index)})
        return
    console = screen()
    for line in built.damaged:
        console.print(line, style="yellow")
    console.print(
        f"{built.num_sweeps} sweeps, {built.num_runs:,} runs; "
        f"{built.num_written} of {built.num_files} files are new or changed"
    )
    console.say(built.index)


def _write_report(plan: "Plan", other_kind: str | None, results: "Results") -> "Report":
    from rote.analysis.report import require_kind, write_report
    from rote.gathering.runs import needs_columns

    kind = require_kind(other_kind or plan.report)
    name = plan.name if kind == plan.report else f"{plan.name}-{kind}"
    folder = below(outputs_folder() / "reports", "a report's name", name)
    with needs_columns(plan.name):
        return write_report(
            kind=kind, name=plan.name, question=plan.question, results=results, folder=folder
        )


def _report_json(plan: "Plan", results: "Results", written: "Report") -> dict[str, Any]:
    return {
        "name": plan.name,
        "question": plan.question,
        "page": str(written.page),
        "manifest": str(written.folder / "manifest.json"),
        "num_runs": len(plan.specs),
        "num_done": results.table.height,
        "headlines": list(written.headlines),
        "numbers": dict(written.numbers),
    }


def compare(
    first: Launched,
    second: Annotated[str, argument("another, which shares points with it but for a setting")],
    /,
    *,
    json: Json = False,
) -> int:
    """Prints what differs and the paired differences; writes outputs/comparisons/<a>-<b>/.

    Raises ValueError for runs that are damaged, once the others are compared.
    """
    from rote.analysis.comparison import comparable, comparison_json
    from rote.analysis.comparison import compare as compare_results
    from rote.analysis.comparison_page import pairs, summary, write_comparison
    from rote.cli.screen import grid
    from rote.gathering.runs import gathered, needs_columns

    with Bar() as progress:
        one, other = (gathered(name, progress) for name in (first, second))
    names = (one.plan.name, other.plan.name)
    with needs_columns(" and ".join(names)):
        found = compare_results(names, comparable(one.results), comparable(other.results))
    folder = below(outputs_folder() / "comparisons", "a comparison's name", "-".join(names))
    written = write_comparison(found, one.results, other.results, folder)
    if json:
        print_json(comparison_json(found))
    console = screen()
    for each in found.differing:
        console.say(f"{each.key}: {each.first} against {each.second}")
    console.print(pairs(found))
    styles = ["bold" if each.difference.sign else "" for each in found.compared]
    console.print(grid(summary(found), styles=styles))
    console.say(written.page)
    require_no_damage([*one.damaged, *other.damaged])
    return 0


def serve(
    *,
    port: Annotated[int, whole(0, 65535, "0: a free one")] = 8421,
    open_: Annotated[bool, flag("open it in a browser", name="--open")] = False,
) -> int:
    """Answers until Ctrl-C. Raises ValueError where the port is taken."""
    import signal
    import threading

    from rote.gathering.api import Api
    from rote.site.server import Server, open_in_browser

    outputs = outputs_folder()
    if not outputs.is_dir():
        raise ValueError(f"there is no outputs folder {outputs}: rote sweep, or set ROTE_OUTPUTS")
    console = screen()
    with Server(outputs, port=port, api=Api(outputs)) as server:
        # No KeyboardInterrupt, which could interrupt the middle of a line.
        signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=server.shutdown).start())
        with Bar() as progress:  # the first look at many runs takes seconds; later ones reuse it
            progress("looking at all runs", 0, None)
            server.answers.look()
        console.say(f"{server.address}  ({outputs}; Ctrl-C ends it)")
        with open_in_browser(server.address, outputs) if open_ else nullcontext():
            server.serve_forever(poll_interval=0.1)
    console.print("ended")
    return 0
