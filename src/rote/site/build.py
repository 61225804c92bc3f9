"""The site as files: only what has changed is made and written, each file whole or not at all."""

import json
from dataclasses import dataclass
from pathlib import Path

from rote.files import write_bytes, write_json
from rote.site.site import Site
from rote.watching import Show, unseen, watched

MADE = "made.json"  # stamps of the files that take long to make, as of the last time


@dataclass(frozen=True, kw_only=True)
class Built:
    """What there is now, and how much of it was written."""

    index: Path
    num_sweeps: int
    num_runs: int
    num_files: int
    num_written: int
    damaged: tuple[str, ...]  # one line for each thing that could not be shown


def build_site(outputs: Path, show: Show = unseen) -> Built:
    """Write outputs/site/; a page that is open goes on showing whole files.

    Data come before the pages that load them, and what is gone goes last.
    """
    site, folder = Site(outputs, is_live=False), outputs / "site"
    show("looking at all runs", 0, None)
    site.refresh()
    before, stamps, files = _made(folder), site.stamps(), site.files()
    written = 0
    order = sorted(files, key=lambda path: (path.endswith(".html"), path))
    for path in watched(order, "writing pages", show):
        if path in stamps and before.get(path) == stamps[path] and (folder / path).exists():
            continue
        written += _write_if_other(folder / path, files[path]())
    for path in set(before) - set(files):
        (folder / path).unlink(missing_ok=True)
    listed = {path: stamps.get(path, "") for path in files}
    if listed != before:
        write_json(folder / MADE, listed)
    return Built(
        index=folder / "index.html",
        num_sweeps=len(site.sweeps),
        num_runs=len(site.runs),
        num_files=len(files),
        num_written=written,
        damaged=tuple(site.catalogue.damaged.values()),
    )


def _made(folder: Path) -> dict[str, str]:
    """By path; nothing where there is no list, or one that cannot be read."""
    try:
        return dict(json.loads((folder / MADE).read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _write_if_other(path: Path, data: bytes) -> bool:
    if path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    write_bytes(path, data)
    return True
