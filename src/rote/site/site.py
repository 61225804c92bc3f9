"""The files of the site by their path: what is written to disk, or answered over http."""

from collections.abc import Callable, Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

from rote.cluster.plan import Point
from rote.cluster.status import RunState
from rote.io.read import read_inside
from rote.io.write import sha256
from rote.site import html
from rote.site.catalogue import Catalogue, SweepEntry, by_run, stamp, stamp_of_run
from rote.site.columns import sweep_data
from rote.site.detail import runs_data
from rote.site.documents import Document, documents
from rote.site.records import Records
from rote.site.scripts import script

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
