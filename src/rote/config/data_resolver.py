"""Resolve data-dependent configuration before the run id is computed; no torch."""

from collections.abc import Mapping
from typing import Any

from rote.config.base_weights import with_base_digest
from rote.config.build import build, target_of
from rote.core.progress import Progress
from rote.tasks.preparation import Preparation, Prepares


class DataResolver:
    """Prepares what tasks ask for; keep one for a whole grid, since equal work is done once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._known: dict[Preparation, Mapping[str, Any]] = {}

    def resolved(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with open keys of its task and model filled in; raises ValueError."""
        model = with_base_digest(config["model"])
        return {**config, "task": self._resolved(config["task"]), "model": model}

    def _resolved(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Tasks inside of it first: one may have been made of others."""
        inner = {
            key: self._resolved(value) if isinstance(value, Mapping) else value
            for key, value in task.items()
        }
        if not _prepares(inner):
            return inner
        preparation = build(inner).preparation()
        if preparation not in self._known:
            self._known[preparation] = preparation(self._progress)
        return {**inner, **self._known[preparation]}


def _prepares(task: Mapping[str, Any]) -> bool:
    """Asked of the class: most tasks need not be built for it."""
    try:
        return issubclass(target_of(task), Prepares)
    except Exception:  # no such class, or not allowed: who builds the task says so
        return False
