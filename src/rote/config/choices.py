"""Compose one clear line for a word that is not among the choices."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


def unknown(what: str, given: str, choices: Iterable[str], *, own: str = "") -> ValueError:
    """Return the error to raise, which names the value, the nearest choice, and the choices.

    ``own`` is the file that would add the choice, where files are choices.
    """
    known, place = sorted(choices), f". One of your own is the file {own}" if own else ""
    if not known:
        return ValueError(f"{what} {given!r} is not known: there is none yet{place}")
    return ValueError(
        f"{what} {given!r} is not known.{near(given, known)} Choices: {', '.join(known)}{place}"
    )


def own_place(folder: str, name: str) -> str:
    """Name the file of the current folder that would add a choice of a group, or a sweep."""
    inside = "sweeps" if folder == "sweeps" else f"conf/{folder}"
    return f"{inside}/{name}.yaml of the current folder ({Path.cwd()})"


def unknown_key(given: str, keys: Iterable[str]) -> ValueError:
    """Return `unknown` for a dotted key; lists keys of the same group, guesses from all."""
    known = sorted(keys)
    group, leaf = given.split(".")[0], given.rpartition(".")[2]
    same_leaf = [key for key in known if key.rpartition(".")[2] == leaf]
    beside = [key for key in known if key.startswith(f"{group}.")]
    listed = beside or sorted({key.split(".")[0] for key in known})
    hint = near(given, same_leaf or known)
    return ValueError(f"key {given!r} is not known.{hint} Choices: {', '.join(listed)}")


def near(given: str, known: Sequence[str]) -> str:
    """Return a sentence that suggests the nearest known word, or "" if none is near."""
    found = get_close_matches(given, known, n=1)
    return f" Did you mean {found[0]!r}?" if found else ""
