"""Launch a plan: send each run that is not done, not under way and not failed, once."""

import itertools
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

from filelock import FileLock, Timeout

from rote.cluster import queue
from rote.cluster.host import Launch, LaunchRequest, host_of
from rote.cluster.journal import SENT, Journal
from rote.cluster.liveness import SentJob, last_attempt, sent_jobs, unanswered
from rote.cluster.plan import Plan, Point, launched, plan_path, sweep_folder
from rote.cluster.preemption import CANCELLED
from rote.cluster.snapshot import (
    CODE,
    LIVE,
    SNAPSHOT,
    pack_snapshots,
    take_snapshot,
    unpack_snapshots,
)
from rote.cluster.status import Jobs, newest, states
from rote.cluster.submission import reconcile, take_back
from rote.config.choices import unknown
from rote.config.trust import remember, require_own
from rote.core.own_modules import folders_imported_from
from rote.io.read import Damaged
from rote.ledger.claim import require_lockable
from rote.ledger.spec import flatten
from rote.ledger.store import Store

MODES = ("cached", "retry", "repair", "force", "read-only")
LOCK_SECONDS = 300.0
ANSWER_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class SweepState:
    """The runs of a plan before a launch; each run is in one group."""

    done: tuple[Point, ...]
    under_way: tuple[Point, ...]
    failed: tuple[Point, ...]
    damaged: tuple[Point, ...]  # done, but unusable
    todo: tuple[Point, ...]


def launch(plan: Plan, outputs: Path, mode: str) -> Launch:
    """Send what ``mode`` allows and return at once; a second launch of the same plan sends nothing.

    cached: runs with neither record nor failure; retry: also failed runs; repair: also damaged
    runs, their old folders moved aside; force: all runs, old folders moved aside; read-only:
    nothing. Raises ValueError, also for a plan that names code which is not allowed here: it may
    come from a stranger.
    """
    require_mode(mode)
    _require_own_ids(plan)
    require_own(plan.specs, plan_path(outputs, plan.name))
    if mode == "read-only":
        return Launch((), 0, detached=True)
    remember(plan.specs)
    host = host_of(plan.host)
    with _alone(outputs, plan.name) as journal:
        jobs = _jobs(journal)
        stand = survey(plan, outputs, {each for job in jobs if job.is_live for each in job.run_ids})
        stand = _made_anew(plan, outputs, stand, mode)
        order = _order(plan, outputs, journal, stand, jobs, retry=mode == "retry")
        if order.todo and getattr(host, "code", LIVE) == SNAPSHOT:
            taken = take_snapshot(
                journal.folder / CODE, folders_imported_from(), _targets(order.todo)
            )
            order = replace(order, snapshot=taken)
        was_launched = plan.name in launched(outputs)
        path = plan.save(outputs)
        try:
            return host.launch(order) if order.todo else Launch((), 0, host.detached)
        except ValueError:
            if not was_launched and not any(one.state == SENT for one in journal.submissions()):
                path.unlink()
            raise


def require_mode(mode: str) -> None:
    """Raises ValueError with the choices for an unknown mode."""
    if mode not in MODES:
        raise unknown("mode", mode, MODES)


def survey(plan: Plan, outputs: Path, live: set[str]) -> SweepState:
    """Return the state of each point of a plan."""
    store = Store(outputs)
    places: dict[str, list[Point]] = {field.name: [] for field in fields(SweepState)}
    for point in plan.points:
        run = store.run(point.run_id)
        if run.is_done():
            place = "damaged" if run.damage() else "done"
        elif point.run_id in live or run.is_claimed():
            place = "under_way"
        else:
            place = "failed" if run.failure() else "todo"
        places[place].append(point)
    return SweepState(**{place: tuple(points) for place, points in places.items()})


def live_jobs(outputs: Path, name: str) -> list[SentJob]:
    """Return the jobs of a sweep that run or may run; raises QueueUnknown."""
    journal = Journal(sweep_folder(outputs, name))
    jobs = sent_jobs(journal.submissions(), timeout_seconds=ANSWER_SECONDS)
    return [job for job in jobs if job.is_live]


def pack_code(outputs: Path, name: str) -> int:
    """Pack the copies of the code of a sweep without jobs; return how many, 0 where jobs may be."""
    with _alone(outputs, name) as journal, suppress(queue.QueueUnknown):
        if not live_jobs(outputs, name):
            return pack_snapshots(journal.folder / CODE)
    return 0


def unpack_code(outputs: Path, name: str) -> tuple[int, list[str]]:
    """Unpack the copies of the code; return how many, and why others stay packed."""
    with _alone(outputs, name) as journal:
        return unpack_snapshots(journal.folder / CODE)


def cancel(outputs: Path, name: str) -> list[SentJob]:
    """End every job of a sweep, with checkpoints; return the jobs that were ended."""
    try:
        with _alone(outputs, name):
            jobs = live_jobs(outputs, name)
            for submission in {job.submission.uid: job.submission for job in jobs}.values():
                if submission.host == "slurm":
                    own = [job.job_id for job in jobs if job.submission is submission]
                    take_back(submission, own)
    except queue.QueueUnknown as error:
        raise ValueError(f"nothing was cancelled: {error}") from error
    for job in jobs:
        if job.submission.host != "slurm":
            (job.submission.folder / CANCELLED).touch()
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(int(job.job_id), signal.SIGTERM)  # it passes the signal on to the worker
    return jobs


def _targets(points: Iterable[Point]) -> set[str]:
    """Return the dotted names of what the runs build."""
    return {
        str(value)
        for point in points
        for key, value in flatten(point.spec.what).items()
        if key.rpartition(".")[2] == "_target_"
    }


@contextmanager
def _alone(outputs: Path, name: str) -> Iterator[Journal]:
    """Let one launcher at a time work on a sweep; the next one finds what the first has sent."""
    folder = sweep_folder(outputs, name)
    folder.mkdir(parents=True, exist_ok=True)
    require_lockable(folder / "lock")
    lock = FileLock(folder / "lock", timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(f"sweep {name!r} is being launched elsewhere") from error
    try:
        yield Journal(folder)
    finally:
        lock.release()


def _jobs(journal: Journal) -> list[SentJob]:
    """Return all jobs; requests with lost answers are resolved."""
    submissions = journal.submissions()
    try:
        for submission in unanswered(submissions):
            reconcile(journal, submission)
        return sent_jobs(submissions, timeout_seconds=ANSWER_SECONDS)
    except queue.QueueUnknown as error:
        raise ValueError(f"nothing was sent, since jobs may be under way: {error}") from error


def _order(
    plan: Plan,
    outputs: Path,
    journal: Journal,
    stand: SweepState,
    jobs: Sequence[SentJob],
    *,
    retry: bool,
) -> LaunchRequest:
    store = Store(outputs)
    again = stand.failed if retry else ()
    wanted = {point.run_id for point in (*stand.todo, *again)}
    failures = {point.run_id: store.run(point.run_id).failure() for point in again}
    return LaunchRequest(
        plan=plan,
        outputs=outputs,
        journal=journal,
        todo=tuple(point for point in plan.points if point.run_id in wanted),
        retry_failures={
            run_id: failure["time_unix_seconds"] for run_id, failure in failures.items() if failure
        },
        suspect=_suspect(replace(plan, points=stand.todo), store, jobs),
    )


def _suspect(plan: Plan, store: Store, jobs: Sequence[SentJob]) -> dict[str, int]:
    """Return the most runs of a stack for each run in which a worker may have died silently.

    Half of the runs that were in its process: a stack that has no memory has it in the end. Runs
    that were cancelled have left by themselves, and share jobs and stacks again.
    """
    lost = [one.run_id for one in states(plan, store, Jobs(newest(jobs))) if one.state == "lost"]
    found = {}
    for run in map(store.run, lost):
        with suppress(Damaged):
            if life := last_attempt(run):
                found[run.run_id] = max(1, life.get("stacked", 1) // 2)
    return found


def _made_anew(plan: Plan, outputs: Path, stand: SweepState, mode: str) -> SweepState:
    """Set aside runs that ``mode`` repeats and return the new state; raises ValueError."""
    if mode == "force":
        if stand.under_way:
            raise ValueError(f"{len(stand.under_way)} runs are under way: rote cancel {plan.name}")
        _set_aside(plan.points, outputs)
        return SweepState(done=(), under_way=(), failed=(), damaged=(), todo=plan.points)
    if mode == "repair":
        _set_aside(stand.damaged, outputs)
        return replace(stand, damaged=(), todo=(*stand.todo, *stand.damaged))
    return stand


def _set_aside(points: Sequence[Point], outputs: Path) -> None:
    """Rename the folders of runs to <id>.<n>; nothing is ever deleted; raises ValueError."""
    packed = sum(bool(Store(outputs).run(point.run_id).in_archive()) for point in points)
    if packed:
        raise ValueError(f"{packed} of these runs are archived: rote archive NAME --restore first")
    for point in points:
        folder = Store(outputs).run(point.run_id).path
        if os.path.lexists(folder):
            numbers = (folder.with_name(f"{folder.name}.{n}") for n in itertools.count(1))
            folder.rename(next(path for path in numbers if not os.path.lexists(path)))


def _require_own_ids(plan: Plan) -> None:
    for point in plan.points:
        if point.spec.run_id != point.run_id:
            raise ValueError(
                f"the plan of {plan.name!r} was changed: what it says of run {point.run_id} is run "
                f"{point.spec.run_id}; launch the sweep again"
            )


def wait_for_end(outputs: Path, name: str, *, limit_seconds: float) -> bool:
    """Return whether all processes of a cancelled sweep have ended within the limit."""
    deadline = time.monotonic() + limit_seconds
    while live_jobs(outputs, name):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
