"""This module builds objects from `_target_` nodes that are allowed, and passes their errors on."""

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate

from rote.config.trust import TARGET, named_code, require_allowed


def build(config: Mapping[str, Any], **arguments: Any) -> Any:
    """Hydra's instantiate; a ValueError of the constructor passes through unwrapped.

    Lists and mappings reach constructors as plain ones: OmegaConf's would hide the methods of
    objects that were built inside of them. Raises ValueError for a target that is not allowed,
    before anything is imported.
    """
    require_allowed([config, arguments])
    try:
        return instantiate(dict(config), _convert_="object", **arguments)
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError):
            raise error.__cause__ from None
        raise ValueError(" ".join(str(error).split())) from error


def target_of(config: Mapping[str, Any]) -> Any:
    """The class or function that ``config`` names, not called.

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
