"""A run's specification: plain, resolved, frozen; its digest is the run's name."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rote.files import canonical_json, sha256

VERSION = 1  # raise it when the meaning of a key changes: every run id moves
WHAT = ("task", "model", "size", "optim", "budget", "precision", "measure", "seed")
HOW = ("host", "log")
ID_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What is run (its digest is the run id) and how (moves no id).

    Raises ValueError where a key is missing or unknown.
    """

    what: Mapping[str, Any]
    how: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name, given, wanted in (("what", self.what, WHAT), ("how", self.how, HOW)):
            if set(given) != set(wanted):
                raise ValueError(f"a spec's {name} holds {sorted(given)}, must hold {list(wanted)}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Spec":
        """From a fully resolved configuration; keys that are neither what nor how are left out."""
        return cls(
            what={key: copy.deepcopy(config[key]) for key in WHAT},
            how={key: copy.deepcopy(config[key]) for key in HOW},
        )

    @property
    def run_id(self) -> str:
        """16 hex digits of SHA-256 over everything that changes a result."""
        text = canonical_json({"version": VERSION, **_whole_numbers(dict(self.what))})
        return sha256(text.encode())[:ID_DIGITS]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted names, as on the command line; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _whole_numbers(value: Any) -> Any:
    """1.0 becomes 1, so that both spellings name one run; True stays True."""
    if isinstance(value, Mapping):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
