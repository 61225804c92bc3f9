"""Files of documents, written for a test."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from rote.tasks.text.sources import Source


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def documents(source: Source) -> list[str]:
    """The whole documents that a source gives in pieces."""
    found, whole = [], ""
    for piece in source.pieces():
        whole += piece.text
        if piece.ends_document:
            found.append(whole)
            whole = ""
    assert not whole
    return found


def each_file(cases: Mapping[str, tuple[bytes, str]]) -> pytest.MarkDecorator:
    """A test for each name with its content and the message that refuses it."""
    rows = [(name, *case) for name, case in cases.items()]
    return pytest.mark.parametrize(("name", "content", "message"), rows, ids=list(cases))
