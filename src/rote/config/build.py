"""Build objects from allowed `_target_` nodes, and check that every key of a configuration is read.

A key that nothing reads would be shown and have no effect.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate

from rote.config.choices import near
from rote.config.hydra_version import ALLOWED_BEFORE
from rote.config.trust import TARGET, named_code, require_allowed
from rote.ledger.spec import CONTROL, HOW, WHAT


def build(config: Mapping[str, Any], **arguments: Any) -> Any:
    """Call Hydra's instantiate; a ValueError of the constructor passes through unwrapped.

    Lists and mappings reach constructors as plain ones: OmegaConf's would hide the methods of
    objects that were built inside of them. Raises ValueError for a target that is not allowed,
    before anything is imported.
    """
    require_allowed([config, arguments])
    try:
        return instantiate(dict(config), _convert_="object", **ALLOWED_BEFORE, **arguments)
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError):
            raise error.__cause__ from None
        raise ValueError(" ".join(str(error).split())) from error
    except ValueError:
        raise
    except Exception as error:  # the constructor's own, which Hydra 1.4 does not wrap
        raise ValueError(f"error in call to target {config.get(TARGET)}: {error!r}") from error


def target_of(config: Mapping[str, Any]) -> Any:
    """Return the class or function that ``config`` names, without calling it.

    Raises ValueError where it is not allowed, and ImportError where it does not exist.
    """
    require_allowed(config)
    return get_object(config[TARGET])


def import_targets(config: Any) -> None:
    """Import each module that a ``_target_`` names; `build` reports those that are missing.

    Raises ValueError for a target that is not allowed, before anything is imported.
    """
    require_allowed(config)
    for key, value in named_code(config):
        if key == TARGET:
            with suppress(ImportError):
                import_module(value.rpartition(".")[0])


TOP = (*WHAT, CONTROL, *HOW)
# Read by rote itself, not by the constructor that a `_target_` beside them names.
READ = (
    "seed", "optim.optimiser", "optim.schedule", "optim.clip_norm",
    "log.group", "log.question", "log.keep_weights", "log.observers",
)  # fmt: skip
# Read as well, but a file of conf/log may lack them, as specs do that were frozen before them.
MAY_READ = ("log.look_at", "log.look_with")
# Read by models through interpolations; not every model reads all of them.
OF_SIZE = ("size.num_layers", "size.width", "size.num_heads", "size.mlp_ratio")


def require_known_keys(config: Mapping[str, Any], is_read: Callable[[str], bool]) -> None:
    """Raises ValueError for a key that nothing reads, and for a missing key that rote reads.

    ``is_read`` says whether an interpolation reads a key.
    """
    known = (*TOP, *READ, *MAY_READ, *OF_SIZE)
    unread = [key for key in config if key not in TOP]
    unread += [key for key in _without_constructor(config) if key not in known]
    for key in unread:
        if not is_read(key):
            hint = near(key, known)
            raise ValueError(
                f"key {key!r} has no effect: rote does not know it, no interpolation refers to it, "
                f"and no _target_ stands above it.{hint}"
            )
    if missing := next((key for key in (*TOP, *READ) if not has_key(config, key)), None):
        raise ValueError(f"the configuration has no {missing!r}, which rote reads")


def has_key(tree: Any, key: str) -> bool:
    """Return whether a nested mapping holds a dotted key."""
    for part in key.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True


def _without_constructor(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield dotted keys of the values that no `_target_` beside or above them takes."""
    if "_target_" in tree:
        return
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _without_constructor(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
