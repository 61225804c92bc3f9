"""The files of the site by their path: what is written to disk, or answered over http.

What a page asks for every two seconds while runs are under way, JSON-ready.

The site as files: only what has changed is made and written, each file whole or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

from rote.cluster.plan import Point
from rote.cluster.status import RunState, label, varying_keys
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

VERSION = "2"  # raise it when data files change in kind: those on disk are then made anew
CHUNK_DIGITS = 2  # runs whose ids begin alike share a file: 256 files, however many runs


class Site:
    """All pages of one outputs folder, at one moment; ``refresh`` moves on to the next."""

    def __init__(self, outputs: Path, *, is_live: bool) -> None:
        self.catalogue = Catalogue(outputs)
        self.records = Records(self.catalogue.store)
        self.is_live = is_live
        self.sweeps: dict[str, SweepEntry] = {}
        self.runs: dict[str, tuple[Point, RunState, list[str]]] = {}
        self.chunks: dict[str, list[str]] = {}
        self.documents: list[Document] = []

    def refresh(self) -> None:
        """Look where every run stands now."""
        plans = self.catalogue.plans()
        jobs = self.catalogue.jobs(plans)
        self.sweeps = {name: self.catalogue.sweep(plan, jobs) for name, plan in plans.items()}
        self.runs = by_run(self.sweeps)
        self.documents = documents(self.catalogue.outputs, self.sweeps)
        self.chunks = {}
        for run_id in self.runs:
            self.chunks.setdefault(run_id[:CHUNK_DIGITS], []).append(run_id)

    def files(self) -> dict[str, Callable[[], bytes]]:
        """Every file, by its path below the site, with what makes it.

        A name from the outside is only ever looked up among these: no path is put together of it.
        """
        made: dict[str, Callable[[], bytes]] = {
            "index.html": lambda: html.index_page(
                self.catalogue, self.sweeps, self.documents, is_live=self.is_live
            ),
            "run.html": lambda: html.run_page(self.catalogue, is_live=self.is_live),
            "assets/style.css": html.style,
            "assets/plotly.min.js": _plotly,
        }
        for name in html.assets():
            made[f"assets/{name}"] = lambda name=name: html.asset(name)  # type: ignore[misc]
        for name in self.sweeps:
            made |= self._of_sweep(name)
        for one in self.documents:
            made[one.address] = lambda one=one: self._document(one)  # type: ignore[misc]
            for path in one.figures:
                made[one.address_of(path)] = lambda path=path: self._read(path)  # type: ignore[misc]
        for chunk in self.chunks:
            made[f"data/runs/{chunk}.js"] = lambda chunk=chunk: self._chunk(chunk)  # type: ignore[misc]
        return made

    def run_data(self, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """All that is known of these runs, JSON-ready; raises KeyError for an unknown one.

        Runs of one sweep have columns of one kind, so that ratios are derived sweep by sweep.
        """
        found: dict[str, dict[str, Any]] = {}
        for _, group in groupby(run_ids, key=lambda run_id: self.runs[run_id][2]):
            found |= runs_data([self.runs[run_id] for run_id in group], self.records)
        return found

    def stamps(self) -> dict[str, str]:
        """For files that take long to make: what changes when, and only when, they must be anew."""
        found = {f"data/sweeps/{name}.js": self.stamp(name) for name in self.sweeps}
        found |= {one.address_of(path): stamp([path]) for one in self.documents
                  for path in one.figures}  # fmt: skip
        runs: dict[str, list[str]] = {}
        for run_id, (_, state, sweeps) in self.runs.items():
            seen = stamp_of_run(self.catalogue.store.run(run_id))
            runs.setdefault(run_id[:CHUNK_DIGITS], []).append(f"{_told(state)} {sweeps} {seen}")
        return found | {
            f"data/runs/{chunk}.js": _digest([VERSION, *sorted(seen)])
            for chunk, seen in runs.items()
        }

    def stamp(self, name: str, *, only_done: bool = False) -> str:
        """Of a sweep's table: who is done, with which record, and how the others stand."""
        sweep, store = self.sweeps[name], self.catalogue.store
        plan = self.catalogue.outputs / "sweeps" / name / "plan.json"
        runs = []
        for run in sweep.runs:
            if run.state == "done":
                runs.append(f"{run.run_id} {stamp([store.run(run.run_id).record_path])}")
            elif not only_done:
                runs.append(_told(run))
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
        """A file that another command made; raises Damaged where it leads out of the outputs."""
        return read_inside(self.catalogue.outputs, path)

    def _chunk(self, chunk: str) -> bytes:
        chosen = self.chunks[chunk]
        return script(f"runs/{chunk}", self.run_data(chosen))

    def _report_table(self, name: str) -> Path:
        return self.catalogue.outputs / "reports" / name / "table.parquet"


def _plotly() -> bytes:
    """The library's own file, whole: nothing is loaded from elsewhere."""
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


def _told(run: RunState) -> str:
    """Its speed, which differs at every look, is in no file."""
    return f"{run.run_id} {run.state} {run.step} {run.reason}"


def _digest(words: list[str]) -> str:
    return sha256("\n".join(words).encode())


STILL = ("done", "waiting")  # what a table of a second ago has already


def live_index(site: Site) -> dict[str, Any]:
    """The four counts of every sweep."""
    return {name: counts(sweep) for name, sweep in site.sweeps.items()}


def live_sweep(site: Site, name: str) -> dict[str, Any]:
    """Counts, how each unfinished run stands, and a word that changes with every finished one."""
    now = site.sweeps[name]
    keys = varying_keys(now.plan.specs) if any(run.state == "running" for run in now.runs) else []
    return {
        "counts": counts(now),
        "queue_is_known": now.queue_is_known,
        "done": site.stamp(name, only_done=True),
        "states": [[run.run_id, run.state, run.step] for run in now.runs if run.state not in STILL],
        "moving": [
            {
                **_moving(run),
                "name": run_name(flatten(point.spec.what), run.run_id),
                "label": label(point.spec, keys),
            }
            for point, run in zip(now.plan.points, now.runs, strict=True)
            if run.state == "running"
        ],
    }


def _moving(run: RunState) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "step": run.step,
        "max_steps": run.max_steps,
        "told": run.told,
        "left_seconds": None if run.eta_seconds is None else round(run.eta_seconds),
    }


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
