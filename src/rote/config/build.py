"""Objects from `_target_` nodes, with the constructor's own words where it refuses."""

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate


def build(config: Mapping[str, Any], **arguments: Any) -> Any:
    """Hydra's instantiate; a ValueError of the constructor passes through unwrapped.

    Lists and mappings reach constructors as plain ones: OmegaConf's would hide the methods of
    objects that were built inside of them.
    """
    try:
        return instantiate(dict(config), _convert_="object", **arguments)
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError):
            raise error.__cause__ from None
        raise ValueError(" ".join(str(error).split())) from error


def import_targets(config: Any) -> None:
    """Import each module that a ``_target_`` below here names; `build` tells of missing ones."""
    if isinstance(config, Mapping):
        if isinstance(target := config.get("_target_"), str):
            with suppress(ImportError):
                import_module(target.rpartition(".")[0])
        for value in config.values():
            import_targets(value)
