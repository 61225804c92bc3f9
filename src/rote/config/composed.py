"""Set values on what Hydra composed; what points of a grid have in common is resolved once.

A setting that an interpolation reads needs OmegaConf, which takes 5 ms. Such settings are resolved
once for all points that share them. Every other setting replaces a value on a copy of its group,
and points with equal settings of a group share that copy: nobody may change a configuration.
"""

import copy
import re
from collections.abc import Sequence
from functools import cache, reduce
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rote.config.grammar import plain_words
from rote.ledger.spec import flatten

REFERENCE = re.compile(r"\$\{(?:oc\.select:)?(?P<key>[a-zA-Z_][\w.]*)[,}]")  # an absolute reference
INTERPOLATION = "${"
Lines = tuple[str, ...]


def plain(config: DictConfig, *, resolve: bool = True) -> dict[str, Any]:
    """Return plain dictionaries and lists; raises OmegaConf's errors where a value is missing."""
    container: Any = OmegaConf.to_container(config, resolve=resolve, throw_on_missing=resolve)
    return {str(key): value for key, value in container.items()}


class Composed:
    """Choices of groups as Hydra composed them, and the configurations that settings make."""

    def __init__(self, config: DictConfig) -> None:
        self._config = config
        unresolved = plain(config, resolve=False)
        values = map(str, flatten(unresolved).values())
        self._texts = [text for text in values if INTERPOLATION in text]
        self._referred = _referred(self._texts)  # None: some interpolation is not understood here
        self._resolved = _resolved(config)  # None: it resolves only with further settings
        self.known = unresolved if self._resolved is None else self._resolved
        self.has_effect = cache(self._has_effect)
        self._settled: dict[Lines, dict[str, Any]] = {}
        self._groups: dict[tuple[Lines, Lines], Any] = {}

    def config(self, settings: Sequence[Override]) -> dict[str, Any]:
        """Return the resolved configuration; raises ValueError with one line.

        Points that set the same values in a group share the group: it is the same object.
        """
        first, rest = self._in_two(settings)
        lines = _lines(first)
        if lines not in self._settled:
            self._settled[lines] = self._settle(first)
        config = dict(self._settled[lines])
        by_group: dict[str, list[Override]] = {}
        for each in rest:
            by_group.setdefault(each.key_or_group.partition(".")[0], []).append(each)
        for name, chosen in by_group.items():
            key = (lines, _lines(chosen))
            if key not in self._groups:
                self._groups[key] = reduce(_with_setting, chosen, config)[name]
            config[name] = self._groups[key]
        return config

    def _has_effect(self, key: str) -> bool:
        """Return whether an interpolation reads ``key``, or may read it.

        An interpolation that is not understood may read each key of which it contains a part.
        """
        if self._referred is not None:
            return any(_overlap(key, each) for each in self._referred)
        return any(part in text for text in self._texts for part in key.split("."))

    def _in_two(self, settings: Sequence[Override]) -> tuple[list[Override], list[Override]]:
        """Return the settings that need resolving or that interpolations read, and the others.

        Where two settings overlap, both are among the first, because their order matters.
        """
        if (
            self._referred is None
            or self._resolved is None
            or any(INTERPOLATION in str(each.input_line) for each in settings)
        ):
            return list(settings), []
        read = [each.key_or_group for each in settings if self.has_effect(each.key_or_group)]
        first: list[Override] = []
        rest: list[Override] = []
        for each in settings:
            is_first = any(_overlap(each.key_or_group, key) for key in read)
            (first if is_first else rest).append(each)
        return first, rest

    def _settle(self, settings: Sequence[Override]) -> dict[str, Any]:
        if not settings and self._resolved is not None:
            return self._resolved
        config = copy.deepcopy(self._config)
        try:
            for override in settings:
                OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
            return plain(config)
        except OmegaConfBaseException as error:
            raise ValueError(plain_words(error)) from error


def _lines(settings: Sequence[Override]) -> Lines:
    return tuple([str(each.input_line) for each in settings])


def _overlap(one: str, other: str) -> bool:
    """Return whether a key is the other one, or inside of it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _with_setting(tree: dict[str, Any], override: Override) -> dict[str, Any]:
    return _with_value(tree, override.key_or_group.split("."), override.value())


def _with_value(tree: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return the tree with one value replaced; all that does not hold it is shared."""
    key, *rest = path
    held = tree[key]
    if rest:
        value = _with_value(held, rest, value)
    elif isinstance(value, dict) and isinstance(held, dict):
        for inner, item in value.items():
            held = _with_value(held, [inner], item)
        value = held
    return {**tree, key: value}


def _resolved(config: DictConfig) -> dict[str, Any] | None:
    """Resolve, or return None where a value is missing that a setting may still provide."""
    try:
        return plain(config)
    except OmegaConfBaseException:
        return None


def _referred(texts: Sequence[str]) -> frozenset[str] | None:
    """Return keys that interpolations read; None if one is relative or calls another resolver."""
    if any(INTERPOLATION in REFERENCE.sub("", text) for text in texts):
        return None
    return frozenset(found["key"] for text in texts for found in REFERENCE.finditer(text))
