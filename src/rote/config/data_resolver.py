"""Resolve data-dependent configuration before the run id is computed; no torch."""

from collections.abc import Mapping
from typing import Any

from rote.config.base_weights import with_base_digest
from rote.config.build import build, target_of
from rote.core.progress import Progress
from rote.tasks.protocol import Preparation, Prepares


class DataResolver:
    """Prepares the data that tasks need; use one for a whole grid: equal work is done once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._known: dict[Preparation, Mapping[str, Any]] = {}

    def resolved(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Fill in the open keys of the configuration's task and model; raises ValueError."""
        model = with_base_digest(config["model"])
        return {**config, "task": self._resolved(config["task"]), "model": model}

    def _resolved(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Resolve inner tasks first, because a task may be made of others."""
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
    """Check the class, since most tasks need not be built for this."""
    try:
        return issubclass(target_of(task), Prepares)
    except Exception:  # no such class, or not allowed: building the task reports it
        return False
