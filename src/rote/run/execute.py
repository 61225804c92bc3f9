"""Execute frozen specs, alone or stacked, and write their records."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
from rote.training.finish.module import FinishModule
from rote.training.graphed import is_recorded
from rote.training.module import Phase, TrainingModule, fit
from rote.training.stack import CannotStack
from rote.training.stacked import StackedTrainingModule
from rote.training.training_run import CheckpointPolicy, Diverged, Interrupted, OnEnd, TrainingRun

NOTHING: Mapping[str, Any] = MappingProxyType({})


def never() -> bool:
    """Return False: nobody asks the run to stop."""
    return False


def execute(
    spec: Spec,
    store: Store,
    observers: Iterable[Observer] = (),
    stop: Callable[[], bool] = never,
    noted: Mapping[str, Any] = NOTHING,
) -> Record:
    """Run ``spec``, resume it after an interruption, or return its record at once if it is done.

    ``noted`` is added to circumstances.json.

    Raises the error that ended the run, after recording it in failure.json. Raises Interrupted,
    without recording, once ``stop()`` is true and a checkpoint is left; RunIsTaken if another
    process holds the run; ClaimLost, without recording, if another process took it while this one
    trained.
    """
    folder = store.run(spec.run_id)
    if folder.is_done():
        return folder.record()
    with folder.claim() as claim:
        if folder.is_done():  # finished by another process meanwhile
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
    """Run the optimiser's steps, then the second phase if the budget has one."""
    if run.progress.finish is None:
        _fit(_alone(run, spec), spec)
    if run.budget.finish:
        _fit(FinishModule([run], _raise, device_of(spec.how["host"]["accelerator"])), spec)


def _alone(run: TrainingRun, spec: Spec) -> TrainingModule | StackedTrainingModule:
    """Return the module for one run: a stack of one if its steps are recorded as CUDA graphs."""
    device = device_of(spec.how["host"]["accelerator"])
    if is_recorded(run.compile_mode, device) and distributed.num_processes() == 1:
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
    """Run specs of one shape as one stacked model; each gets its own record.

    Returns the errors of those without a record, also written to their failure.json, except
    RunIsTaken and ClaimLost: another process has these runs. Raises Interrupted when all have left
    checkpoints; raises CannotStack for specs that have to run one by one. Runs that resume from
    different steps train in one stack for each step.
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
    """Return a callback for a finished phase: the run waits for the next one, or is recorded."""

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
            for group in [runs] if is_second else _of_one_step(runs):
                if group:
                    _fit(phase(group, _leaver(sessions, ended), device), first)
    except (Interrupted, CannotStack):
        for session in sessions.values():
            session.pause()
        raise
    except Exception as error:
        if not sessions:  # all have records: nobody else would report the error
            raise
        for session in sessions.values():
            with _noted_in(session, ended):
                raise error


def _of_one_step(runs: Sequence[TrainingRun]) -> list[list[TrainingRun]]:
    groups: dict[tuple[int, bool], list[TrainingRun]] = {}
    for run in runs:
        groups.setdefault((run.progress.steps, run.resume is None), []).append(run)
    return list(groups.values())


@contextmanager
def _noted_in(session: RunSession, ended: dict[str, Exception]) -> Iterator[None]:
    """Record an exception as this session's end, and keep it from other sessions."""
    try:
        yield
    except ClaimLost as error:
        session.pause()
        ended[session.spec.run_id] = error
    except Exception as error:
        session.fail(error)
        ended[session.spec.run_id] = error


def assist(stop: Callable[[], bool] = never) -> None:
    """Train along with the process of rank 0, run after run, until it has no more.

    A run that diverges ends here as it does there; Interrupted is raised on all ranks at one step.
    """
    while (order := distributed.from_first(None)) is not None:
        spec, saved = order
        del order
        prepare_process(spec)
        run = make_training_run(
            spec,
            build(spec.what["task"]),
            on_row=lambda row: None,
            checkpointing=CheckpointPolicy(stop=stop),
            resume=saved,
        )
        del saved
        with suppress(Diverged):
            _fit(TrainingModule(run), spec)


def _fit(module: Phase, spec: Spec) -> None:
    host = spec.how["host"]
    fit(module, accelerator=host["accelerator"], strategy=host["strategy"])
