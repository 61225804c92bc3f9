"""Render the pages as HTML; scripts fill in tables, charts and runs."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import Any
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from rote.analysis.estimate import typeset
from rote.cluster.status import count
from rote.site.catalogue import SINGLE, Catalogue, SweepEntry, changed_at
from rote.site.documents import COMPARISONS, FIGURES, KINDS, REPORTS, Document, clock

SCRIPTS = {
    "index": ("data", "index"),
    "sweep": (
        "plotly.min", "data", "filters", "charts", "points", "rows", "table", "scatter", "sweep",
    ),
    "run": ("plotly.min", "data", "charts", "points", "yaml", "run"),
    "dashboard": ("plotly.min", "data", "charts", "points", "dashboard"),
}  # fmt: skip
# Few words for a bar: successful, active, failed, left.
PARTS = {
    "done": ("done",),
    "running": ("running", "requeued"),
    "failed": ("failed", "lost", "damaged"),
    "left": ("waiting", "pending", "unknown"),
}
RUN_ID = re.compile(rb"<code>([0-9a-f]{16})</code>")
DOWNLOAD = re.compile(rf'href="([\w.-]+\.(?:{"|".join(FIGURES)}))" download'.encode())


def style() -> bytes:
    """Return the style of reports plus that of the site."""
    page = resources.files("rote.analysis").joinpath("page.css").read_bytes()
    return page + asset("site.css")


def asset(name: str) -> bytes:
    """Return one of our files that pages load."""
    return resources.files("rote.site").joinpath("assets", name).read_bytes()


def plotly() -> bytes:
    """Return the whole file of the library, so that pages load nothing from elsewhere."""
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


def assets() -> list[str]:
    """Return the names of our scripts."""
    names = {name for page in ("index", "sweep", "run") for name in SCRIPTS[page]}
    return sorted(f"{name}.js" for name in names if name != "plotly.min")


def index_page(
    catalogue: Catalogue,
    sweeps: Mapping[str, SweepEntry],
    documents: Sequence[Document],
    *,
    is_live: bool,
) -> bytes:
    """Render every sweep, the newest first, then other pages.

    A sweep shows question, kind, run states, its main figure and first findings.
    """
    entries = [_entry(catalogue, sweep, documents) for sweep in sweeps.values()]
    others = [one for one in documents if one.kind is not REPORTS or one.name not in sweeps]
    listed = [(kind.heading, [one for one in others if one.kind is kind]) for kind in KINDS]
    return _page(
        "index",
        catalogue,
        is_live=is_live,
        title="Sweeps",
        outputs=catalogue.outputs,
        num_runs=sum(len(sweep.runs) for sweep in sweeps.values()),
        damaged=catalogue.damaged.values(),
        sweeps=sorted(entries, key=lambda each: -each["changed"]),
        documents=[(heading, found) for heading, found in listed if found],
    )


def sweep_page(
    catalogue: Catalogue, sweep: SweepEntry, documents: Sequence[Document], *, is_live: bool
) -> bytes:
    """Render one sweep, around a table that a script fills in."""
    name = sweep.plan.name
    commands = "rote train ..." if name == SINGLE else f"rote sweep {name}\nrote report {name}"
    return _page(
        "sweep",
        catalogue,
        is_live=is_live,
        root="../",
        title=f"{name}: {sweep.plan.question}",
        compared=_compared(documents, name),
        commands=commands,
        **_entry(catalogue, sweep, documents),
    )


def run_page(catalogue: Catalogue, *, is_live: bool) -> bytes:
    """Render the page of any run: the fragment of its address names the run."""
    return _page("run", catalogue, is_live=is_live, title="Run")


def dashboard(name: str, question: str, setting: str, data: Mapping[str, Any]) -> bytes:
    """Render the panels of a dashboard as one file, which loads nothing."""
    scripts = [plotly() if each == "plotly.min" else asset(f"{each}.js")
               for each in SCRIPTS["dashboard"]]  # fmt: skip
    # A text of the runs must not end the script that holds it.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    page = _templates().get_template("dashboard.html")
    return page.render(
        name=name, question=question, setting=setting, sections=data["sections"],
        style=Markup(style().decode()), data=Markup(text),
        scripts=[Markup(each.decode()) for each in scripts],
    ).encode()  # fmt: skip


def with_ways_back(page: bytes, document: Document, run_ids: Collection[str]) -> bytes:
    """Add links to the site to a page of another command, one folder below the index."""
    name = document.name
    link = ""
    if document.of_sweep:
        link = f' <a href="../sweeps/{quote(name)}.html">Runs of {escape(name)}</a>'
    ways = f'<main>\n<nav aria-label="Site"><a href="../index.html">All sweeps</a>{link}</nav>'
    page = page.replace(b"<main>", ways.encode(), 1)
    page = DOWNLOAD.sub(rf'href="{quote(name)}/\1" download'.encode(), page)
    return RUN_ID.sub(lambda found: _run_link(found, run_ids), page)


def counts(sweep: SweepEntry) -> dict[str, int]:
    """Return how many runs are done, running, failed and left."""
    each = count(sweep.runs)
    return {part: sum(each[state] for state in states) for part, states in PARTS.items()}


def _entry(
    catalogue: Catalogue, sweep: SweepEntry, documents: Sequence[Document]
) -> dict[str, Any]:
    """Return the facts for a sweep's card and page."""
    plan = sweep.plan
    planned = changed_at(catalogue.outputs / "sweeps" / plan.name / "plan.json")
    done = [
        changed_at(catalogue.store.run(run.run_id).record_path)
        for run in sweep.runs
        if run.state == "done"
    ]
    last = max((at for at in done if at), default=None)
    times = [("planned", planned), ("last run done", last)]
    return {
        "name": plan.name,
        "kind": plan.report or "no report",
        "question": plan.question,
        "counts": counts(sweep),
        "report": next((one for one in documents if one.of_sweep == plan.name), None),
        "can_report": plan.name != SINGLE,
        "changed": max(planned or 0.0, last or 0.0),
        "when": ", ".join(f"{word} {clock(at)}" for word, at in times if at),
    }


def _compared(documents: Sequence[Document], name: str) -> list[tuple[str, str]]:
    """Return the other sweep and the address of each comparison that includes a sweep."""
    found = [(one, one.sweeps()) for one in documents if one.kind is COMPARISONS]
    return [
        (next((each for each in sweeps if each != name), name), one.address)
        for one, sweeps in found
        if name in sweeps
    ]


def _run_link(found: re.Match[bytes], run_ids: Collection[str]) -> bytes:
    run_id = found[1].decode()
    link = f'<a href="../run.html#{run_id}">'.encode() + found[0] + b"</a>"
    return link if run_id in run_ids else found[0]


def _page(page: str, catalogue: Catalogue, **context: Any) -> bytes:
    has_docs = (catalogue.outputs / "docs" / "index.html").is_file() and not context["is_live"]
    usual = {"root": "", "name": "", "page": page, "scripts": SCRIPTS[page], "has_docs": has_docs}
    return _templates().get_template(f"{page}.html").render(usual | context).encode()


@cache
def _templates() -> Environment:
    made = Environment(
        loader=ChoiceLoader([PackageLoader("rote.site"), PackageLoader("rote.analysis")]),
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["finding"] = _finding
    return made


def _finding(line: str) -> Markup:
    """Use true minus signs, and allow no line break before a per cent sign."""
    return Markup(escape(typeset(line)).replace(" %", "&nbsp;%"))
