"""Report the state of a sweep's runs from folders, journal and one query of the queue; no torch."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rote.cluster import queue
from rote.cluster.journal import Journal
from rote.cluster.liveness import GONE, SentJob, last_attempt, sent_jobs
from rote.cluster.plan import Plan, Point, sweep_folder
from rote.cluster.preemption import CANCELLED
from rote.config.names import short_names
from rote.core.forked import mapped
from rote.core.progress import no_progress
from rote.core.provenance import code_versions
from rote.io.read import Damaged, json_of, printable, read_end, require_inside
from rote.ledger.archive import read_bytes
from rote.ledger.curve import CIRCUMSTANCES, progress_text
from rote.ledger.spec import Spec, flatten, once_a_group
from rote.ledger.store import RunFolder, Store

# requeued: preempted or timed out, will resume; lost: its process or job ended silently; damaged:
# done, but unusable; waiting: never sent, or cancelled; unknown: the queue does not answer.
STATES = (
    "done", "running", "pending", "requeued", "failed", "lost", "damaged", "waiting", "unknown",
)  # fmt: skip
QUEUE_SECONDS = 5.0
TAIL_BYTES = 4096
MOST_VERSIONS = 10_000  # runs; those of 100,000 would take a third of the time of `rote status`


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The current state of one run."""

    run_id: str
    state: str  # one of STATES
    step: int
    max_steps: int
    progress_text: str = ""  # progress in the curve's last row
    steps_per_second: float | None = None  # while it runs
    reason: str | None = None  # of a failure or damage, or why it waits

    @property
    def eta_seconds(self) -> float | None:
        """Return the seconds left at most: a saturated run stops earlier."""
        if not self.steps_per_second:
            return None
        return (self.max_steps - self.step) / self.steps_per_second


@dataclass(frozen=True)
class Jobs:
    """The newest job of each run, and whether the queue answered."""

    by_run: Mapping[str, SentJob]
    known: bool = True
    damaged: tuple[str, ...] = ()  # why journals could not be read


def sweep_status(outputs: Path, names: Iterable[str]) -> Jobs:
    """Return all jobs of these sweeps from one query; without an answer, only local ones."""
    submissions, damaged = [], []
    for name in names:
        try:
            submissions += Journal(sweep_folder(outputs, name)).submissions()
        except Damaged as error:
            damaged.append(str(error))
    try:
        jobs, known = sent_jobs(submissions, timeout_seconds=QUEUE_SECONDS), True
    except queue.QueueUnknown:
        local = [submission for submission in submissions if submission.host != "slurm"]
        jobs, known = sent_jobs(local, timeout_seconds=QUEUE_SECONDS), False
    return Jobs(newest(jobs), known, tuple(damaged))


def states(plan: Plan, store: Store, jobs: Jobs) -> list[RunState]:
    """Return the state of every run, in the plan's order."""

    def state(point: Point) -> RunState:
        return _state(point, store.run(point.run_id), jobs)

    return [*mapped(state, plan.points, "reading states", no_progress)]


def trained_versions(plan: Plan, store: Store) -> str:
    """Return `code_versions` of the finished runs of a sweep that can be read.

    Files are not compared with their seals, which would take three times as long, and those of more
    than `MOST_VERSIONS` runs are not read: reports and the site do it in any case.
    """
    if len(plan.points) > MOST_VERSIONS:
        return ""

    def circumstances(run_id: str) -> dict[str, Any] | None:
        path = store.run(run_id).path / "circumstances.json"
        try:
            return dict(json_of(read_bytes(path), path, CIRCUMSTANCES))
        except (FileNotFoundError, ValueError):
            return None

    found = mapped(circumstances, plan.run_ids, "reading versions", no_progress)
    return code_versions(filter(None, found))


def count(runs: Sequence[RunState]) -> dict[str, int]:
    """Return how many runs are in each state."""
    tally = Counter(run.state for run in runs)
    return {state: tally[state] for state in STATES}


def labels(specs: Sequence[Spec], chosen: Iterable[int] | None = None) -> list[str]:
    """Return the settings that vary in the sweep, for each run or those at ``chosen`` places."""
    keys, rows = varying_keys(specs), once_a_group(_row)
    names = short_names(map(_noun, keys))

    def label(spec: Spec) -> str:
        row = {**rows(spec), "seed": spec.what["seed"]}
        words = [_in_words(key, row[key], names[_noun(key)]) for key in keys if key in row]
        return " ".join(words) or spec.run_id

    return [label(specs[place]) for place in (range(len(specs)) if chosen is None else chosen)]


def _row(spec: Spec) -> dict[str, Any]:
    return flatten(spec.what)


def varying_keys(specs: Sequence[Spec]) -> list[str]:
    """Return the keys with more than one value, in the order of the first spec."""
    found: set[str] = set()
    first = specs[0].what
    for spec in specs:
        _differences(first, spec.what, "", found)
    order = dict.fromkeys([*flatten(first), *sorted(found)])
    shown = found - _varying_with_class(specs, found)
    return [key for key in order if key in shown and _is_shown(key)]


def _varying_with_class(specs: Sequence[Spec], found: Set[str]) -> set[str]:
    """Return settings that are constant for each chosen class: the class name implies them."""
    classes = {key.removesuffix("_target_") for key in found if key.endswith("._target_")}
    classes = {prefix for prefix in classes if not prefix.startswith("control.")}
    seen: dict[tuple[str, str], set[str]] = {}
    inside = {key: prefix for key in found for prefix in classes if key.startswith(prefix)}
    if not inside:
        return set()
    rows = {id(row): row for row in map(once_a_group(_row), specs)}
    for row in rows.values():
        for key, prefix in inside.items():
            if key in row and not key.endswith("._target_"):
                seen.setdefault((key, row[f"{prefix}_target_"]), set()).add(str(row[key]))
    implied = {key for (key, _), values in seen.items() if len(values) == 1}
    return implied - {key for (key, _), values in seen.items() if len(values) > 1}


def tail(path: Path, num_lines: int, outputs: Path) -> list[str]:
    """Return the last lines of a log in ``outputs``, without blank lines and control characters.

    Empty without a file; raises Damaged if the path is outside ``outputs`` or not a regular file.
    """
    require_inside(outputs, path)
    try:
        text = printable(read_end(path, TAIL_BYTES).decode(errors="replace"))
    except FileNotFoundError:
        return []
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-num_lines:] if num_lines > 0 else []


def log_of(job: SentJob) -> Path:
    """Return the path of the error log of a job's first process."""
    return job.submission.folder / f"{job.job_id}_0_log.err"


def newest(jobs: Iterable[SentJob]) -> dict[str, SentJob]:
    """Return one job per run: live jobs win over ended ones, later over earlier ones."""
    newest: dict[str, SentJob] = {}
    for job in jobs:
        for run_id in job.run_ids:
            if job.is_live or run_id not in newest or not newest[run_id].is_live:
                newest[run_id] = job
    return newest


def _differences(
    one: Mapping[str, Any], other: Mapping[str, Any], prefix: str, found: set[str]
) -> None:
    """Collect differing keys; equal branches are skipped, because most of a sweep is equal."""
    if one == other:
        return
    for key in one.keys() | other.keys():
        here, there = one.get(key), other.get(key)
        if isinstance(here, Mapping) or isinstance(there, Mapping):
            _differences(_branch(here), _branch(there), f"{prefix}{key}.", found)
        elif here != there:
            found.add(f"{prefix}{key}")


def _branch(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_shown(key: str) -> bool:
    """Return whether a key adds information: a model implies its size, a format has a name."""
    group, _, name = key.partition(".")
    if group == "precision":
        return name == "name"
    return group != "model" or name == "_target_"


def _noun(key: str) -> str:
    """Return the key that names a setting: a class and a number format go by their group."""
    return "precision" if key == "precision.name" else key.removesuffix("._target_")


def _in_words(key: str, value: Any, name: str) -> str:
    """Return the text of one setting; a control is written as its name, then its settings."""
    group, _, rest = key.partition(".")
    is_class = key.endswith("._target_")
    if group == "control":
        return rest.removesuffix("._target_") if is_class else f"{rest}={value}"
    return f"{name}={str(value).rpartition('.')[2] if is_class else value}"


def _state(point: Point, folder: RunFolder, jobs: Jobs) -> RunState:
    max_steps = point.spec.longest
    if folder.is_done():
        damage = folder.damage()
        state = "damaged" if damage else "done"
        return RunState(
            run_id=point.run_id, state=state, step=max_steps, max_steps=max_steps, reason=damage
        )
    damaged: list[str] = []
    row = _read(folder.last_row, damaged)
    life = _read(partial(last_attempt, folder), damaged)
    if folder.is_claimed():
        state, reason = "running", None
    else:
        state, reason = _unclaimed(folder, life, jobs.by_run.get(point.run_id), jobs.known)
    step = row.get("step", 0)
    return RunState(
        run_id=point.run_id,
        state=state,
        step=step,
        max_steps=max_steps,
        progress_text=progress_text(row),
        steps_per_second=_speed(life, step) if state == "running" else None,
        reason="; ".join(filter(None, [reason, *damaged])) or None,
    )


def _read(read: Callable[[], dict[str, Any] | None], damaged: list[str]) -> dict[str, Any]:
    """Return the content of a file; if it is damaged, return nothing and append to ``damaged``."""
    try:
        return read() or {}
    except Damaged as error:
        damaged.append(str(error))
        return {}


def _unclaimed(
    folder: RunFolder, life: Mapping[str, Any], job: SentJob | None, known: bool
) -> tuple[str, str | None]:
    """Return state and reason of a run that no process holds."""
    failure = folder.failure()
    if "death" in life and not (job and _sent_after(job, life)):
        return "lost", life["death"]
    if job is not None and job.is_live and (failure is None or _sent_after(job, failure)):
        came_back = job.restarts and job.state != "RUNNING"
        return ("requeued" if came_back else "pending"), job.waits_for
    if failure:
        return "failed", failure["reason"]
    if job is None or _was_cancelled(job):
        return ("waiting" if known else "unknown"), None
    return "lost", f"its job {job.job_id} {'ended' if job.state == GONE else job.state}"


def _was_cancelled(job: SentJob) -> bool:
    """A task of an array that is cancelled before its start is forgotten at once: it has no log."""
    forgotten = job.state == GONE and not log_of(job).exists()
    return forgotten or job.state == "CANCELLED" or (job.submission.folder / CANCELLED).exists()


def _sent_after(job: SentJob, event: Mapping[str, Any]) -> bool:
    return bool(job.submission.time_unix_seconds > event["time_unix_seconds"])


def _speed(life: Mapping[str, Any], step: int) -> float | None:
    if not life or step <= life["step"]:
        return None
    return float((step - life["step"]) / max(1e-9, time.time() - life["time_unix_seconds"]))
