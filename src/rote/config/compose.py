"""Compose overrides into a plain configuration; Hydra composes each choice of a group once.

Hydra takes some 60 ms to compose and 0.3 ms to parse an override. Both results are cached; parts
that change different keys are merged here, and points of a grid share what they have in common
(`rote.config.composed`). A key that no YAML names is refused, also after a +.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rote.config.budget_scale import with_scaled_budget
from rote.config.build import has_key, require_known_keys
from rote.config.choices import own_place, unknown, unknown_key
from rote.config.composed import Composed, Lines, plain
from rote.config.folders import conf_folders
from rote.config.grammar import parse, plain_words
from rote.config.own_choices import own_contents, require_chosen, require_named_defaults
from rote.config.primary import MAIN, Primary
from rote.config.trust import allow_chosen
from rote.ledger.spec import flatten

OWN = Primary(MAIN)


class _Line(NamedTuple):
    """One override, checked, and the contents of the ./conf files that it chooses."""

    override: Override
    is_choice: bool
    own: list[Any]


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


class Composer:
    """Composes configurations; use one for all points of a grid, since it caches."""

    def __init__(self, primary: Primary = OWN) -> None:
        self.primary = primary
        self._choices: dict[str, list[str]] = {}
        self._read: dict[str, _Line] = {}
        self._checked: set[tuple[Lines, str]] = set()  # settings, with the choices they are for
        self._known: dict[Lines, Composed] = {}
        self._parts: dict[Lines, dict[str, Any]] = {}
        self._allowed: set[int] = set()  # identities of groups, which `Composed` keeps

    def config(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return the fully resolved configuration; raises ValueError with one line.

        Nobody may change it: configurations share their groups. All code that it names is allowed
        in this process, because the caller chose it.
        """
        lines = [self._line(text) for text in overrides]
        config = self._resolved(lines)
        new = [each for each in config.values() if id(each) not in self._allowed]
        allow_chosen([new, *(line.own for line in lines if line.own)])
        self._allowed |= {id(each) for each in new if isinstance(each, dict)}
        return with_scaled_budget(config)

    def require_chosen(self, overrides: Sequence[str], source: str) -> None:
        """Check the code that choices of ./conf name in a file, before `config` allows it.

        Raises ValueError naming ``source`` for code that the user has not chosen.
        """
        lines = [self._line(text) for text in overrides]
        own = [line for line in lines if line.own]
        if own:
            contents = [content for line in own for content in line.own]
            require_named_defaults(contents, source)
            words = " ".join(str(line.override.input_line) for line in own)
            require_chosen(self._resolved(lines), contents, source, words)

    def _line(self, text: str) -> _Line:
        if text not in self._read:
            (override,) = parse([text])
            _require_one_value(override)
            group = override.key_or_group
            is_choice = self.is_group(group)
            own = own_contents(group, override.value()) if is_choice else []
            self._read[text] = _Line(override, is_choice, own)
        return self._read[text]

    def _resolved(self, lines: Sequence[_Line]) -> dict[str, Any]:
        choices = tuple([str(line.override.input_line) for line in lines if line.is_choice])
        settings = [line.override for line in lines if not line.is_choice]
        if choices not in self._known:
            for line in lines:
                if line.is_choice:
                    self._check_choice(line.override)
        composed = self._composed(choices)
        for override in settings:
            checked = (choices, str(override.input_line))
            if checked not in self._checked:
                self._check_setting(composed, override)
                self._checked.add(checked)
        return composed.config(settings)

    def is_group(self, key: str) -> bool:
        """Return whether ``key`` is chosen from files, as ``optim`` is."""
        return bool(self._choices_of(key))

    def _choices_of(self, group: str) -> list[str]:
        if group not in self._choices:
            self._choices[group] = self.primary.choices(group)
        return self._choices[group]

    def _check_choice(self, override: Override) -> None:
        group, value = override.key_or_group, override.value()
        for choice in map(str, value if isinstance(value, list) else [value]):
            choices = self._choices_of(group)
            if choice not in choices:
                raise unknown(group, choice, choices, own=own_place(group, choice))
            _require_one_file(f"{group}={choice}", self.primary.files(group, choice))

    def _composed(self, choices: Lines) -> Composed:
        if choices not in self._known:
            try:
                composed = Composed(OmegaConf.create(self._put_together(choices)))
            except (HydraException, OmegaConfBaseException) as error:
                raise ValueError(plain_words(error)) from error
            require_known_keys(composed.known, composed.has_effect)
            self._known[choices] = composed
        return self._known[choices]

    def _put_together(self, choices: Lines) -> dict[str, Any]:
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

    def _part(self, choices: Lines) -> dict[str, Any]:
        if choices not in self._parts:
            self._parts[choices] = plain(self.primary.compose(choices), resolve=False)
        return self._parts[choices]

    def _check_setting(self, composed: Composed, override: Override) -> None:
        key, value = override.key_or_group, override.value()
        group = key.replace(".", "/")
        if isinstance(value, str) and self.is_group(group):
            raise ValueError(f"{key} is chosen from files: write {group}={value}")
        for name in _named(key, value):
            if not has_key(composed.known, name):
                raise unknown_key(name, [*flatten(composed.known), *groups()])
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


def _named(key: str, value: Any) -> Iterator[str]:
    """Yield the keys that are set: a dictionary sets the keys inside it."""
    if not isinstance(value, dict) or not value:
        yield key
        return
    for inner, item in value.items():
        if "." in str(inner):
            raise ValueError(f"{key}={{{inner}:...}}: write {key}.{inner}=... for a key inside")
        yield from _named(f"{key}.{inner}", item)


def _by_top_group(choices: Sequence[str]) -> list[Lines]:
    tops: dict[str, list[str]] = {}
    for choice in choices:
        tops.setdefault(re.split("[/@=]", choice.lstrip("+"))[0], []).append(choice)
    return [tuple(part) for part in tops.values()]
