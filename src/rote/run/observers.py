"""Those who follow a run: a progress bar, a mirror in wandb. None of them can make it fail."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from rote.config.build import build
from rote.ledger.record import Record
from rote.ledger.spec import Spec

LOG = logging.getLogger(__name__)


class Observer(Protocol):
    """Somebody who follows a run; whatever it raises, the run goes on without it."""

    def start(self, spec: Spec, parameters: int, epoch_tokens: int) -> None:
        """Before the first step, or before the first since a checkpoint.

        ``epoch_tokens`` are those scored in one pass over the training set.
        """

    def row(self, row: dict[str, float]) -> None:
        """After each stride."""

    def finish(self, record: Record) -> None:
        """The record is on disk."""

    def pause(self) -> None:
        """The run stops here and goes on later."""

    def fail(self, reason: str) -> None:
        """The run ended without a record."""


class Observers:
    """Those who are still listening; one that raises is left behind, with a note."""

    def __init__(self, listening: Iterable[Observer]) -> None:
        self.listening = list(listening)

    def tell(self, event: str, *arguments: Any) -> None:
        """Pass an event on to everybody."""
        for observer in list(self.listening):
            try:
                getattr(observer, event)(*arguments)
            except Exception as error:
                self.listening.remove(observer)
                _note(type(observer).__name__, error)


def configured(configs: Mapping[str, Mapping[str, Any]], *, folder: str) -> list[Observer]:
    """Those that conf/log names; one that cannot be made is left out, with a note."""
    made: list[Observer] = []
    for name, config in configs.items():
        try:
            made.append(build(config, folder=folder))
        except Exception as error:
            _note(name, error)
    return made


def _note(name: str, error: Exception) -> None:
    LOG.warning("%s stopped following the run: %s", name, error)
