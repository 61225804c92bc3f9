"""Find which files of ./conf a choice selects, and read their contents.

Composing one choice alone is not enough: it may need another one (``task/source`` needs a task).
And a composed configuration no longer shows which of its values came from the environment.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from rote.config.folders import own_choice
from rote.config.trust import (
    INTERPOLATION,
    RESOLVER,
    allow_chosen_before,
    named_code,
    require_allowed,
)

PREFIX = re.compile(r"^(optional |override )+")
DEFAULTS = "defaults"


def own_files(group: str, choices: Any) -> list[Path]:
    """Return the files of ./conf that one choice of a group, or a list of them, names."""
    names = choices if isinstance(choices, list | tuple) else [choices]
    return [path for name in names if (path := own_choice(group, str(name))) is not None]


def own_contents(group: str, choices: Any) -> list[Any]:
    """Read these files, and those of ./conf that their defaults lists choose.

    A file that is not YAML is left out: composing it reports the error.
    """
    found: dict[Path, Any] = {}
    todo = [(group, path) for path in own_files(group, choices)]
    while todo:
        inside, path = todo.pop()
        if path not in found:
            found[path] = _content(path)
            for other, names in _defaults(found[path], inside):
                todo += [(other, each) for each in own_files(other, names)]
    return list(found.values())


def require_chosen(config: Any, contents: list[Any], source: str, words: str) -> None:
    """Check a composed configuration and the files of ./conf that it was made from.

    Raises ValueError naming ``source`` for code, and for calls of resolvers in these files, that
    the user has not chosen in this folder; giving ``words`` on the command line chooses them.
    """
    allow_chosen_before([config, *contents])
    calls = [text for key, text in named_code(contents) if key == INTERPOLATION]
    remedy = f"choose it yourself once: rote train {words} --dry-run"
    require_allowed([config, [text for text in calls if RESOLVER.search(text)]], source, remedy)


def require_named_defaults(contents: list[Any], source: str) -> None:
    """Raise ValueError where an interpolation decides which files a defaults list selects."""
    lists = [str(each.get(DEFAULTS)) for each in contents if isinstance(each, Mapping)]
    if open_choice := next((text for text in lists if INTERPOLATION in text), None):
        raise ValueError(f"{source}: a defaults list must name its choices, got {open_choice}")


def _content(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _defaults(content: Any, group: str) -> Iterator[tuple[str, Any]]:
    """Yield group and choices of each entry of a file's defaults list; groups are made absolute."""
    entries = content.get(DEFAULTS) if isinstance(content, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, str):
            path = PurePosixPath(entry.partition("@")[0])
            yield _whole(str(path.parent), group), path.name
        elif isinstance(entry, Mapping):
            for key, names in entry.items():
                yield _whole(PREFIX.sub("", str(key)).partition("@")[0], group), names


def _whole(key: str, group: str) -> str:
    return key.strip("/") if key.startswith("/") else str(PurePosixPath(group, key))
