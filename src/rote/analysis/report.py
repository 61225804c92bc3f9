"""Write a report to disk: a page, its figures, the table, and a manifest of every record used.

Each module of `rote.analysis.reports` is a kind of report. A large kind is a folder whose report.py
takes the place of the module; both have ``make(results) -> Content``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis.page import (
    Block,
    Commands,
    Content,
    Section,
    Text,
    drawn,
    figures_of,
    page,
    tables_of,
)
from rote.analysis.quantities.convergence import num_converged, num_tested
from rote.analysis.results import Results, write_table
from rote.config.choices import unknown
from rote.io.write import sha256, write_bytes, write_json
from rote.ledger.archive import sha256_of

FOLDER = Path(__file__).parent / "reports"


def kinds() -> list[str]:
    """Return the names of all kinds, without importing them."""
    modules = {path.stem for path in FOLDER.glob("[a-z]*.py")}
    return sorted(modules | {path.parent.name for path in FOLDER.glob("*/report.py")})


def require_kind(kind: str) -> str:
    """Return the kind; raises ValueError, with the choices, for an unknown one."""
    if kind not in kinds():
        raise unknown("report", kind, kinds())
    return kind


def maker(kind: str) -> Callable[[Results], Content]:
    """Return the kind's ``make(results) -> Content``; it raises ValueError for unusable results."""
    name = f"rote.analysis.reports.{require_kind(kind)}"
    is_folder = (FOLDER / kind / "report.py").exists()
    make: Callable[[Results], Content] = import_module(f"{name}.report" if is_folder else name).make
    return make


SCALE = ("precision.name", "alpha", "alpha_source")  # the capacity that a report divides by
LATEX_HEAD = "% The tables of the report; they take \\usepackage{booktabs}."
REPRODUCE_NOTE = (
    "Finished runs are not trained again. <code>manifest.json</code> names the record, with its "
    "SHA-256, of every run behind every figure and number, and the SHA-256 of every file here."
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The written files, and the lines for the terminal."""

    folder: Path
    page: Path
    headlines: tuple[str, ...]
    numbers: Mapping[str, Any]  # as in the manifest


def write_report(*, kind: str, name: str, question: str, results: Results, folder: Path) -> Report:
    """Make the content of this kind and write it.

    Raises ValueError for an unknown kind, for unusable runs, or for a run without its curve or
    record. Nothing is written before everything is made; the manifest, written last, completes the
    report.
    """
    _require(results.table["run_id"], results.curves, "training curve")
    _require(results.table["run_id"], results.records_sha256, "record digest")
    results.progress("fitting and drawing", 0, None)
    content = drawn(maker(kind)(results))
    return write_content(
        name=name,
        question=question,
        content=content,
        closing=reproduce(
            [f"rote sweep {name}", f"rote report {name}"], REPRODUCE_NOTE, results.code_versions
        ),
        sources=_sources(content, results),
        folder=folder,
        besides={},
    )


def write_content(
    *,
    name: str,
    question: str,
    content: Content,
    closing: Section,
    sources: Mapping[str, Any],
    folder: Path,
    besides: Mapping[str, bytes],
) -> Report:
    """Write page, figures, tables and files ``besides``; then the manifest with ``sources``.

    All plots of ``content`` must be drawn.
    """
    page_and_figures = page_files(
        "report.html", name=name, question=question, content=content, closing=closing
    )
    files = {**besides, **page_and_figures}
    for filename, data in files.items():
        write_bytes(folder / filename, data)
    write_table(content.table, folder)
    manifest = {
        "name": name,
        "question": question,
        "headlines": list(content.headlines),
        **sources,
        "files_sha256": {
            filename: sha256((folder / filename).read_bytes())
            for filename in (*files, "table.parquet", "table.csv")
        },
    }
    write_json(folder / "manifest.json", manifest)
    return Report(
        folder=folder,
        page=folder / "report.html",
        headlines=content.headlines,
        numbers=content.numbers,
    )


def write_page(path: Path, *, name: str, question: str, content: Content, closing: Section) -> None:
    """Write the page to ``path``, with its figures and tables beside it."""
    files = page_files(
        path.name, name=name, question=question, content=drawn(content), closing=closing
    )
    for filename, data in files.items():
        write_bytes(path.parent / filename, data)


def page_files(
    filename: str, *, name: str, question: str, content: Content, closing: Section
) -> dict[str, bytes]:
    """Return the page, figures as SVG, PNG and CSV, and tables.tex; plots must be drawn."""
    figures = figures_of(content)
    latex = [table.latex(title) for title, table in tables_of(content) if table.rows]
    return {
        **{f"{each.name}.svg": each.svg for each in figures},
        **{f"{each.name}.png": each.png for each in figures},
        **{f"{each.name}.csv": each.data for each in figures if each.data},
        filename: page(name=name, question=question, content=content, closing=closing).encode(),
        "tables.tex": ("\n\n".join([LATEX_HEAD, *latex]) + "\n").encode(),
    }


def reproduce(commands: Sequence[str], note: str = "", warning: str = "") -> Section:
    """Return a section with the commands that reproduce a page; ``note`` is HTML."""
    blocks: list[Block] = [Commands(lines=commands), Text(words=note, is_html=True)]
    blocks += [Text(words=f"These runs were {warning}.", is_warning=True)] if warning else []
    return Section(title="How to reproduce", blocks=blocks)


def _require(run_ids: pl.Series, held: Mapping[str, object], what: str) -> None:
    for run_id in run_ids:
        if run_id not in held:
            raise ValueError(f"run {run_id} has no {what}")


def _sources(content: Content, results: Results) -> dict[str, Any]:
    table = results.table
    run_ids = list(table["run_id"])
    says_converged = "training.converged" in table.columns
    sources: dict[str, Any] = {
        "commits": list(results.commits),
        "trained_until": results.trained_until,
        "runs_converged": [num_converged(table), num_tested(table)] if says_converged else [],
        "figures": {each.name: run_ids for each in figures_of(content)},
        "numbers": dict(content.numbers),
        "records_sha256": {run_id: results.records_sha256[run_id] for run_id in run_ids},
    }
    if set(SCALE) <= set(content.table.columns):
        each = content.table.select(SCALE).unique()
        sources["capacity"] = {
            precision: {"bits_per_parameter": alpha, "source": source}
            for precision, alpha, source in each.sort("precision.name").rows()
        }
    for what, of in (("arrays", content.arrays_of), ("looks", content.looks_of)):
        if of:
            sources[f"{what}_sha256"] = {
                run_id: sha256_of(results.folders[run_id].path / f"{what}.npz") for run_id in of
            }
    return sources
