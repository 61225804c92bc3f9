"""Define the spec of a run: plain, resolved, frozen; its digest is the run's id.

spec.yaml may come from a stranger, so reading limits its size and depth and refuses aliases.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rote.io.read import MOST_LEVELS, Damaged
from rote.io.shapes import anything, keyed, mapped, number, optional, text, tree, whole
from rote.io.write import canonical_json, sha256
from rote.ledger.archive import ID_DIGITS, read_bytes

VERSION = 1  # increase it when the meaning of a key changes: every run id changes
WHAT = ("task", "model", "size", "optim", "budget", "precision", "measure", "seed")
# Left out of digest and record if none is chosen, so that a run without controls keeps the id and
# files that it had before controls existed. The same holds for a budget's second phase.
CONTROL = "control"
FINISH = "finish"
HOW = ("host", "log")

Result = TypeVar("Result")
GROUP = mapped(anything)
# What is read of a spec before its parts are built; constructors check the rest.
SHAPE = keyed(
    {
        "what": keyed(
            {
                "task": keyed({}, {"num_sequences": number}),
                "model": GROUP,
                "size": GROUP,
                "optim": keyed(
                    {"optimiser": GROUP, "schedule": GROUP, "clip_norm": optional(number)}
                ),
                "budget": keyed(
                    {"max_steps": whole, "batch_size": whole, "check_every_steps": whole},
                    {FINISH: keyed({"max_evaluations": whole})},
                ),
                "precision": keyed({"name": text}),
                "measure": mapped(GROUP),
                "seed": whole,
            },
            {CONTROL: mapped(GROUP)},
        ),
        "how": keyed({"host": GROUP, "log": keyed({"observers": mapped(GROUP)})}),
    }
)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What is run (its digest is the run id), and how; raises ValueError for other keys."""

    what: Mapping[str, Any]
    how: Mapping[str, Any]

    def __post_init__(self) -> None:
        what = WHAT if CONTROL not in self.what else (*WHAT, CONTROL)
        for name, given, wanted in (("what", self.what, what), ("how", self.how, HOW)):
            if set(given) != set(wanted):
                raise ValueError(f"a spec's {name} holds {sorted(given)}, must hold {list(wanted)}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Spec":
        """Take what and how from a resolved configuration, without copies; leave out other keys."""
        what = (*WHAT, CONTROL) if config[CONTROL] else WHAT
        chosen = {key: config[key] for key in what}
        if not chosen["budget"].get(FINISH, True):
            chosen["budget"] = {k: v for k, v in chosen["budget"].items() if k != FINISH}
        return cls(what=chosen, how={key: config[key] for key in HOW})

    @property
    def controls(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the controls by name; most runs have none."""
        return dict(self.what[CONTROL]) if CONTROL in self.what else {}

    @property
    def longest(self) -> int:
        """Return the most optimiser steps, plus evaluations of a second phase, that it may take."""
        budget = self.what["budget"]
        return int(budget["max_steps"]) + int(budget.get(FINISH, {}).get("max_evaluations", 0))

    @property
    def batch_size(self) -> int:
        """Return the sequences of a step at most: a data set smaller than a batch is read whole."""
        asked = self.what["budget"]["batch_size"]
        return int(min(asked, self.what["task"].get("num_sequences", asked)))

    @property
    def run_id(self) -> str:
        """Return 16 hex digits of SHA-256 over everything that changes a result."""
        text = canonical_json({"version": VERSION, **_whole_numbers(dict(self.what))})
        return sha256(text.encode())[:ID_DIGITS]


def spec_of(plain: Any, place: str = "") -> Spec:
    """Build a spec from a file's content; raises ValueError naming a missing or wrong key."""
    SHAPE(plain, place)
    return Spec(what=plain["what"], how=plain["how"])


def once_a_group(of: Callable[[Spec], Result]) -> Callable[[Spec], Result]:
    """Return ``of``, called once for all specs that share their groups; ``of`` reads no seed."""
    known: dict[tuple[int, ...], tuple[Spec, Result]] = {}  # a spec is kept, so identities last

    def result(spec: Spec) -> Result:
        parts = (spec.what, spec.how)
        key = tuple([id(group) for part in parts for name, group in part.items() if name != "seed"])
        if key not in known:
            known[key] = spec, of(spec)
        return known[key][1]

    return result


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted names, as on the command line; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _whole_numbers(value: Any) -> Any:
    """Convert 1.0 to 1, so that both spellings give one run id; True stays True."""
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


MOST_BYTES = 1 << 20  # a spec has about 3 KiB
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_spec(path: Path) -> Spec:
    """Read a spec; raises ValueError naming the file if it is not a spec, or missing."""
    try:
        data = read_bytes(path, most_bytes=MOST_BYTES)
    except FileNotFoundError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    try:
        text = data.decode()
        _require_plain(text)
        plain = OmegaConf.to_container(OmegaConf.load(io.StringIO(text)))
        tree(plain, "")
        return spec_of(plain)
    except (OSError, TypeError, ValueError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise Damaged(path, error) from error
    except (RecursionError, OverflowError) as error:
        raise Damaged(path, f"it cannot be read as YAML ({error})") from error


def _require_plain(text: str) -> None:
    """Raises ValueError for deep nesting and for aliases, which may be circular or very large."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("aliases (*name) are not allowed in a spec")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_LEVELS:
            raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")
