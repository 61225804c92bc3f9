"""Define the commands that send runs to wandb, and create its workspaces and reports."""

from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rote.cli.arguments import LAUNCHED, Json, argument, flag, whole
from rote.cli.screen import print_json, screen
from rote.io.outputs import outputs_folder
from rote.io.read import require_no_damage

if TYPE_CHECKING:
    from rote.cluster.plan import Plan
    from rote.ledger.store import RunFolder
    from rote.tracking.session import Account
    from rote.tracking.uploading import Upload
    from rote.tracking.workspaces import Workspaces

PLACE = argument("save it there; needs wandb login", metavar="ENTITY/PROJECT")


def dashboard(
    name: Annotated[str | None, LAUNCHED] = None,
    /,
    *,
    kind: Annotated[str | None, argument("of report: another, or without a sweep")] = None,
    all_: Annotated[bool, flag("of every kind of report", name="--all")] = False,
    html: Annotated[bool, flag("from the runs here, as one file without wandb")] = False,
    print_: Annotated[bool, flag("the default; calls no server", name="--print")] = False,
    push: Annotated[str | None, PLACE] = None,
) -> int:
    """Prints the spec as JSON without calling a server, or with ``push`` saves it there.

    With ``all_`` the JSON has a spec for each kind; with ``html`` it writes
    outputs/dashboards/<name>/dashboard.html and prints the path.
    """
    if print_ + html + bool(push) > 1:
        raise ValueError("--print, --push and --html exclude each other; see rote dashboard --help")
    if all_ and (kind or html):
        raise ValueError("--all is without --kind and --html; see rote dashboard --help")
    if html:
        return _write_dashboard(name, kind)
    from rote.analysis.report import kinds

    made = {each: _workspaces(name, each, push) for each in (kinds() if all_ else [kind])}
    if not push:
        specs = {each: workspaces.specs() for each, workspaces in made.items()}
        print_json(specs if all_ else specs[kind])
        return 0
    for workspaces in made.values():
        for address in workspaces.push():
            screen().say(address)
    return 0


def _write_dashboard(name: str | None, kind: str | None) -> int:
    from rote.analysis.report import require_kind
    from rote.cli.progress import Bar
    from rote.gathering.dashboard import dashboard_page
    from rote.io.outputs import below
    from rote.io.write import require_writable, write_bytes

    if name is None:
        raise ValueError("--html draws the runs of a sweep: rote dashboard NAME --html")
    folder = below(require_writable(outputs_folder()) / "dashboards", "a sweep's name", name)
    with Bar() as progress:
        page = dashboard_page(name, require_kind(kind) if kind else None, progress)
    write_bytes(folder / "dashboard.html", page)
    screen().say(f"{folder / 'dashboard.html'}")
    return 0


def _workspaces(name: str | None, kind: str | None, push: str | None) -> "Workspaces":
    from rote.analysis.overviews import overview_of
    from rote.analysis.report import require_kind
    from rote.cluster.plan import load_plan
    from rote.tracking.workspaces import Workspaces

    if name is None and not kind:
        raise ValueError(
            "name a launched sweep, or a kind: rote dashboard --kind capacity, or --all"
        )
    outputs = outputs_folder()
    plan = None if name is None else load_plan(outputs, name)
    shown = require_kind(kind) if kind else (plan.report if plan else "")
    entity, _, project = push.partition("/") if push else ("", "", "")
    if push and (not entity or not project or "/" in project):
        raise ValueError(f"--push must be ENTITY/PROJECT, got {push!r}")
    account = account_of(plan)
    return Workspaces(
        overview_of(shown),
        entity=entity or account.entity,
        project=project or account.project,
        group=plan.name if plan else None,
        question=plan.question if plan else None,
        figures=_figures(outputs / "reports" / plan.name) if plan else [],
    )


def _figures(report: Path) -> list[str]:
    """Return the names of a report's figures; empty if it does not exist yet."""
    from rote.io.read import read_json
    from rote.io.shapes import anything, keyed, mapped

    try:
        manifest = read_json(report / "manifest.json", keyed({"figures": mapped(anything)}, {}))
    except FileNotFoundError:
        return []
    return list(manifest["figures"])


def account_of(plan: "Plan | None") -> "Account":
    """Return where a sweep's runs go: as its plan says, else as conf/log/offline.yaml does."""
    from rote.config.compose import Composer
    from rote.tracking.session import Account

    own = plan.points[0].spec.how["log"]["observers"] if plan else {}
    if "wandb" not in own:
        own = Composer().config(["log=offline"])["log"]["observers"]
    return Account.of(own["wandb"])


def require_wandb() -> None:
    """Raises ValueError where the environment turns wandb off."""
    from rote.tracking.session import allowed_mode

    if allowed_mode("online") == "disabled":
        raise ValueError("--wandb: WANDB_MODE or WANDB_DISABLED turns wandb off")


def log_report(plan: "Plan", folder: Path) -> str:
    """Log a sweep's report as a run beside its own, and return its id."""
    from rote.tracking import report_run
    from rote.tracking.session import allowed_mode

    account = account_of(plan)
    run_id = report_run.log_report(folder, account)
    mode = allowed_mode(account.mode)
    screen().print(f"wandb: run {run_id} in project {account.project} ({mode})")
    return run_id


def sync(
    name: Annotated[str | None, LAUNCHED] = None,
    /,
    *,
    dry_run: Annotated[bool, flag("list them, send nothing")] = False,
    jobs: Annotated[int, whole(1, 64, "runs at a time")] = 5,
    json: Json = False,
) -> int:
    """Prints how many logs were sent, failed or wait; returns 1 if one could not be sent.

    Raises ValueError for damaged runs and logs, once the others are sent.
    """
    from rote.tracking.uploading import FAILED, PENDING, send

    damaged: list[str] = []
    runs, reports = _folders(outputs_folder(), name)
    if not dry_run:
        _complete(runs, damaged)
    found = _offline_logs(runs, reports, damaged)
    if not dry_run:
        pending = [one for one in found if one.state == PENDING]
        settled = {one.path: one for one in send(pending, jobs=jobs)}
        found = [settled.get(one.path, one) for one in found]
    if json:
        print_json({"logs": [{**asdict(one), "path": str(one.path)} for one in found]})
    else:
        _print_uploads(found)
    require_no_damage(damaged)
    return int(any(one.state == FAILED for one in found))


def _folders(outputs: Path, name: str | None) -> "tuple[list[RunFolder], list[Path]]":
    """Return runs and reports of a sweep, or of all outputs; raises ValueError if it is unknown."""
    from rote.cluster.plan import load_plan
    from rote.ledger.store import Store

    store = Store(outputs)
    if name is None:
        return store.runs(), sorted((outputs / "reports").glob("*"))
    plan = load_plan(outputs, name)
    return [store.run(run_id) for run_id in plan.run_ids], [outputs / "reports" / plan.name]


def _offline_logs(
    runs: "list[RunFolder]", reports: list[Path], damaged: list[str]
) -> "list[Upload]":
    from rote.tracking.uploading import offline_logs

    places = [(run.path, run.is_claimed()) for run in runs] + [(path, False) for path in reports]
    found = []
    for path, is_running in places:
        try:
            found += offline_logs(path, is_running=is_running)
        except ValueError as error:
            damaged.append(str(error))
    return found


def _complete(runs: "list[RunFolder]", damaged: list[str]) -> None:
    """Add the numbers missing from logs of processes that died after their last step."""
    from rote.ledger.claim import RunIsTaken
    from rote.tracking.repair import repair

    for run in (run for run in runs if run.is_done() and not run.in_archive()):
        try:
            with suppress(RunIsTaken), run.claim():
                repair(run)
        except ValueError as error:
            damaged.append(str(error))


def _print_uploads(found: "list[Upload]") -> None:
    from rote.tracking.uploading import FAILED, PENDING

    console = screen()
    for one in found:
        if one.state == PENDING:
            console.say(f"pending: {one.path}")
        if one.state == FAILED:
            console.say(f"failed: {one.path}: {one.error}", style="red")
    counts = Counter(one.state for one in found)
    text = ", ".join(f"{number} {state}" for state, number in counts.items())
    console.print(f"{len(found)} offline logs: {text}" if found else "no offline logs")
