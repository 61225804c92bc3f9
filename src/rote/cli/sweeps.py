"""Define the commands that launch, cancel and pack the runs of a sweep."""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from rote.cli.arguments import Follow, Json, Launched, argument, flag, number, sweep_files, whole
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.cluster.plan import load_plan
from rote.io.outputs import outputs_folder
from rote.io.read import require_no_damage
from rote.ledger import packing
from rote.ledger.store import Store

Mode = Literal["cached", "retry", "repair", "force", "read-only"]
MODE = "retry: failures too, repair: damaged runs too, force: all anew, read-only: launch nothing"
Gpu = Literal["h100", "h200"]
GPU = "the GPU whose hours the bill has; the rates are an H100's, no others were measured"
SHOWN_RUNS = 5
FAILURES = "stop the whole sweep once so many of its runs have failed"
GPU_HOURS = "stop it once its jobs have had GPUs for so long, all together"


@Parameter(name="*")
@dataclass(frozen=True)
class LimitFlags:
    """Where a sweep stops by itself."""

    max_failures: Annotated[int | None, whole(1, 10**9, FAILURES)] = None
    max_gpu_hours: Annotated[float | None, number(GPU_HOURS)] = None


NO_LIMITS = LimitFlags()


def sweep(
    name: Annotated[str, argument("a file of sweeps/, without .yaml", completer=sweep_files)],
    /,
    *overrides: Annotated[str, argument("KEY=VALUE; for an axis: its new values")],
    dry_run: Annotated[bool, flag("check every point, print the bill")] = False,
    on: Annotated[Gpu | None, argument(GPU, converter=None)] = None,
    mode: Annotated[Mode, argument(MODE, converter=None)] = "cached",
    limits: LimitFlags = NO_LIMITS,
    follow: Follow = False,
    json: Json = False,
) -> int:
    """Plan, print the bill, launch and follow."""
    from rote.cli.launching import launch_sweep, renamed
    from rote.cluster.limits import Limits
    from rote.config.compose import OWN, Composer
    from rote.config.sweep import load_sweep, with_overrides

    changed = renamed(with_overrides(load_sweep(name), overrides), overrides, OWN)
    return launch_sweep(
        changed, Composer(), mode=mode, dry_run=dry_run, wait=follow, as_json=json,
        limits=Limits(**asdict(limits)), gpu=on,
    )  # fmt: skip


def resume(
    name: Launched, /, *, limits: LimitFlags = NO_LIMITS, follow: Follow = False, json: Json = False
) -> int:
    """Launch the frozen plan again: a second launch sends nothing."""
    return _launch_again(name, "cached", limits, follow=follow, json=json)


def retry(
    name: Launched, /, *, limits: LimitFlags = NO_LIMITS, follow: Follow = False, json: Json = False
) -> int:
    """Do as `resume`, and train failed runs again; a run that fails again is listed again."""
    return _launch_again(name, "retry", limits, follow=follow, json=json)


def repair(
    name: Launched, /, *, limits: LimitFlags = NO_LIMITS, follow: Follow = False, json: Json = False
) -> int:
    """Do as `resume`, and train damaged runs anew; their old folders are moved aside."""
    return _launch_again(name, "repair", limits, follow=follow, json=json)


def _launch_again(name: str, mode: str, limits: LimitFlags, *, follow: bool, json: bool) -> int:
    from rote.cli.launching import launch_again
    from rote.cluster.limits import Limits

    return launch_again(name, mode=mode, wait=follow, as_json=json, limits=Limits(**asdict(limits)))


def cancel(name: Launched, /, *, json: Json = False) -> int:
    """End the sweep's jobs; `rote resume` continues from there.

    Raises ValueError for runs that no known job trains.
    """
    from rote.cluster.launching import cancel

    outputs = outputs_folder()
    plan = load_plan(outputs, name)
    jobs = cancel(outputs, plan.name)
    if json:
        print_json({"name": plan.name, "cancelled_job_ids": [job.job_id for job in jobs]})
    screen().print(f"{plan.name}: {len(jobs)} jobs cancelled; rote resume {plan.name} goes on")
    ended = {run_id for job in jobs for run_id in job.run_ids}
    store = Store(outputs)
    left = [each for each in plan.run_ids if each not in ended and store.run(each).is_claimed()]
    if left:
        raise ValueError(
            f"{len(left)} runs ({', '.join(left[:SHOWN_RUNS])}) are trained by processes that "
            f"jobs.json of {plan.name!r} does not name: end those by hand, they keep checkpoints"
        )
    return 0


def archive(
    name: Launched,
    /,
    *,
    restore: Annotated[bool, flag("bring the folders back instead")] = False,
    json: Json = False,
) -> int:
    """Pack the folders of finished runs into shards of 1,000, which every command reads.

    Copies of the code that no job uses any more become one file each. Raises ValueError for what
    cannot be restored, once the rest is.
    """
    from rote.cluster.launching import pack_code, unpack_code

    outputs = outputs_folder()
    plan, store = load_plan(outputs, name), Store(outputs)
    with Bar() as progress:
        if restore:
            moved = packing.restore(store, plan.name, progress)
            num_copies, torn = unpack_code(outputs, plan.name)
        else:
            moved = packing.pack(store, plan.name, plan.run_ids, progress)
            num_copies, torn = pack_code(outputs, plan.name), []
    if json:
        print_json({"name": plan.name, "num_runs": moved.num_runs, "left": moved.left})
    console = screen()
    verb = "restored" if restore else "archived"
    console.print(f"{plan.name}: {moved.num_runs} runs {verb}, {len(moved.left)} left")
    if num_copies:
        console.print(f"{num_copies} copies of the code {verb}")
    if restore:
        require_no_damage([*moved.left, *torn])
    for line in moved.left[:SHOWN_RUNS]:
        console.say(f"  {line}")
    return 0
