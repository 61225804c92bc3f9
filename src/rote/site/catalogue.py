"""List all sweeps and runs with their current states, and read finished runs, for every page.

Files are read again only when they change. Data are written as scripts, because a page opened as a
file may load a script but may not fetch.
"""

import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rote.analysis.results import FinishedRun
from rote.cluster.plan import Plan, Point, launched, plan_path, read_plan
from rote.cluster.status import Jobs, RunState, states, sweep_status
from rote.io.write import sha256
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store

SINGLE = "single-runs"  # runs of `rote train`, which belong to no sweep, shown as one
QUEUE_SECONDS = 5.0  # rarely, because the controller serves a whole cluster
SILENT_SECONDS = 60.0  # after no answer: else every page would wait for it again
STAMPED = ("record.json", "failure.json", "curve.jsonl", "worker.json", "circumstances.json")


@dataclass(frozen=True, kw_only=True)
class SweepEntry:
    """A sweep and its run states at one moment."""

    plan: Plan
    runs: tuple[RunState, ...]  # in the plan's order
    queue_is_known: bool


class Catalogue:
    """Everything below one outputs folder; unchanged files are read once."""

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self.store = Store(outputs)
        self.damaged: dict[str, str] = {}  # name -> why it is missing from the sweeps
        self._plans: dict[str, tuple[str, Plan]] = {}
        self._specs: dict[str, Spec] = {}
        self._jobs: tuple[float, tuple[str, ...], Jobs] = (float("-inf"), (), Jobs({}))

    def plans(self) -> dict[str, Plan]:
        """Return plans by name: launched sweeps, then one of the runs that belong to none."""
        self.damaged = {}
        found: dict[str, Plan] = {}
        for name in launched(self.outputs):
            try:
                found[name] = self._plan(name)
            except ValueError as error:
                self.damaged[name] = str(error)
        alone = self._alone({run_id for plan in found.values() for run_id in plan.run_ids})
        return found | ({SINGLE: alone} if alone.points else {})

    def sweep(self, plan: Plan, jobs: Jobs) -> SweepEntry:
        """Return a sweep with the current states of its runs."""
        runs = tuple(states(plan, self.store, jobs))
        return SweepEntry(plan=plan, runs=runs, queue_is_known=jobs.known)

    def jobs(self, names: Iterable[str]) -> Jobs:
        """Return the jobs of all sweeps from one query, repeated after a few seconds."""
        wanted = tuple(name for name in names if name != SINGLE)
        asked, known, jobs = self._jobs
        holds_seconds = QUEUE_SECONDS if jobs.known else SILENT_SECONDS
        if wanted != known or time.monotonic() - asked > holds_seconds:
            jobs = sweep_status(self.outputs, wanted)
            self._jobs = (time.monotonic(), wanted, jobs)
        self.damaged |= {reason: reason for reason in jobs.damaged}
        return jobs

    def _plan(self, name: str) -> Plan:
        path = plan_path(self.outputs, name)
        seen = stamp([path])
        if name not in self._plans or self._plans[name][0] != seen:
            self._plans[name] = (seen, read_plan(path))
        return self._plans[name][1]

    def _alone(self, planned: set[str]) -> Plan:
        points = [self._point(run) for run in self.store.runs() if run.run_id not in planned]
        question = "Runs that belong to no sweep"
        listed = tuple(point for point in points if point)
        plan = Plan(name=SINGLE, question=question, report="", points=listed)
        # The same object while its runs are the same: it may be requested every second.
        before = self._plans.get(SINGLE, ("", plan))[1]
        kept = before if before.points == plan.points else plan
        self._plans[SINGLE] = ("", kept)
        return kept

    def _point(self, folder: RunFolder) -> Point | None:
        if not os.path.lexists(folder.path / "spec.yaml"):
            return None
        try:
            if folder.run_id not in self._specs:
                self._specs[folder.run_id] = folder.spec()
        except ValueError as error:
            self.damaged[folder.run_id] = str(error)
            return None
        is_sound = folder.is_done() and not folder.damage()
        parameters = folder.record().parameters if is_sound else 0
        spec = self._specs[folder.run_id]
        return Point(run_id=folder.run_id, spec=spec, parameters=parameters, max_flops=0.0)


def by_run(sweeps: Mapping[str, SweepEntry]) -> dict[str, tuple[Point, RunState, list[str]]]:
    """Return every run once, with the sweeps that it belongs to."""
    found: dict[str, tuple[Point, RunState, list[str]]] = {}
    for name, sweep in sweeps.items():
        for point, state in zip(sweep.plan.points, sweep.runs, strict=True):
            found.setdefault(point.run_id, (point, state, []))[2].append(name)
    return found


def stamp(paths: Iterable[Path]) -> str:
    """Return a digest that changes with the time or size of one of these files; reads none."""
    return sha256("\n".join(map(_stamp_of, paths)).encode())


def stamp_of_run(folder: RunFolder) -> str:
    """Return the `stamp` of everything that a page shows of a run."""
    return stamp(folder.path / name for name in STAMPED)


def changed_at(path: Path) -> float | None:
    """Return the modification time in Unix seconds; None without such a file."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return None


def _stamp_of(path: Path) -> str:
    try:
        seen = path.stat()
    except OSError as error:
        return f"{path.name} - {error.errno}"
    return f"{path.name} {seen.st_mtime_ns} {seen.st_size}"


class Records:
    """Finished runs by id, read once while unchanged."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._read: dict[str, tuple[str, FinishedRun]] = {}

    def of_runs(
        self, runs: Iterable[tuple[Point, RunState]]
    ) -> tuple[dict[str, FinishedRun], dict[str, str]]:
        """Return, by run id, usable finished runs, and the reasons why the others are unusable."""
        finished, damaged = {}, {}
        for point, run in runs:
            if run.state == "damaged":
                damaged[point.run_id] = run.reason or ""
            if run.state != "done":
                continue
            try:
                finished[point.run_id] = self.of_run(point)
            except (OSError, ValueError) as error:
                damaged[point.run_id] = str(error)
        return finished, damaged

    def of_run(self, point: Point) -> FinishedRun:
        """Read one run; raises DamagedRecord, or OSError and ValueError for circumstances.json."""
        folder = self.store.run(point.run_id)
        seen = stamp([folder.record_path])
        if point.run_id not in self._read or self._read[point.run_id][0] != seen:
            # The plan's own `what`: ten thousand copies would fill the memory.
            record = replace(folder.record(), what=point.spec.what)
            self._read[point.run_id] = (seen, FinishedRun(record, folder.circumstances()))
        return self._read[point.run_id][1]


SIGNIFICANT_DIGITS = 7  # in tables and curves; records are shown in full


def script(name: str, value: Any) -> bytes:
    """Return a script that passes ``value`` to the page's waiter for ``name``.

    Data are scripts because a page that was opened as a file may load a script, but not fetch.
    Browsers parse JSON in a string faster than as a program (twice as fast for a megabyte).
    """
    text = json.dumps(json.dumps(value, separators=(",", ":"), allow_nan=False))
    return f"rote.take({json.dumps(name)}, {text});\n".encode()


def short(values: Iterable[Any]) -> list[Any]:
    """Round floats to seven digits; non-finite ones become null, because JSON lacks them."""
    return [_short(value) if isinstance(value, float) else value for value in values]


def _short(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
