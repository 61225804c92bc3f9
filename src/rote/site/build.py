"""The site as files: only what has changed is made and written, each file whole or not at all."""

from dataclasses import dataclass
from pathlib import Path

from rote.core.progress import Progress, no_progress, with_progress
from rote.io.read import Damaged, is_regular, read_json, require_inside
from rote.io.shapes import mapped, text
from rote.io.write import write_bytes, write_json
from rote.site.site import Site

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


def build_site(outputs: Path, progress: Progress = no_progress) -> Built:
    """Write outputs/site/; a page that is open goes on showing whole files.

    Data come before the pages that load them, and what is gone goes last.
    """
    site, folder = Site(outputs, is_live=False), outputs / "site"
    progress("looking at all runs", 0, None)
    site.refresh()
    before, stamps, files = _made(folder), site.stamps(), site.files()
    written, unmade = 0, []
    order = sorted(files, key=lambda path: (path.endswith(".html"), path))
    for path in with_progress(order, "writing pages", progress):
        if path in stamps and before.get(path) == stamps[path] and (folder / path).exists():
            continue
        try:
            written += _write_if_other(folder / path, files[path]())
        except ValueError as error:  # the other pages are made all the same
            unmade.append(str(error))
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
        damaged=(*site.catalogue.damaged.values(), *unmade),
    )


def _made(folder: Path) -> dict[str, str]:
    """By path, of files that are in ``folder``; nothing where there is no list that can be read."""
    try:
        made: dict[str, str] = read_json(folder / MADE, mapped(text))
    except (FileNotFoundError, ValueError):
        return {}
    return {path: stamp for path, stamp in made.items() if _is_inside(folder, path)}


def _is_inside(folder: Path, path: str) -> bool:
    """Whether this is the way to a file below: what is gone from the list will be deleted."""
    try:
        require_inside(folder, folder / path)
    except Damaged:
        return False
    return is_regular(folder / path)


def _write_if_other(path: Path, data: bytes) -> bool:
    if is_regular(path) and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    write_bytes(path, data)
    return True
