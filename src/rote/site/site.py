"""Build the files of the site, for the disk or for http, and the data of live pages.

Pages request the live data every two seconds while runs are under way. On disk only changed files
are made and written, each atomically.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from rote.cluster.plan import Point
from rote.cluster.status import RunState, labels
from rote.config.names import run_name
from rote.core.progress import Progress, no_progress, with_progress
from rote.io.read import Damaged, is_regular, read_inside, read_json, require_inside
from rote.io.shapes import mapped, text
from rote.io.write import sha256, write_bytes, write_json
from rote.ledger.spec import flatten
from rote.site import html
from rote.site.catalogue import Catalogue, Records, SweepEntry, by_run, script, stamp, stamp_of_run
from rote.site.columns import sweep_data
from rote.site.detail import runs_data
from rote.site.documents import Document, documents
from rote.site.html import counts

VERSION = "3"  # increase it when data files change in form: old ones are then rebuilt
CHUNK_DIGITS = 2  # runs whose ids begin alike share a file: 256 files for any number of runs


class Site:
    """All pages of one outputs folder at one moment; ``refresh`` updates them."""

    def __init__(self, outputs: Path, *, is_live: bool) -> None:
        self.catalogue = Catalogue(outputs)
        self.records = Records(self.catalogue.store)
        self.is_live = is_live
        self.sweeps: dict[str, SweepEntry] = {}
        self.runs: dict[str, tuple[Point, RunState, list[str]]] = {}
        self.chunks: dict[str, list[str]] = {}
        self.documents: list[Document] = []

    def refresh(self) -> None:
        """Update the state of every run."""
        plans = self.catalogue.plans()
        jobs = self.catalogue.jobs(plans)
        self.sweeps = {name: self.catalogue.sweep(plan, jobs) for name, plan in plans.items()}
        self.runs = by_run(self.sweeps)
        self.documents = documents(self.catalogue.outputs, self.sweeps)
        self.chunks = {}
        for run_id in self.runs:
            self.chunks.setdefault(run_id[:CHUNK_DIGITS], []).append(run_id)

    def files(self) -> dict[str, Callable[[], bytes]]:
        """Return every file by its path below the site, with the function that makes it.

        Requested names are only looked up here: no path is ever built from them.
        """
        made: dict[str, Callable[[], bytes]] = {
            "index.html": lambda: html.index_page(
                self.catalogue, self.sweeps, self.documents, is_live=self.is_live
            ),
            "run.html": lambda: html.run_page(self.catalogue, is_live=self.is_live),
            "assets/style.css": html.style,
            "assets/plotly.min.js": html.plotly,
        }
        for name in html.assets():
            made[f"assets/{name}"] = partial(html.asset, name)
        for name in self.sweeps:
            made |= self._of_sweep(name)
        for one in self.documents:
            made[one.address] = partial(self._document, one)
            for path in one.figures:
                made[one.address_of(path)] = partial(self._read, path)
        for chunk in self.chunks:
            made[f"data/runs/{chunk}.js"] = partial(self._chunk, chunk)
        return made

    def run_data(self, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return all JSON-ready data of these runs; raises KeyError for an unknown run.

        Ratios are derived sweep by sweep, because runs of one sweep have the same column types.
        """
        found: dict[str, dict[str, Any]] = {}
        for _, group in groupby(run_ids, key=lambda run_id: self.runs[run_id][2]):
            found |= runs_data([self.runs[run_id] for run_id in group], self.records)
        return found

    def stamps(self) -> dict[str, str]:
        """Return digests of files that are slow to make; they change if and only if the data do."""
        found = {f"data/sweeps/{name}.js": self.stamp(name) for name in self.sweeps}
        found |= {one.address_of(path): stamp([path]) for one in self.documents
                  for path in one.figures}  # fmt: skip
        runs: dict[str, list[str]] = {}
        for run_id, (_, state, sweeps) in self.runs.items():
            seen = stamp_of_run(self.catalogue.store.run(run_id))
            runs.setdefault(run_id[:CHUNK_DIGITS], []).append(
                f"{_state_text(state)} {sweeps} {seen}"
            )
        return found | {
            f"data/runs/{chunk}.js": _digest([VERSION, *sorted(seen)])
            for chunk, seen in runs.items()
        }

    def stamp(self, name: str, *, only_done: bool = False) -> str:
        """Return the digest of a sweep's table: records of finished runs, states of the others."""
        sweep, store = self.sweeps[name], self.catalogue.store
        plan = self.catalogue.outputs / "sweeps" / name / "plan.json"
        runs = []
        for run in sweep.runs:
            if run.state == "done":
                runs.append(f"{run.run_id} {stamp([store.run(run.run_id).record_path])}")
            elif not only_done:
                runs.append(_state_text(run))
        return _digest([VERSION, stamp([plan, self._report_table(name)]), *runs])

    def _of_sweep(self, name: str) -> dict[str, Callable[[], bytes]]:
        sweep = self.sweeps[name]
        return {
            f"sweeps/{name}.html": lambda: html.sweep_page(
                self.catalogue, sweep, self.documents, is_live=self.is_live
            ),
            f"data/sweeps/{name}.js": lambda: script(
                f"sweeps/{name}", sweep_data(sweep, self.records, self._report_table(name))
            ),
        }

    def _document(self, document: Document) -> bytes:
        return html.with_ways_back(self._read(document.path), document, self.runs)

    def _read(self, path: Path) -> bytes:
        """Read a file of another command; raises Damaged if it leads out of the outputs."""
        return read_inside(self.catalogue.outputs, path)

    def _chunk(self, chunk: str) -> bytes:
        return script(f"runs/{chunk}", self.run_data(self.chunks[chunk]))

    def _report_table(self, name: str) -> Path:
        return self.catalogue.outputs / "reports" / name / "table.parquet"


def _state_text(run: RunState) -> str:
    """Return a run's state without its speed, which differs each time and is in no file."""
    return f"{run.run_id} {run.state} {run.step} {run.reason}"


def _digest(words: list[str]) -> str:
    return sha256("\n".join(words).encode())


STILL = ("done", "waiting")  # states that do not change within a second


def live_sweep(site: Site, name: str) -> dict[str, Any]:
    """Return counts, states of unfinished runs, and a digest that changes with finished runs."""
    now = site.sweeps[name]
    running = [place for place, run in enumerate(now.runs) if run.state == "running"]
    names = labels(now.plan.specs, running) if running else []
    return {
        "counts": counts(now),
        "queue_is_known": now.queue_is_known,
        "done": site.stamp(name, only_done=True),
        "states": [[run.run_id, run.state, run.step] for run in now.runs if run.state not in STILL],
        "moving": [
            _moving(now.runs[place], now.plan.points[place], label)
            for place, label in zip(running, names, strict=True)
        ],
    }


def _moving(run: RunState, point: Point, label: str) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "name": run_name(flatten(point.spec.what), run.run_id),
        "label": label,
        "step": run.step,
        "max_steps": run.max_steps,
        "progress": run.progress_text,
        "left_seconds": None if run.eta_seconds is None else round(run.eta_seconds),
    }


MADE = "made.json"  # stamps of slow files at the last build


@dataclass(frozen=True, kw_only=True)
class Built:
    """The size of the site, and how much of it was written."""

    index: Path
    num_sweeps: int
    num_runs: int
    num_files: int
    num_written: int
    damaged: tuple[str, ...]  # one line per thing that could not be shown


def build_site(outputs: Path, progress: Progress = no_progress) -> Built:
    """Write outputs/site/; a page that is open always loads complete files.

    Data are written before the pages that load them; obsolete files are deleted last.
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
        except ValueError as error:  # the other pages are still made
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
    """Return the listed files of ``folder`` with their stamps; empty without a readable list."""
    try:
        made: dict[str, str] = read_json(folder / MADE, mapped(text))
    except (FileNotFoundError, ValueError):
        return {}
    return {path: stamp for path, stamp in made.items() if _is_inside(folder, path)}


def _is_inside(folder: Path, path: str) -> bool:
    """Return whether a listed path is a file inside the folder: obsolete ones will be deleted."""
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
