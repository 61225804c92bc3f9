"""Run each run of a job in its own process, so that one that dies does not affect others.

On Linux the processes are forked from one that has imported everything, so a short run pays
milliseconds, not the seconds that torch and Lightning take to import. The process that forks must
never touch CUDA: its children could not use a GPU then.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from rote.config.build import import_targets
from rote.ledger.spec import Spec

START = (
    multiprocessing.get_context("fork")
    if sys.platform == "linux"
    else multiprocessing.get_context("spawn")
)
Specs = tuple[Spec, ...]  # one run, or several that train as one stacked model

POLL_SECONDS = 0.2  # the delay until a signal is passed on


class Outcome(IntEnum):
    """The exit code of a process that ended by itself; run folders hold the results of its runs."""

    FINISHED = 0
    INTERRUPTED = 3


@dataclass(frozen=True)
class Killed:
    """A process that did not end by itself: its exit code, or minus the signal."""

    code: int

    def __str__(self) -> str:
        if self.code > 0:
            return f"its process ended with exit code {self.code}"
        name = signal.Signals(-self.code).name
        hint = ": often the end of the machine's memory" if name == "SIGKILL" else ""
        return f"its process was killed by {name}{hint}"


class ProcessPool:
    """At most ``places`` processes at a time; each performs one ``attempt`` and ends."""

    def __init__(self, places: int, attempt: Callable[[Specs], Outcome]) -> None:
        self.attempt = attempt
        self.free = list(range(places))  # where another run can start now
        self.running: dict[BaseProcess, tuple[Specs, int]] = {}

    def start(self, specs: Specs) -> None:
        """Start a process for the specs, on a place and the place's GPU."""
        import rote.run.execute  # noqa: F401  before the fork: a child finds it imported

        import_targets({"what": specs[0].what, "how": specs[0].how})
        place = self.free.pop(0)
        process = START.Process(target=_child, args=(self.attempt, specs, place))
        process.start()
        self.running[process] = (specs, place)

    def ended(self) -> Iterator[tuple[Specs, Outcome | Killed]]:
        """Yield the processes that have ended; wait a moment for the first."""
        wait([process.sentinel for process in self.running], timeout=POLL_SECONDS)
        for process in list(self.running):
            if process.exitcode is not None:
                specs, place = self.running.pop(process)
                self.free.append(place)
                known = process.exitcode in list(Outcome)
                yield specs, Outcome(process.exitcode) if known else Killed(process.exitcode)

    def terminate(self) -> None:
        """Signal all processes to stop; each leaves a checkpoint after its step."""
        for process in self.running:
            process.terminate()


def _child(attempt: Callable[[Specs], Outcome], specs: Specs, place: int) -> None:
    if gpus := os.environ.get("CUDA_VISIBLE_DEVICES"):
        names = gpus.split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = names[place % len(names)]
    raise SystemExit(attempt(specs))
