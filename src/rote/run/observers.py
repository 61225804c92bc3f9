"""Notify observers of a run (a progress bar, a mirror in wandb); none can make it fail."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from rote.config.build import build
from rote.ledger.record import Record
from rote.ledger.spec import Spec

LOG = logging.getLogger(__name__)


class Observer(Protocol):
    """Follows a run; if it raises, the run continues without it."""

    def start(self, spec: Spec, parameters: int, epoch_tokens: int) -> None:
        """Called before the first step, or before the first one after a checkpoint.

        ``epoch_tokens`` is the number of tokens scored in one pass over the training set.
        """

    def row(self, row: dict[str, float]) -> None:
        """Called after each stride."""

    def finish(self, record: Record) -> None:
        """Called when the record is on disk."""

    def pause(self) -> None:
        """Called when the run stops here and will resume later."""

    def fail(self, reason: str) -> None:
        """Called when the run ended without a record."""


class Observers:
    """The active observers; one that raises is removed, with a warning."""

    def __init__(self, listening: Iterable[Observer]) -> None:
        self.listening = list(listening)

    def notify(self, event: str, *arguments: Any) -> None:
        """Pass an event on to all observers."""
        for observer in list(self.listening):
            try:
                getattr(observer, event)(*arguments)
            except Exception as error:
                self.listening.remove(observer)
                _note(type(observer).__name__, error)


def configured(configs: Mapping[str, Mapping[str, Any]], *, folder: str) -> list[Observer]:
    """Build the observers that conf/log names; one that fails is left out, with a warning.

    They are named there, not imported: this package knows no wandb.
    """
    made: list[Observer] = []
    for name, config in configs.items():
        try:
            made.append(build(config, folder=folder))
        except Exception as error:
            _note(name, error)
    return made


def _note(name: str, error: Exception) -> None:
    LOG.warning("%s stopped following the run: %s", name, error)
