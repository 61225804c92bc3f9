"""The browser sent to an address that nobody else may see."""

import os
import secrets
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path


@contextmanager
def open_in_browser(address: str, folder: Path) -> Iterator[None]:
    """Open it, through a file in ``folder`` that lasts as long as the context.

    What a browser is started with, every account of the machine can list; this file, only ours can
    read. Where ``folder`` takes none, nothing is open_in_browser: the address is in the terminal.
    """
    path = folder / f"open-{secrets.token_hex(4)}.html"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        yield
        return
    with os.fdopen(descriptor, "w") as stream:
        stream.write(
            "<!doctype html><title>rote</title>"
            f'<meta http-equiv="refresh" content="0; url={escape(address)}">'
        )
    try:
        webbrowser.open(path.absolute().as_uri())
        yield
    finally:
        path.unlink(missing_ok=True)
