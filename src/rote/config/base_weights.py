"""Fill in the digest of the weights that a model starts from; imports no torch."""

from collections.abc import Mapping
from typing import Any

from rote.io.outputs import outputs_folder
from rote.io.write import sha256_of_file
from rote.ledger.store import Store

RUN, DIGEST, BASE = "base_run", "base_sha256", "base"


def with_base_digest(model: Mapping[str, Any]) -> Mapping[str, Any]:
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
