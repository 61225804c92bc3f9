"""Resolve data-dependent configuration before the run id is computed; no torch."""

from collections.abc import Mapping
from typing import Any

from rote.config.build import build, target_of
from rote.core.progress import Progress
from rote.io.outputs import outputs_folder
from rote.io.write import sha256_of_file
from rote.ledger.store import Store
from rote.tasks.protocol import Preparation, Prepares

RUN, DIGEST, BASE = "base_run", "base_sha256", "base"  # keys of a model


class DataResolver:
    """Prepares the data that tasks need; use one for a whole grid: equal work is done once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._known: dict[Preparation, Mapping[str, Any]] = {}

    def resolved(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Fill in the open keys of the configuration's task and model; raises ValueError."""
        model = _with_base_digest(config["model"])
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


def _with_base_digest(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the model's configuration with ``base_sha256``, if its ``base_run`` names a run.

    Raises ValueError where that run is not done, is damaged, kept no weights or trained another
    model than ``base``, and where a given digest is not that of its weights.
    """
    if model.get(RUN) is None:
        return model
    name = f"model.{RUN}={model[RUN]}"
    folder = Store(outputs_folder()).run(str(model[RUN]))
    try:
        path = folder.kept_weights()
    except ValueError as error:
        raise ValueError(f"model.{RUN}: {error}") from error
    _require_same(name, folder.spec().what["model"], model[BASE])
    digest = sha256_of_file(path)
    if model[DIGEST] not in (None, digest):
        raise ValueError(f"{name}: its weights have changed: model.{DIGEST}={model[DIGEST]}")
    return {**model, DIGEST: digest}


def _require_same(name: str, trained: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    wanted = {key: value for key, value in base.items() if key != "_partial_"}
    for key in sorted(trained.keys() | wanted.keys()):
        if trained.get(key) != wanted.get(key):
            raise ValueError(
                f"{name}: that run's model has {key}={trained.get(key)}, model.base has "
                f"{wanted.get(key)}"
            )
