"""Carry out one job's share of a sweep, each run or stack of runs in a process of its own.

Several jobs, on several machines that share the outputs folder, may get the same run: a process
claims it through a lock that the operating system drops when the process dies.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rote.cluster.limits import cancel_waiting, spending_of_job
from rote.cluster.liveness import record_attempt, record_kill
from rote.cluster.preemption import CANCELLED, StopFlag, leave
from rote.cluster.process_pool import Killed, Outcome, ProcessPool, Specs
from rote.cluster.queue import QueueUnknown
from rote.config.trust import allow
from rote.core import provenance
from rote.core.own_modules import import_from
from rote.io.outputs import OUTPUTS_VARIABLE
from rote.io.read import Damaged
from rote.ledger.claim import RunIsTaken, require_lockable
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store

LOG = logging.getLogger(__name__)
WAIT_FOR_HELD_SECONDS = 60.0  # for a run that another process holds: a dying one releases it sooner
PAUSE_SECONDS = 2.0
FIRST_PORT, NUM_PORTS = 20_000, 12_000  # below the ports that systems assign automatically
MAX_RESTARTS_WITHOUT_STEP = 5  # after that, the time limit must be shorter than the start-up


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a worker receives: frozen specs, so that editing a YAML afterwards changes nothing."""

    stacks: tuple[Specs, ...]  # each is trained by one process
    outputs: str
    retry_failures: Mapping[str, float]  # run id -> time of a failure that is to be retried
    runs_at_once: int  # processes
    code: Mapping[str, str | None]  # of the launcher
    own_modules: tuple[str, ...] = ()  # folders of the user's modules, beside installed ones

    @property
    def specs(self) -> Specs:
        """Return all runs."""
        return tuple(spec for stack in self.stacks for spec in stack)


def work(assignment: Assignment) -> list[str]:
    """Run what is not finished, held or failed, and return the ids of the runs that failed here."""
    _allow(assignment.specs, assignment.own_modules)  # the launcher has checked them
    flag = StopFlag().install()
    os.environ[OUTPUTS_VARIABLE] = assignment.outputs  # prepared data are beside the runs
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    folder = Path(os.environ["SUBMITIT_FOLDER"])
    _compare_code(assignment.code)
    worker = _Worker(assignment, flag, folder)
    if int(os.environ.get("SLURM_NTASKS", 1)) > 1:
        worker.work_distributed()
    else:
        worker.work_alone()
    return worker.failed


def attempt(specs: Specs, assignment: Assignment, parent: int) -> Outcome:
    """Execute the runs of this process; if its parent dies, it stops as if signalled."""
    from rote.training.training_run import Interrupted

    _allow(specs, assignment.own_modules)  # a spawned process inherits nothing
    flag = StopFlag().install()

    def stop() -> bool:
        return flag.is_set() or os.getppid() != parent

    try:
        store, noted = Store(Path(assignment.outputs)), {"submitted_by": dict(assignment.code)}
        ended = _execute(specs, store, stop, noted)
    except Interrupted:
        return Outcome.INTERRUPTED
    for run_id, error in ended.items():
        LOG.error("run %s ended without a record", run_id, exc_info=error)
    return Outcome.FINISHED


def _execute(
    specs: Specs, store: Store, stop: Callable[[], bool], noted: Mapping[str, Any]
) -> dict[str, Exception]:
    """Train the specs, stacked if possible; return the errors of those without a record."""
    from rote.run.execute import execute, execute_together
    from rote.training.stack import CannotStack
    from rote.training.training_run import Interrupted

    if len(specs) > 1:
        try:
            return execute_together(specs, store, stop, noted)
        except CannotStack as reason:
            LOG.warning("%d runs train one after another: %s", len(specs), reason)
    ended: dict[str, Exception] = {}
    for spec in specs:
        try:
            execute(spec, store, stop=stop, noted=noted)
        except Interrupted:
            raise
        except Exception as error:
            ended[spec.run_id] = error
    return ended


class _Worker:
    """Works through runs until it has to stop."""

    def __init__(self, assignment: Assignment, flag: StopFlag, folder: Path) -> None:
        self.assignment = assignment
        self.flag = flag
        self.folder = folder
        self.store = Store(Path(assignment.outputs))
        self.spending = spending_of_job(folder, self.store)
        self.failed: list[str] = []
        self.interrupted = False  # another process may have received the only signal

    def work_alone(self) -> None:
        """Work through all runs, then retry for a while those that other jobs held."""
        make = partial(attempt, assignment=self.assignment, parent=os.getpid())
        pool = ProcessPool(self.assignment.runs_at_once, make)
        todo = deque(self.assignment.stacks)
        held: list[Specs] = []
        give_up_at = None
        while (todo or pool.running) and not self._must_stop():
            while todo and pool.free:
                self._start(todo.popleft(), pool, held)
            self._collect(pool, held)
            if held and not todo and not pool.running:
                give_up_at = give_up_at or time.monotonic() + WAIT_FOR_HELD_SECONDS
                if time.monotonic() > give_up_at:
                    LOG.warning("left to others: %s", [spec.run_id for (spec,) in held])
                    return
                time.sleep(PAUSE_SECONDS)
                todo.extend(held)
                held.clear()
        if self._must_stop():
            pool.terminate()
            while pool.running:
                self._collect(pool, held)
            self._leave()

    def _start(self, specs: Specs, pool: ProcessPool, held: list[Specs]) -> None:
        free = []
        for spec in specs:
            run = self.store.run(spec.run_id)
            if run.is_done() or self._has_failed(run):
                continue
            if run.is_claimed():
                held.append((spec,))
            elif self._is_begun(run, len(specs)):
                free.append(spec)
        if free:
            pool.start(tuple(free))

    def _collect(self, pool: ProcessPool, held: list[Specs]) -> None:
        for specs, outcome in pool.ended():
            for spec in specs:
                run = self.store.run(spec.run_id)
                if run.is_done():
                    continue
                if self._has_failed(run):
                    self.failed.append(spec.run_id)
                elif isinstance(outcome, Killed):
                    LOG.error("run %s: %s", spec.run_id, outcome)
                    record_kill(run, str(outcome))
                elif outcome is Outcome.FINISHED:
                    held.append((spec,))  # another process had it
                else:
                    self.interrupted = True

    def work_distributed(self) -> None:
        """Choose the runs in the first process; the other processes train along."""
        from rote.run.execute import assist
        from rote.training import distributed
        from rote.training.training_run import Interrupted

        _join_processes()
        if os.environ["SLURM_PROCID"] != "0":
            try:
                with suppress(Interrupted):
                    assist(self.flag.is_set)
            finally:
                distributed.leave()
            return
        for spec in self.assignment.specs:
            if not self._must_stop():
                self._run_distributed(spec)
        if not self.interrupted:  # else they were interrupted during training, too
            distributed.from_first(None)  # no run is left
            distributed.leave()
        if self._must_stop():
            self._leave()

    def _run_distributed(self, spec: Spec) -> None:
        from rote.run.execute import execute
        from rote.training.training_run import Diverged, Interrupted

        run = self.store.run(spec.run_id)
        if run.is_done() or self._has_failed(run) or run.is_claimed() or not self._is_begun(run):
            return
        noted = {"submitted_by": dict(self.assignment.code)}
        try:
            execute(spec, self.store, stop=self.flag.is_set, noted=noted)
        except Interrupted:
            self.interrupted = True
        except Diverged:
            self.failed.append(spec.run_id)  # on all ranks at once: they are ready for the next
        except RunIsTaken:
            LOG.warning("left to others: %s", spec.run_id)
        # Other errors are raised: the other processes are in the middle of a step and cannot go on.

    def _is_begun(self, run: RunFolder, stacked: int = 1) -> bool:
        """Record this attempt; a run whose folder is not writable does not stop other runs."""
        try:
            require_lockable(run.lock_path)
            record_attempt(run, self.folder, stacked)
        except (OSError, ValueError) as error:
            LOG.error("run %s cannot be taken up: %s", run.run_id, error)
            self.failed.append(run.run_id)
            with suppress(OSError, ValueError):
                run.fail(f"{type(error).__name__}: {error}", "", provenance.provenance())
            return False
        return True

    def _has_failed(self, run: RunFolder) -> bool:
        failure = run.failure()
        retry_failures = self.assignment.retry_failures.get(run.run_id)
        return failure is not None and failure["time_unix_seconds"] != retry_failures

    def _must_stop(self) -> bool:
        return self.interrupted or self.flag.is_set() or self.spending.is_over(self.failed)

    def _leave(self) -> None:
        if self.spending.reason and not self.flag.is_set():
            LOG.warning("the sweep stops: %s", self.spending.reason)
            (self.folder / CANCELLED).touch()  # jobs of this submission are not requeued
            try:
                cancel_waiting(self.folder.parents[1])
            except (QueueUnknown, Damaged) as error:  # those that wait leave once they start
                LOG.warning("jobs in the queue are not cancelled: %s", error)
            leave(self.folder)
        LOG.warning("%s: leaving at a step boundary", self.flag.signal_name or "another's")
        restarts = int(os.environ.get("SLURM_RESTART_COUNT", 0))
        if restarts >= MAX_RESTARTS_WITHOUT_STEP and self._made_no_progress():
            LOG.error(
                "%d lives without a step: is host.time_minutes enough to start?",
                MAX_RESTARTS_WITHOUT_STEP,
            )
            return
        leave(self.folder)

    def _made_no_progress(self) -> bool:
        runs = [self.store.run(spec.run_id) for spec in self.assignment.specs]
        return not any(run.is_done() or run.failure() or run.has_checkpoint() for run in runs)


def _allow(specs: Sequence[Spec], own_modules: Sequence[str]) -> None:
    allow([[spec.what, spec.how] for spec in specs])
    for folder in own_modules:
        import_from(Path(folder))


def _join_processes() -> None:
    """Join the other processes of this job; raises torch's error if one is missing."""
    import submitit

    from rote.training import distributed

    environment = submitit.JobEnvironment()
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", 0))
    distributed.join(
        rank=environment.global_rank,
        num_processes=environment.num_tasks,
        local_rank=environment.local_rank,
        node=environment.node,
        num_nodes=environment.num_nodes,
        master_host=environment.hostnames[0],
        # No two jobs on a node, and no two restarts of one job, should share a port.
        master_port=FIRST_PORT + (7 * int(os.environ["SLURM_JOB_ID"]) + restarts) % NUM_PORTS,
    )


def _compare_code(sent_by: Mapping[str, str | None]) -> None:
    here = provenance.code()
    if sent_by != here:
        LOG.warning("the code has changed since submission: sent by %s, run by %s", sent_by, here)
