"""Which keys of a configuration are read: any other key would be shown and then have no effect."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rote.config.choices import near
from rote.ledger.spec import CONTROL, HOW, WHAT

TOP = (*WHAT, CONTROL, *HOW)
# Read by rote itself, not by the constructor that a `_target_` beside them names.
READ = (
    "seed", "optim.optimiser", "optim.schedule", "optim.clip_norm",
    "log.group", "log.question", "log.keep_weights", "log.observers",
)  # fmt: skip
# Read by models through interpolations; not every model reads all of them.
OF_SIZE = ("size.num_layers", "size.width", "size.num_heads", "size.mlp_ratio")


def require_known_keys(config: Mapping[str, Any], is_read: Callable[[str], bool]) -> None:
    """Raises ValueError for a key that nothing reads, and for one that rote reads and is missing.

    ``is_read`` says whether an interpolation reads a key.
    """
    unread = [key for key in config if key not in TOP]
    unread += [key for key in _without_constructor(config) if key not in (*TOP, *READ, *OF_SIZE)]
    for key in unread:
        if not is_read(key):
            hint = near(key, (*TOP, *READ, *OF_SIZE))
            raise ValueError(
                f"key {key!r} has no effect: rote does not know it, no interpolation refers to it, "
                f"and no _target_ stands above it.{hint}"
            )
    for key in (*TOP, *READ):
        tree: Any = config
        for part in key.split("."):
            if not isinstance(tree, Mapping) or part not in tree:
                raise ValueError(f"the configuration has no {key!r}, which rote reads")
            tree = tree[part]


def _without_constructor(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of the values that no `_target_` beside or above them takes."""
    if "_target_" in tree:
        return
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _without_constructor(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
