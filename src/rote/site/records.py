"""Finished runs as read from disk, each read once as long as its files do not change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rote.cluster.plan import Point
from rote.cluster.status import RunState
from rote.ledger.record import Record
from rote.ledger.store import Store
from rote.site.catalogue import stamp


@dataclass(frozen=True, kw_only=True)
class FinishedRuns:
    """What a done run left, but for its arrays."""

    record: Record  # its `what` is the plan's own: ten thousand copies would fill the memory
    circumstances: Mapping[str, Any]


class Records:
    """By run."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._read: dict[str, tuple[str, FinishedRuns]] = {}

    def of_runs(
        self, runs: Iterable[tuple[Point, RunState]]
    ) -> tuple[dict[str, FinishedRuns], dict[str, str]]:
        """Of those that are done: what can be trusted, and why the others cannot, by run id."""
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

    def of_run(self, point: Point) -> FinishedRuns:
        """Raises DamagedRecord, or OSError and ValueError where circumstances.json is no such."""
        folder = self.store.run(point.run_id)
        seen = stamp([folder.record_path])
        if point.run_id not in self._read or self._read[point.run_id][0] != seen:
            record = replace(folder.record(), what=point.spec.what)
            finished = FinishedRuns(record=record, circumstances=folder.circumstances())
            self._read[point.run_id] = (seen, finished)
        return self._read[point.run_id][1]
