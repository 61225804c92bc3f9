"""Share the reading of very many small files between forked processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from rote.core.progress import Progress, with_progress

Item = TypeVar("Item")
Result = TypeVar("Result")
A_PART = 500  # items; below four parts, forking takes longer than it saves
MOST_PROCESSES = 8  # a login node is shared

_work: Callable[[int], list[Any]]  # of a forked process, which inherits it: it is never pickled


def mapped(
    function: Callable[[Item], Result], items: Sequence[Item], what: str, progress: Progress
) -> Iterator[Result]:
    """Yield ``function(item)`` in order; the results of forked processes are pickled.

    A process with several threads is not forked: a copy of it could wait for a lock for ever.
    Raises ChildProcessError if a forked process is killed.
    """
    starts = range(0, len(items), A_PART)
    cores = min(len(os.sched_getaffinity(0)), MOST_PROCESSES, len(starts))
    if len(starts) < 4 or cores == 1 or threading.active_count() > 1:
        yield from map(function, with_progress(items, what, progress))
        return

    def part(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + A_PART]]

    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(cores, context, _begin, (part,)) as pool:
        results = pool.map(_of_part, starts)
        try:
            for _ in with_progress(starts, what, progress):
                yield from next(results)
        except BrokenProcessPool:
            raise ChildProcessError(f"{what}: a process was killed; is memory short?") from None


def _begin(part: Callable[[int], list[Any]]) -> None:
    """Keep the work of a forked process, which leaves an interrupt to its parent."""
    global _work
    _work = part
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _of_part(start: int) -> list[Any]:
    return _work(start)
