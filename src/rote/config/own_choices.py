"""This module reads which files of ./conf a choice on the command line brings, and their contents.

Composing one choice alone would not do: it may need another one (``task/source`` needs a task).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from rote.config.folders import own_choice

PREFIX = re.compile(r"^(optional |override )+")


def own_files(group: str, choices: Any) -> list[Path]:
    """The files of ./conf among one choice of a group, or a list of them."""
    names = choices if isinstance(choices, list | tuple) else [choices]
    return [path for name in names if (path := own_choice(group, str(name))) is not None]


def own_contents(group: str, choices: Any) -> list[Any]:
    """What is in these files, and in those of ./conf that their defaults lists choose.

    A file that is no YAML is left out: whoever composes it reports that.
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


def _content(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _defaults(content: Any, group: str) -> Iterator[tuple[str, Any]]:
    """Group and choices of each entry of a file's defaults list; relative ones are made whole."""
    entries = content.get("defaults") if isinstance(content, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, str):
            path = PurePosixPath(entry.partition("@")[0])
            yield _whole(str(path.parent), group), path.name
        elif isinstance(entry, Mapping):
            for key, names in entry.items():
                yield _whole(PREFIX.sub("", str(key)).partition("@")[0], group), names


def _whole(key: str, group: str) -> str:
    return key.strip("/") if key.startswith("/") else str(PurePosixPath(group, key))
