"""Runs: from frozen specs to records."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from types import MappingProxyType
from typing import Any

from rote.config.build import build
from rote.ledger.claim import ClaimLost, RunIsTaken
from rote.ledger.record import Record
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.assembly import make_training_run
from rote.run.observers import Observer
from rote.run.session import RunSession, prepare_process
from rote.training import distributed
from rote.training.distributed import device_of
from rote.training.finish.module import FinishModule, OnEnd
from rote.training.graphed import GRAPH
from rote.training.module import Phase, TrainingModule, fit
from rote.training.stack import CannotStack
from rote.training.stacked import StackedTrainingModule
from rote.training.training_run import CheckpointPolicy, Diverged, Interrupted, TrainingRun

NOTHING: Mapping[str, Any] = MappingProxyType({})


def never() -> bool:
    """Nobody asks the run to stop."""
    return False


def execute(
    spec: Spec,
    store: Store,
    observers: Iterable[Observer] = (),
    stop: Callable[[], bool] = never,
    noted: Mapping[str, Any] = NOTHING,
) -> Record:
    """Run ``spec``, go on where it was interrupted, or return its record at once if it is done.

    ``noted`` goes into circumstances.json beside what is found out here.
    Raises what ended the run, after noting it in failure.json; Interrupted, noting nothing, once
    ``stop()`` is true and a checkpoint is left; RunIsTaken where another process is at it, and
    ClaimLost, noting nothing, where it came to be while this one trained.
    """
    folder = store.run(spec.run_id)
    if folder.is_done():
        return folder.record()
    with folder.claim() as claim:
        if folder.is_done():  # somebody finished it while we asked
            return folder.record()
        session = RunSession(spec, folder, observers, stop, noted, claim)
        try:
            _train(session.begin(), spec)
            return session.finish()
        except (Interrupted, ClaimLost):
            session.pause()
            raise
        except Exception as error:
            session.fail(error)
            raise


def _train(run: TrainingRun, spec: Spec) -> None:
    """The optimiser's steps, and the second phase where the budget has one."""
    if run.progress.finish is None:
        _fit(_alone(run, spec), spec)
    if run.budget.finish:
        _fit(FinishModule([run], _raise, device_of(spec.how["host"]["accelerator"])), spec)


def _alone(run: TrainingRun, spec: Spec) -> TrainingModule | StackedTrainingModule:
    """A stack of one where its steps are to be recorded, since stacks are made for that."""
    device = device_of(spec.how["host"]["accelerator"])
    if run.compile_mode == GRAPH and device.type == "cuda" and distributed.num_processes() == 1:
        with suppress(CannotStack):
            return StackedTrainingModule([run], _raise, device)
    return TrainingModule(run)


def _raise(_: TrainingRun, diverged: Diverged | None) -> None:
    if diverged:
        raise diverged


def execute_together(
    specs: Sequence[Spec],
    store: Store,
    stop: Callable[[], bool] = never,
    noted: Mapping[str, Any] = NOTHING,
) -> dict[str, Exception]:
    """Run specs of one shape as one stacked model; each gets a record of its own.

    Returns what ended those that have none, noted in their failure.json; RunIsTaken and ClaimLost,
    for those that another process is at, are not noted. Raises Interrupted when all have left
    checkpoints, and CannotStack, before anything is trained, for specs that have to run one by one.
    """
    ended: dict[str, Exception] = {}
    with ExitStack() as claims:
        sessions: dict[int, RunSession] = {}
        for spec in specs:
            folder = store.run(spec.run_id)
            try:
                claim = claims.enter_context(folder.claim())
            except RunIsTaken as error:
                ended[spec.run_id] = error
                continue
            if folder.is_done():
                continue
            session = RunSession(spec, folder, (), stop, {**noted, "stacked": len(specs)}, claim)
            with _noted_in(session, ended):
                sessions[id(session.begin())] = session
        _train_together(sessions, ended)
    return ended


def _leaver(sessions: dict[int, RunSession], ended: dict[str, Exception]) -> OnEnd:
    """What becomes of a run whose phase is over: it waits for the next one, or is recorded."""

    def on_end(run: TrainingRun, diverged: Diverged | None) -> None:
        session = sessions[id(run)]
        with _noted_in(session, ended):
            if run.budget.finish and run.progress.finish is None and not diverged:
                run.wait_for_finish()
                return
            del sessions[id(run)]
            if diverged:
                raise diverged
            session.finish()

    return on_end


def _train_together(sessions: dict[int, RunSession], ended: dict[str, Exception]) -> None:
    if not sessions:
        return
    first = next(iter(sessions.values())).spec
    device = device_of(first.how["host"]["accelerator"])
    try:
        for phase in (StackedTrainingModule, FinishModule):
            is_second = phase is FinishModule
            runs = [session.run for session in sessions.values()]
            runs = [one for one in runs if (one.progress.finish is not None) == is_second]
            if runs:
                _fit(phase(runs, _leaver(sessions, ended), device), first)
    except (Interrupted, CannotStack):
        for session in sessions.values():
            session.pause()
        raise
    except Exception as error:
        if not sessions:  # all have their records: nobody else would hear of it
            raise
        for session in sessions.values():
            with _noted_in(session, ended):
                raise error


class _noted_in(suppress):
    """What ends a session is noted, and no other session hears of it."""

    def __init__(self, session: RunSession, ended: dict[str, Exception]) -> None:
        super().__init__(Exception)
        self.session, self.ended = session, ended

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if isinstance(error, Exception):
            if isinstance(error, ClaimLost):
                self.session.pause()
            else:
                self.session.fail(error)
            self.ended[self.session.spec.run_id] = error
        return super().__exit__(kind, error, trace)


def assist(stop: Callable[[], bool] = never) -> None:
    """Train along with the process of rank 0, run after run, until it has no more.

    What diverges ends here as it does there; Interrupted is raised on all ranks at one step.
    """
    while (order := distributed.from_first(None)) is not None:
        spec, saved = order
        del order
        prepare_process(spec)
        checkpointing = CheckpointPolicy(
            save=lambda step, state: None, stop=stop, every_seconds=None
        )
        task = build(spec.what["task"])
        run = make_training_run(
            spec, task, on_row=lambda row: None, checkpointing=checkpointing, resume=saved
        )
        del saved
        with suppress(Diverged):
            _fit(TrainingModule(run), spec)


def _fit(module: Phase, spec: Spec) -> None:
    host = spec.how["host"]
    fit(module, accelerator=host["accelerator"], strategy=host["strategy"])
