"""Compose overrides into a plain configuration; Hydra composes each choice of a group once.

Hydra takes some 60 ms to compose and 0.3 ms to parse an override. Both results are cached; parts
that change different keys are merged here, and values are set on copies (0.1 ms a point), so that
thousands of points are planned in seconds. A key that no YAML names is refused, also after a +.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rote.config.budget_scale import with_scaled_budget
from rote.config.build import require_known_keys
from rote.config.choices import own_place, unknown, unknown_key
from rote.config.folders import conf_folders
from rote.config.grammar import parse, plain_words
from rote.config.own_choices import own_contents, require_chosen, require_named_defaults
from rote.config.primary import MAIN, Primary
from rote.config.trust import allow_chosen
from rote.ledger.spec import flatten

REFERENCE = re.compile(r"\$\{(?:oc\.select:)?(?P<key>[a-zA-Z_][\w.]*)[,}]")  # an absolute reference
INTERPOLATION = "${"
ENVIRONMENT = re.compile(r"\$\{oc\.env:[^{}]*\}")  # reads no key
OWN = Primary(MAIN)


@dataclass(frozen=True)
class _Base:
    """One choice of groups as Hydra composed it, resolved, and the keys that others refer to."""

    config: DictConfig
    resolved: dict[str, Any] | None  # None: resolves only with further settings
    referred: frozenset[str] | None  # None: some interpolation is not understood here

    @property
    def known(self) -> dict[str, Any]:
        """The keys that can be set, with their values."""
        return plain(self.config, resolve=False) if self.resolved is None else self.resolved

    def is_referred(self, key: str) -> bool:
        """Return whether setting ``key`` may change the value of another one."""
        if self.referred is None:
            return True
        return self._is_named(key)

    def has_effect(self, key: str) -> bool:
        """Return whether an interpolation reads ``key``, or may read it.

        An interpolation that is not understood may read each key of which it contains a part.
        """
        if self.referred is not None:
            return self._is_named(key)
        values = flatten(plain(self.config, resolve=False)).values()
        texts = [value for value in map(str, values) if INTERPOLATION in value]
        return any(part in text for text in texts for part in key.split("."))

    def _is_named(self, key: str) -> bool:
        assert self.referred is not None  # callers have checked
        inside = f"{key}."
        return any(f"{n}.".startswith(inside) or inside.startswith(f"{n}.") for n in self.referred)


def groups() -> dict[str, list[str]]:
    """Return the configuration groups (``optim``, ``optim/schedule``) and their choices."""
    names = {
        folder.relative_to(root).as_posix()
        for root in conf_folders()
        for folder in root.rglob("*")
        if folder.is_dir()
    }
    found = {name: OWN.choices(name) for name in sorted(names)}
    return {name: choices for name, choices in found.items() if choices}


def plain(config: DictConfig, *, resolve: bool = True) -> dict[str, Any]:
    """Return plain dictionaries and lists; raises OmegaConf's errors where a value is missing."""
    container: Any = OmegaConf.to_container(config, resolve=resolve, throw_on_missing=resolve)
    return {str(key): value for key, value in container.items()}


class Composer:
    """Composes configurations; use one for all points of a grid, since it caches."""

    def __init__(self, primary: Primary = OWN) -> None:
        self.primary = primary
        self._choices: dict[str, list[str]] = {}
        self._checked: set[str] = set()
        self._own: dict[str, list[Any]] = {}
        self._bases: dict[tuple[str, ...], _Base] = {}
        self._parts: dict[tuple[str, ...], dict[str, Any]] = {}

    def config(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return the fully resolved configuration; raises ValueError with one line.

        All code that it names is allowed in this process, because the caller chose it.
        """
        config = with_scaled_budget(self._resolved(overrides))
        allow_chosen([config, *self._own_contents(overrides)])
        return config

    def require_chosen(self, overrides: Sequence[str], source: str) -> None:
        """Check the code that choices of ./conf name in a file, before `config` allows it.

        Raises ValueError naming ``source`` for code that the user has not chosen.
        """
        if contents := self._own_contents(overrides):
            require_named_defaults(contents, source)
            words = " ".join(line for line in overrides if self._own.get(line))
            require_chosen(self._resolved(overrides), contents, source, words)

    def _resolved(self, overrides: Sequence[str]) -> dict[str, Any]:
        parsed = parse(overrides)
        for override in parsed:
            _require_one_value(override)
        chosen = [override for override in parsed if self.is_choice(override)]
        base = self._base(tuple(self._checked_choice(override) for override in chosen))
        settings = [override for override in parsed if override not in chosen]
        for override in settings:
            self._check_setting(base, override)
        if base.resolved is None or any(_reaches_further(base, each) for each in settings):
            return _set_and_resolve(base.config, settings)
        resolved = copy.deepcopy(base.resolved)
        for override in settings:
            _set(resolved, override.key_or_group.split("."), override.value())
        return resolved

    def is_choice(self, override: Override) -> bool:
        """Return whether the override chooses a file of a group rather than sets a value."""
        return self.is_group(override.key_or_group)

    def is_group(self, key: str) -> bool:
        """Return whether ``key`` is chosen from files, as ``optim`` is."""
        return bool(self._choices_of(key))

    def _choices_of(self, group: str) -> list[str]:
        if group not in self._choices:
            self._choices[group] = self.primary.choices(group)
        return self._choices[group]

    def _own_contents(self, overrides: Sequence[str]) -> list[Any]:
        """Return the contents of the ./conf files that the overrides choose, usually none."""
        found: list[Any] = []
        for override in parse(overrides):
            line, group = str(override.input_line), override.key_or_group
            if line not in self._own:
                is_choice = self.is_choice(override)
                self._own[line] = own_contents(group, override.value()) if is_choice else []
            found += self._own[line]
        return found

    def _checked_choice(self, override: Override) -> str:
        line, group, value = str(override.input_line), override.key_or_group, override.value()
        if line in self._checked:
            return line
        for choice in map(str, value if isinstance(value, list) else [value]):
            choices = self._choices_of(group)
            if choice not in choices:
                raise unknown(group, choice, choices, own=own_place(group, choice))
            _require_one_file(f"{group}={choice}", self.primary.files(group, choice))
        self._checked.add(line)
        return line

    def _base(self, choices: tuple[str, ...]) -> _Base:
        if choices not in self._bases:
            try:
                config = OmegaConf.create(self._put_together(choices))
                base = _Base(config, _resolved(config), _referred(config))
            except (HydraException, OmegaConfBaseException) as error:
                raise ValueError(plain_words(error)) from error
            require_known_keys(base.known, base.has_effect)
            self._bases[choices] = base
        return self._bases[choices]

    def _put_together(self, choices: tuple[str, ...]) -> dict[str, Any]:
        """Merge what Hydra composes for ``choices``, from parts that it composed one by one.

        A part holds the choices below one top-level group. Where two parts change the same key (a
        file that reaches into another group), Hydra composes the whole.
        """
        own = self._part(())
        whole, changed = dict(own), set[str]()
        for part in _by_top_group(choices):
            config = self._part(part)
            keys = {key for key in [*own, *config] if own.get(key) != config.get(key)}
            if keys & changed or set(config) != set(own):
                return self._part(choices)
            changed |= keys
            whole |= {key: config[key] for key in keys}
        return whole

    def _part(self, choices: tuple[str, ...]) -> dict[str, Any]:
        if choices not in self._parts:
            self._parts[choices] = plain(self.primary.compose(choices), resolve=False)
        return self._parts[choices]

    def _check_setting(self, base: _Base, override: Override) -> None:
        key, value = override.key_or_group, override.value()
        group = key.replace(".", "/")
        if isinstance(value, str) and self.is_group(group):
            raise ValueError(f"{key} is chosen from files: write {group}={value}")
        for name in _named(key, value):
            if not _has(base.known, name):
                raise unknown_key(name, [*flatten(base.known), *groups()])
        if override.is_add() and not isinstance(value, dict | list):
            line = str(override.input_line).lstrip("+")
            raise ValueError(f"'+{line}': the key is there already: write {line} or ++{line}")


def _require_one_file(choice: str, files: Sequence[Path]) -> None:
    """Raises ValueError for two files that differ, of which Hydra would silently take the first."""
    other = next((path for path in files if path.read_bytes() != files[0].read_bytes()), None)
    if other is not None:
        raise ValueError(f"{choice} is {files[0]} and also {other}: rename the latter")


def _require_one_value(override: Override) -> None:
    line = override.input_line
    if override.is_delete():
        raise ValueError(f"{line!r}: a key cannot be taken away")
    if override.is_sweep_override():
        raise ValueError(f"{line!r} gives several values: use -m or rote sweep")


def _reaches_further(base: _Base, override: Override) -> bool:
    """Return whether setting it changes other keys, or its value needs resolving."""
    return INTERPOLATION in str(override.input_line) or base.is_referred(override.key_or_group)


def _named(key: str, value: Any) -> Iterator[str]:
    """Yield the keys that are set: a dictionary sets the keys inside it."""
    if not isinstance(value, dict) or not value:
        yield key
        return
    for inner, item in value.items():
        if "." in str(inner):
            raise ValueError(f"{key}={{{inner}:...}}: write {key}.{inner}=... for a key inside")
        yield from _named(f"{key}.{inner}", item)


def _set_and_resolve(config: DictConfig, settings: Sequence[Override]) -> dict[str, Any]:
    config = copy.deepcopy(config)
    try:
        for override in settings:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        return plain(config)
    except OmegaConfBaseException as error:
        raise ValueError(plain_words(error)) from error


def _set(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *parents, leaf = path
    for parent in parents:
        tree = tree[parent]
    if isinstance(value, dict) and isinstance(tree[leaf], dict):
        for key, item in value.items():
            _set(tree[leaf], [key], item)
    else:
        tree[leaf] = value


def _by_top_group(choices: Sequence[str]) -> list[tuple[str, ...]]:
    tops: dict[str, list[str]] = {}
    for choice in choices:
        tops.setdefault(re.split("[/@=]", choice.lstrip("+"))[0], []).append(choice)
    return [tuple(part) for part in tops.values()]


def _has(tree: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def _resolved(config: DictConfig) -> dict[str, Any] | None:
    """Resolve, or return None where a value is missing that a setting may still provide."""
    try:
        return plain(config)
    except OmegaConfBaseException:
        return None


def _referred(config: DictConfig) -> frozenset[str] | None:
    """Return keys that interpolations read; None if one is relative or calls another resolver."""
    flat = flatten(plain(config, resolve=False))
    values = [ENVIRONMENT.sub("", str(value)) for value in flat.values()]
    if any(INTERPOLATION in REFERENCE.sub("", value) for value in values):
        return None
    return frozenset(found["key"] for value in values for found in REFERENCE.finditer(value))
