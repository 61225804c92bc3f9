"""The pages: what is known of sweeps as HTML; tables, charts and runs are filled in by scripts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from urllib.parse import quote

from rote.analysis.page import style_sheet
from rote.cluster.status import count
from rote.reading.files import is_regular
from rote.site.catalogue import SINGLE, Catalogue, Sweep, changed_at
from rote.site.documents import COMPARISONS, KINDS, REPORTS, Document

SCRIPTS = {
    "index": ("data", "index"),
    "sweep": ("data", "filters", "charts", "points", "table", "scatter", "sweep"),
    "run": ("data", "charts", "points", "yaml", "run"),
}
EMPTY = "There is no run yet: <code>rote sweep demo</code> makes some in minutes."
CHARTED = ("sweep", "run")
# Few words for a bar: what ended well, what moves, what went wrong, what is left.
PARTS = {
    "done": ("done",),
    "running": ("running", "requeued"),
    "failed": ("failed", "lost", "damaged"),
    "left": ("waiting", "pending", "unknown"),
}


def style() -> bytes:
    """The look of reports, and what only the site has."""
    return (style_sheet() + asset("site.css").decode()).encode()


def asset(name: str) -> bytes:
    """A file of ours that pages load."""
    return resources.files("rote.site").joinpath("assets", name).read_bytes()


def assets() -> list[str]:
    """The names of our scripts."""
    return sorted({f"{name}.js" for names in SCRIPTS.values() for name in names})


def index_page(
    catalogue: Catalogue,
    sweeps: Mapping[str, Sweep],
    documents: Sequence[Document],
    *,
    is_live: bool,
) -> bytes:
    """Every sweep: question, kind, where its runs stand, what its report says; other pages."""
    runs = sum(len(sweep.runs) for sweep in sweeps.values())
    body = _template("index").substitute(
        summary=f"{runs:,} runs in {escape(str(catalogue.outputs))}" if runs else EMPTY,
        damaged=_warnings(catalogue.damaged),
        sweeps="\n".join(_entry(catalogue, sweep) for sweep in sweeps.values()),
        documents=_documents(documents),
    )
    return _page("index", title="Sweeps", root="", body=body, is_live=is_live)


def sweep_page(
    catalogue: Catalogue, sweep: Sweep, documents: Sequence[Document], *, is_live: bool
) -> bytes:
    """One sweep, around a table that a script fills in."""
    plan = sweep.plan
    body = _template("sweep").substitute(
        name=escape(plan.name),
        question=escape(plan.question),
        standing=standing(sweep),
        report=_report(catalogue, plan.name, root="../"),
        comparisons=_compared(documents, plan.name),
        commands=escape(_commands(plan.name)),
    )
    return _page(
        "sweep",
        title=f"{plan.name}: {plan.question}",
        root="../",
        body=body,
        is_live=is_live,
        name=plan.name,
    )


def run_page(*, is_live: bool) -> bytes:
    """Any run: which one is said behind the # of its address."""
    body = _template("run").substitute()
    trail = '<span id="trail"></span>'
    return _page("run", title="Run", root="", body=body, is_live=is_live, trail=trail)


def with_ways_back(page: bytes, sweep: str = "") -> bytes:
    """A page that another command made, one folder below the index, with links to the site."""
    link = f' <a href="../sweeps/{quote(sweep)}.html">Runs of {escape(sweep)}</a>' if sweep else ""
    ways = f'<main>\n<nav aria-label="Site"><a href="../index.html">All sweeps</a>{link}</nav>'
    return page.replace(b"<main>", ways.encode(), 1)


def counts(sweep: Sweep) -> dict[str, int]:
    """How many runs are done, running, failed and left."""
    each = count(sweep.runs)
    return {part: sum(each[state] for state in states) for part, states in PARTS.items()}


def standing(sweep: Sweep) -> str:
    """A bar of the four counts, and the counts in words."""
    found = counts(sweep)
    parts = "".join(
        f'<span class="{part}" style="flex-grow:{number}"></span>'
        for part, number in found.items()
        if number
    )
    words = ", ".join(
        f'<span class="key {part}" data-part="{part}">{number:,} {part}</span>'
        for part, number in found.items()
    )
    return (
        f'<div class="standing"><div class="bar" aria-hidden="true">{parts}</div>'
        f'<p class="counts">{words}</p></div>'
    )


def _entry(catalogue: Catalogue, sweep: Sweep) -> str:
    plan = sweep.plan
    kind = plan.report or "no report"
    return (
        f'<li class="card" data-name="{escape(plan.name)}">'
        f'<h2><a href="sweeps/{quote(plan.name)}.html">{escape(plan.name)}</a>'
        f" <small>{escape(kind)}</small></h2>"
        f"<p>{escape(plan.question)}</p>{standing(sweep)}"
        f"{_report(catalogue, plan.name, root='')}"
        f"<p><small>{_when(catalogue, sweep)}</small></p></li>"
    )


def _when(catalogue: Catalogue, sweep: Sweep) -> str:
    """When it was planned, and when the last of its runs was done."""
    planned = changed_at(catalogue.outputs / "sweeps" / sweep.plan.name / "plan.json")
    done = [
        changed_at(catalogue.store.run(run.run_id).record_path)
        for run in sweep.runs
        if run.state == "done"
    ]
    last = max((at for at in done if at), default=None)
    said = [("planned", planned), ("last run done", last)]
    return ", ".join(f"{word} {_clock(at)}" for word, at in said if at)


def _clock(unix_seconds: float) -> str:
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _report(catalogue: Catalogue, name: str, *, root: str) -> str:
    """What the last report found, with the way to it; nothing where there is none."""
    page = catalogue.report_page(name)
    if not is_regular(page):
        return (
            ""
            if name == SINGLE
            else f"<p>No report yet: <code>rote report {escape(name)}</code></p>"
        )
    found = Document(kind=REPORTS, path=page).findings()
    return _findings(found, page, f"{root}reports/{quote(name)}.html", "Report")


def _documents(documents: Sequence[Document]) -> str:
    """A card for each, as sweeps have, under the heading of its kind."""
    made = []
    for kind in KINDS:
        cards = "".join(_card(one) for one in documents if one.kind is kind)
        if cards:
            made.append(f'<h2>{kind.heading}</h2>\n<ul class="sweeps">{cards}</ul>')
    return "\n".join(made)


def _card(document: Document) -> str:
    address = _quoted(document)
    named = escape(" against ".join(document.sweeps()) or document.name)
    found = _findings(document.findings(), document.path, address, "Page")
    return f'<li class="card"><h3><a href="{address}">{named}</a></h3>{found}</li>'


def _compared(documents: Sequence[Document], name: str) -> str:
    """Ways to the comparisons that a sweep is part of."""
    links = []
    for one in documents:
        sweeps = one.sweeps() if one.kind is COMPARISONS else []
        if name in sweeps:
            other = next((each for each in sweeps if each != name), name)
            links.append(f'<a href="../{_quoted(one)}">{escape(other)}</a>')
    return f"<p>Compared with {', '.join(links)}</p>" if links else ""


def _quoted(document: Document) -> str:
    return quote(document.address)


def _findings(lines: Sequence[str], page: Path, address: str, called: str) -> str:
    """What was found, the way to the page, and when it was written."""
    told = "".join(f"<li>{escape(line).replace(' %', '&nbsp;%')}</li>" for line in lines)
    link = f'<a href="{address}">{called}</a>'
    written = _clock(changed_at(page) or 0.0)
    return f'<div class="findings"><ul>{told}</ul><p>{link}, written {written}</p></div>'


def _commands(name: str) -> str:
    return "rote train ..." if name == SINGLE else f"rote sweep {name}\nrote report {name}"


def _warnings(damaged: Mapping[str, str]) -> str:
    return "".join(f'<p class="damaged">{escape(why)}</p>' for why in damaged.values())


def _page(
    page: str,
    *,
    title: str,
    root: str,
    body: str,
    is_live: bool,
    name: str = "",
    trail: str = "",
) -> bytes:
    names = [*(("plotly.min",) if page in CHARTED else ()), *SCRIPTS[page]]
    scripts = "\n".join(f'<script defer src="{root}assets/{one}.js"></script>' for one in names)
    return (
        _template("page")
        .substitute(
            title=escape(title),
            root=root,
            scripts=scripts,
            page=page,
            name=escape(name),
            live="yes" if is_live else "",
            body=body,
            trail=trail,
        )
        .encode()
    )


def _template(name: str) -> Template:
    path = resources.files("rote.site").joinpath("templates", f"{name}.html.template")
    return Template(path.read_text(encoding="utf-8"))
