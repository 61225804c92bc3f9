"""The pages: what is known of sweeps as HTML; tables, charts and runs are filled in by scripts."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from urllib.parse import quote

from rote.analysis.page import style_sheet
from rote.cluster.status import count
from rote.site.catalogue import SINGLE, Catalogue, Sweep, changed_at

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
    "failed": ("failed", "lost"),
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


def index_page(catalogue: Catalogue, sweeps: Mapping[str, Sweep], *, is_live: bool) -> bytes:
    """Every sweep: question, kind, where its runs stand, what its report says."""
    runs = sum(len(sweep.runs) for sweep in sweeps.values())
    body = _template("index").substitute(
        summary=f"{runs:,} runs in {escape(str(catalogue.outputs))}" if runs else EMPTY,
        damaged=_warnings(catalogue.damaged),
        sweeps="\n".join(_entry(catalogue, sweep) for sweep in sweeps.values()),
        comparisons=_comparisons(catalogue),
    )
    return _page("index", title="Sweeps", root="", body=body, is_live=is_live)


def sweep_page(catalogue: Catalogue, sweep: Sweep, *, is_live: bool) -> bytes:
    """One sweep, around a table that a script fills in."""
    plan = sweep.plan
    body = _template("sweep").substitute(
        name=escape(plan.name),
        question=escape(plan.question),
        standing=standing(sweep),
        report=_report(catalogue, plan.name, root="../"),
        comparisons=_compared(catalogue, plan.name),
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
    if not page.exists():
        return (
            ""
            if name == SINGLE
            else f"<p>No report yet: <code>rote report {escape(name)}</code></p>"
        )
    return _findings(page, f"{root}reports/{quote(name)}.html", "Report")


def _comparisons(catalogue: Catalogue) -> str:
    """A card for each, as sweeps have; nothing where there is none."""
    cards = []
    for name, page in catalogue.comparisons().items():
        address = f"comparisons/{quote(name)}.html"
        named = escape(" against ".join(_manifest(page.parent, "sweeps")) or name)
        found = _findings(page, address, "Comparison")
        cards.append(f'<li class="card"><h3><a href="{address}">{named}</a></h3>{found}</li>')
    return f'<h2>Comparisons</h2>\n<ul class="sweeps">{"".join(cards)}</ul>' if cards else ""


def _compared(catalogue: Catalogue, name: str) -> str:
    """Ways to the comparisons that a sweep is part of."""
    links = []
    for found, page in catalogue.comparisons().items():
        sweeps = _manifest(page.parent, "sweeps")
        if name in sweeps:
            other = next((one for one in sweeps if one != name), name)
            link = f"../comparisons/{quote(found)}.html"
            links.append(f'<a href="{link}">{escape(other)}</a>')
    return f"<p>Compared with {', '.join(links)}</p>" if links else ""


def _findings(page: Path, address: str, called: str) -> str:
    """The headlines of a report, the way to it, and when it was written."""
    told = (escape(line).replace(" %", "&nbsp;%") for line in _manifest(page.parent, "headlines"))
    lines = "".join(f"<li>{line}</li>" for line in told)
    link = f'<a href="{address}">{called}</a>'
    written = _clock(page.stat().st_mtime)
    return f'<div class="findings"><ul>{lines}</ul><p>{link}, written {written}</p></div>'


def _manifest(folder: Path, key: str) -> Sequence[str]:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (FileNotFoundError, ValueError):  # a report that is being written
        return []
    return list(manifest.get(key, []))  # manifests have not always had all of them


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
