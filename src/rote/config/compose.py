"""Overrides to a plain configuration: Hydra composes each choice of a group once.

Composing costs Hydra some 60 ms, parsing an override 0.3 ms; both are kept, parts that touch
different keys are put together here, and values are set on copies (0.1 ms a point), so that
thousands of points are planned in seconds. A key that no YAML names is refused, also with + before.
"""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rote.config.choices import unknown, unknown_key
from rote.config.places import conf_folder
from rote.config.rehearsal import rehearsed
from rote.config.trust import allow
from rote.ledger.spec import flatten

MAIN = "train"
REFERENCE = re.compile(r"\$\{(?:oc\.select:)?([\w.]+)[,}]")  # an interpolation in a YAML of conf


def parse(overrides: Sequence[str]) -> list[Override]:
    """Hydra's own grammar; raises ValueError with one line for what is not an override."""
    return [_parse_one(override) for override in overrides]


@lru_cache(maxsize=2**16)
def _parse_one(override: str) -> Override:
    try:
        return OverridesParser.create().parse_overrides([override])[0]
    except HydraException as error:
        raise ValueError(" ".join(str(error).split())) from error


def groups() -> dict[str, list[str]]:
    """Every configuration group (``optim``, ``optim/schedule``) with its choices."""
    root = conf_folder()
    folders = sorted(path for path in root.rglob("*") if path.is_dir())
    return {
        folder.relative_to(root).as_posix(): sorted(path.stem for path in folder.glob("*.yaml"))
        for folder in folders
    }


@dataclass(frozen=True)
class _Base:
    """One choice of groups: as Hydra composed it, resolved, and which keys others refer to."""

    config: DictConfig
    resolved: dict[str, Any]
    referred: frozenset[str]

    def is_referred(self, key: str) -> bool:
        """Whether setting ``key`` changes the value of another one."""
        inside = f"{key}."
        return any(f"{n}.".startswith(inside) or inside.startswith(f"{n}.") for n in self.referred)


class Composer:
    """Composes many points; keep one for a whole grid."""

    def __init__(self) -> None:
        self.groups = groups()
        self._bases: dict[tuple[str, ...], _Base] = {}
        self._parts: dict[tuple[str, ...], dict[str, Any]] = {}

    def config(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The fully resolved configuration; raises ValueError with one line.

        All code that it names is allowed in this process: the caller chose it.
        """
        config = rehearsed(self._resolved(overrides))
        allow(config)
        return config

    def _resolved(self, overrides: Sequence[str]) -> dict[str, Any]:
        parsed = parse(overrides)
        chosen = [override for override in parsed if self.is_choice(override)]
        base = self._base(tuple(self._checked_choice(override) for override in chosen))
        settings = [override for override in parsed if override not in chosen]
        for override in settings:
            self._check_setting(base, override)
        try:
            if any(base.is_referred(override.key_or_group) for override in settings):
                return _set_and_resolve(base.config, settings)
        except OmegaConfBaseException as error:
            raise ValueError(str(error).splitlines()[0]) from error
        resolved = copy.deepcopy(base.resolved)
        for override in settings:
            _set(resolved, override.key_or_group.split("."), override.value())
        return resolved

    def is_choice(self, override: Override) -> bool:
        """Whether it chooses a file of a group rather than sets a value."""
        return override.key_or_group in self.groups

    def _checked_choice(self, override: Override) -> str:
        value = override.value()
        for choice in value if isinstance(value, list) else [value]:
            if str(choice) not in self.groups[override.key_or_group]:
                choices = self.groups[override.key_or_group]
                raise unknown(override.key_or_group, str(choice), choices)
        return str(override.input_line).lstrip("+")

    def _base(self, choices: tuple[str, ...]) -> _Base:
        if choices not in self._bases:
            try:
                config = OmegaConf.create(self._put_together(choices))
                resolved = _plain(config, resolve=True)
                self._bases[choices] = _Base(config, resolved, _referred(config))
            except (HydraException, OmegaConfBaseException) as error:
                raise ValueError(" ".join(str(error).split())) from error
        return self._bases[choices]

    def _put_together(self, choices: tuple[str, ...]) -> dict[str, Any]:
        """What Hydra composes for ``choices``, from parts that it composed one by one.

        The parts are the choices below one top-level group. Where two of them change the same key
        (a file that reaches into another group), Hydra composes the whole.
        """
        plain = self._part(())
        whole, changed = dict(plain), set[str]()
        for part in _by_top_group(choices):
            config = self._part(part)
            keys = {key for key in [*plain, *config] if plain.get(key) != config.get(key)}
            if keys & changed or set(config) != set(plain):
                return self._part(choices)
            changed |= keys
            whole |= {key: config[key] for key in keys}
        return whole

    def _part(self, choices: tuple[str, ...]) -> dict[str, Any]:
        if choices not in self._parts:
            self._parts[choices] = _plain(_compose(list(choices)), resolve=False)
        return self._parts[choices]

    def _check_setting(self, base: _Base, override: Override) -> None:
        key = override.key_or_group
        if override.is_delete():
            raise ValueError(f"{override.input_line!r}: a key cannot be taken away")
        if override.is_sweep_override():
            raise ValueError(f"{override.input_line!r} gives several values: use -m or rote sweep")
        value = override.value()
        # A dictionary sets the keys inside it: each of them must be known.
        for name in flatten(value, f"{key}.") if isinstance(value, dict) else [key]:
            if not _has(base.resolved, name):
                raise unknown_key(name, [*flatten(base.resolved), *self.groups])


def _set_and_resolve(config: DictConfig, settings: Sequence[Override]) -> dict[str, Any]:
    config = copy.deepcopy(config)
    for override in settings:
        OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
    return _plain(config, resolve=True)


def _set(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *parents, leaf = path
    for parent in parents:
        tree = tree[parent]
    if isinstance(value, dict) and isinstance(tree[leaf], dict):
        tree[leaf] = tree[leaf] | value
    else:
        tree[leaf] = value


def _compose(choices: list[str]) -> DictConfig:
    if GlobalHydra.instance().is_initialized():  # inside `rote train`: Hydra is there already
        return compose(MAIN, overrides=choices)
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return compose(MAIN, overrides=choices)


def _by_top_group(choices: Sequence[str]) -> list[tuple[str, ...]]:
    tops: dict[str, list[str]] = {}
    for choice in choices:
        tops.setdefault(re.split("[/@=]", choice)[0], []).append(choice)
    return [tuple(part) for part in tops.values()]


def _has(tree: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def _plain(config: DictConfig, *, resolve: bool) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=resolve, throw_on_missing=resolve)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _referred(config: DictConfig) -> frozenset[str]:
    values = flatten(_plain(config, resolve=False)).values()
    return frozenset(name for value in values for name in REFERENCE.findall(str(value)))
