"""Decide which code a configuration may name: only what an allowlist holds.

A configuration names code in three places: a ``_target_`` is called, a shell runs the lines of
``setup``, and the flags of ``extra_sbatch`` may set the environment of a job. An interpolation
reads the environment. Each of these is allowed where

- a file of conf/ or sweeps/ names it that lies beside the sources (rote's own, or one that was
added there) or in an installed package (entry point ``rote.conf``),
- ROTE_ALLOW or an entry point of the group ``rote.targets`` names it, or its package, or
- this process composed it from its own command line.

The user's state folder keeps a digest of what was composed, so that a later command accepts the
run or sweep that an earlier one made. A file from somebody else has no digest there.

./conf, ./sweeps and the modules of the current folder may be somebody else's: a user can enter a
folder that came in an archive. Their presence allows no code. A user who names a choice of ./conf
on the command line (``model=mine``) wants the code that it names, as with
``model._target_=mine.Mine``: nothing else can be meant, because ./conf cannot replace a choice of
rote's and holds no default. That code is allowed, and modules of the folder become importable
after everything installed. The pair of folder and code is remembered, so that a sweep file of this
folder may choose it later. A sweep file alone does not express that wish, because its name does not
say which code it runs. Nor does a spec or a plan, for which the folder's memory is not consulted:
this user must have composed exactly what they name, to the last key.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import entry_points
from inspect import isclass, isfunction, ismethod
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import get_object

from rote.config.folders import CONF, SWEEPS, conf_folder, packaged_folders, sweeps_folder
from rote.core.own_modules import import_from, is_importable, is_module_of
from rote.io.write import canonical_json, sha256
from rote.ledger.spec import Spec, once_a_group

ALLOW_VARIABLE = "ROTE_ALLOW"
ENTRY_POINTS = "rote.targets"
TARGET, INTERPOLATION = "_target_", "${"
RESOLVER = re.compile(r"\$\{(?!oc\.select:)[^{}]*:")  # a call; ${size.width} only reads a key
KEYS = (TARGET, "setup", "extra_sbatch")
Named = tuple[str, str]  # the key that names code, or INTERPOLATION, and its value

_composed: set[Named] = set()  # by this process; a global, as Hydra's own stores are


def allow(config: Any) -> None:
    """Allow all that ``config`` names in this process, which composed it."""
    _composed.update(named_code(config))


def allow_chosen(config: Any) -> None:
    """Allow all that ``config`` names: the user chose it on the command line of this process.

    Modules of the current folder that it names are importable from now on, and it is remembered
    that this user chose them in this folder.
    """
    new = set(named_code(config)) - _composed
    _composed.update(new)
    here = _of_current_folder(new)
    if here:
        import_from(Path.cwd())
        _note({_digest_here(named) for named in here})


def allow_chosen_before(config: Any) -> None:
    """Allow what ``config`` names of the current folder, if this user chose it here before."""
    here = _of_current_folder(set(named_code(config)) - _composed)
    remembered = _remembered() if here else frozenset()
    known = {named for named in here if _digest_here(named) in remembered}
    if known:
        import_from(Path.cwd())
        _composed.update(known)


def require_allowed(
    config: Any,
    source: object = "the configuration",
    remedy: str | None = None,
    *,
    allowed: set[Named] | None = None,
) -> None:
    """Raise ValueError naming ``source`` and the first thing in ``config`` that is not allowed.

    ``remedy`` tells a user who trusts code of the current folder what to do; default: ROTE_ALLOW.
    ``allowed`` collects what is allowed, for a caller that checks one configuration after another.
    """
    try:
        wrong = _first_other(config, set() if allowed is None else allowed, _is_allowed)
    except RecursionError as error:
        raise ValueError(f"{source} is nested too deeply") from error
    if wrong is not None:
        raise ValueError(_refusal(wrong, source, remedy))


def require_own(specs: Iterable[Spec], source: object) -> None:
    """Check specs that were read from a file, before anything of them is built.

    A spec that this user composed before is allowed in this process, unchanged. Raises
    ValueError naming ``source``.
    """
    allowed: set[Named] = set()
    remembered: frozenset[str] | None = None

    def refused(spec: Spec) -> ValueError | None:
        try:
            require_allowed([spec.what, spec.how], source, allowed=allowed)
        except ValueError as error:
            return error
        return None

    refused_once = once_a_group(refused)
    for spec in specs:
        if (error := refused_once(spec)) is not None:
            remembered = _remembered() if remembered is None else remembered
            if _digest(spec) not in remembered:
                raise error
            allow_chosen_before([spec.what, spec.how])
            allow([spec.what, spec.how])
            _require_importable(spec, source)


def remember(specs: Iterable[Spec]) -> None:
    """Record specs that this process composed, if they name more than is always allowed.

    A state folder that cannot be written to is no error: later commands then need ROTE_ALLOW.
    """
    standing: set[Named] = set()
    other = once_a_group(lambda spec: _first_other([spec.what, spec.how], standing, _is_standing))
    _note({_digest(spec) for spec in specs if other(spec) is not None} - {""})


def named_code(config: Any, key: str = "") -> Iterator[Named]:
    """Yield all code that a configuration names, at any depth; keys may be dotted as in sweeps."""
    if isinstance(config, Mapping):
        for name, value in config.items():
            yield from named_code(value, str(name).rpartition(".")[2])
    elif isinstance(config, list | tuple):
        for item in config:
            yield from named_code(item, key)
    elif key in KEYS and config is not None:
        yield key, str(config)
    elif isinstance(config, str) and INTERPOLATION in config:
        yield INTERPOLATION, config


def _first_other(config: Any, known: set[Named], is_fine: Callable[[Named], bool]) -> Named | None:
    """Return the first code that is not fine; ``known`` collects fine code, which grids repeat."""
    for named in named_code(config):
        if named not in known:
            if not is_fine(named):
                return named
            known.add(named)
    return None


def _is_allowed(named: Named) -> bool:
    return named in _composed or _is_standing(named)


def _is_standing(named: Named) -> bool:
    """Return whether it is allowed in every process of this user."""
    if _is_in_files(named):
        return True
    key, value = named
    return key == TARGET and any(_covers(name, value) for name in _registered())


def _is_in_files(named: Named) -> bool:
    """Return whether a file of rote's or of an installed package names it."""
    packaged = (*packaged_folders(CONF), *packaged_folders(SWEEPS))
    return any(named in _of_files(path) for path in (conf_folder(), sweeps_folder(), *packaged))


def _of_current_folder(names: Iterable[Named]) -> list[Named]:
    """Return targets whose module lies in the current folder alone, and calls of resolvers."""
    return [
        (key, value)
        for key, value in names
        if (key == INTERPOLATION and RESOLVER.search(value))
        or (key == TARGET and not _is_in_files((key, value)) and is_module_of(Path.cwd(), value))
    ]


def _require_importable(spec: Spec, source: object) -> None:
    for key, value in named_code([spec.what, spec.how]):
        if key == TARGET and not is_importable(value):
            raise ValueError(
                f"{source} names {TARGET}={value}, whose module is neither installed nor one that "
                f"you have chosen in this folder: go to the folder where it was composed"
            )


@cache
def _of_files(folder: Path) -> frozenset[Named]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: set[Named] = set()
    for path in folder.rglob("*.yaml"):
        with suppress(yaml.YAMLError, UnicodeDecodeError):  # composing it reports the error
            found.update(named_code(yaml.load(path.read_text(), Loader=loader)))
    return frozenset(named for named in found if named[0] != INTERPOLATION)


def _registered() -> list[str]:
    """Return modules, packages and classes that the user or an installed package allows."""
    from_environment = re.split(r"[\s,:]+", os.environ.get(ALLOW_VARIABLE, ""))
    return [name for name in (*from_environment, *_from_packages(tuple(sys.path))) if name]


@cache
def _from_packages(_: tuple[str, ...]) -> tuple[str, ...]:
    """Return what packages installed on this path register; the search takes some 20 ms."""
    return tuple(one.value.replace(":", ".") for one in entry_points(group=ENTRY_POINTS))


def _covers(name: str, target: str) -> bool:
    """Return whether ``target`` is ``name``, or a class or function that is defined in it.

    What a module only imports is not covered: ``mine.os.system`` is not defined in ``mine``.
    """
    if target == name:
        return True
    if not target.startswith(f"{name}."):
        return False
    try:
        found = get_object(target)
    except Exception:  # it does not exist: `build` reports that
        return True
    is_code = isclass(found) or isfunction(found) or ismethod(found)
    return is_code and f"{found.__module__}.".startswith(f"{name}.")


def _refusal(named: Named, source: object, remedy: str | None) -> str:
    key, value = named
    if key == TARGET:
        usual = f"set {ALLOW_VARIABLE}={value} or its package's name (docs/extending.md)"
        return (
            f"{source} names {TARGET}={value}, which is not allowed to run. If you trust it, "
            f"{remedy if remedy and is_module_of(Path.cwd(), value) else usual}"
        )
    if key == INTERPOLATION:
        usual = "only resolved values are read"
        return f"{source} holds the interpolation {value!r}: {remedy or usual}"
    return (
        f"{source} names {key}={value!r}, which is not allowed to run: no file of conf/host names "
        f"it. If you trust it, give host.{key} on the command line of rote train or rote sweep"
    )


def _digest(spec: Spec) -> str:
    """Digest every key; empty, which is never remembered, for what is not JSON, such as NaN."""
    with suppress(TypeError, ValueError, RecursionError):
        return sha256(canonical_json({"what": spec.what, "how": spec.how}).encode())
    return ""


def _note(digests: set[str]) -> None:
    """Add the digests that the state file lacks."""
    if not (new := digests - _remembered() if digests else digests):
        return
    with suppress(OSError, RuntimeError):
        path = _state_file()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a") as stream:
            stream.write("".join(f"{digest}\n" for digest in sorted(new)))
        path.chmod(0o600)


def _digest_here(named: Named) -> str:
    """Digest code with the current folder: it does not hold for the same name elsewhere."""
    return sha256(canonical_json([str(Path.cwd()), *named]).encode())


def _remembered() -> frozenset[str]:
    with suppress(OSError, RuntimeError):
        return frozenset(_state_file().read_text().split())
    return frozenset()


def _state_file() -> Path:
    """Return the state file's path; raises RuntimeError for a user without a home folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "rote" / "composed"
