"""A comparison as a folder like a report's: page, figures, tables, numbers, manifest."""

from html import escape
from pathlib import Path

from rote.analysis.comparison import Compared, Comparison, comparison_json
from rote.analysis.comparison_figures import draw_differences, draw_pairs
from rote.analysis.comparison_wording import equal, headlines, pairs, question, sides
from rote.analysis.content import Content, Section
from rote.analysis.elements import (
    card,
    code_cell,
    figure,
    number_cell,
    scrolled,
    table,
    text_cell,
)
from rote.analysis.report import Report, write_content
from rote.analysis.results import Results
from rote.files import readable_json

NUM_CARDS = 4
HOW = (
    "Runs are matched by every setting that both sweeps have, but for those in which the sweeps as "
    "wholes differ. A difference is that of the second run less the first of a pair; its 95&nbsp;% "
    "interval is Student's over the pairs, which takes them for independent draws: it says how "
    "well these points tell a mean difference, not what holds at each of them, and seeds of one "
    "point count as points. Nothing is corrected for looking at several numbers: of twenty without "
    "any difference, one interval leaves out 0. The means are over the pairs that both measured."
)


def write_comparison(found: Comparison, first: Results, second: Results, folder: Path) -> Report:
    """report.html, figures, tables.tex, table.*, comparison.json; the manifest last."""
    content = _content(found)
    run_ids = [*found.pairs["run_id"], *found.pairs["run_id_second"]]
    records = {**first.records_sha256, **second.records_sha256}
    return write_content(
        name=" against ".join(found.names),
        question=question(found),
        content=content,
        closing=_closing(found),
        sources={
            "sweeps": list(found.names),
            "figures": {drawing.name: run_ids for drawing in content.drawings},
            "records_sha256": {run_id: records[run_id] for run_id in run_ids},
        },
        folder=folder,
        besides={"comparison.json": readable_json(content.numbers)},
    )


def _content(found: Comparison) -> Content:
    drawings = (draw_differences(found), draw_pairs(found))
    return Content(
        headlines=headlines(found),
        setting=f"{pairs(found)}. Means are over matched runs; intervals are 95 %.",
        cards=tuple(map(_card, found.moved[:NUM_CARDS])),
        sections=(
            Section(title="What differs between the sweeps", html=_differing(found)),
            Section(
                title="What comes of it",
                html=figure(drawings[0], _differences_caption(found)) + scrolled(_metrics(found)),
            ),
            Section(title="Pair by pair", html=figure(drawings[1], _pairs_caption(found))),
            Section(title="Runs that match", html=scrolled(_matched(found), tall=True)),
            *_unmatched(found),
            Section(title="How intervals were computed", html=f"<p>{HOW}</p>"),
        ),
        drawings=drawings,
        numbers=comparison_json(found),
        table=found.pairs,
    )


def _card(each: Compared) -> str:
    form = each.metric.form
    means = f"{form.format(each.first.mean())} to {form.format(each.second.mean())}"
    told = each.difference.span(each.metric.signed)
    is_open = each.difference.interval is not None and not each.difference.sign
    return card(
        title=each.metric.name,
        meaning="mean paired difference",
        value=each.metric.signed.format(each.difference.value),
        unit=each.metric.unit,
        lines=(
            f"<p>{'95 %: ' if each.difference.interval else ''}{told}</p>",
            f"<p>mean from {means}</p>",
            '<p class="bound">the interval holds 0</p>' if is_open else "",
        ),
    )


def _differing(found: Comparison) -> str:
    if not found.differing:
        return "<p>No setting is one thing in the one and another in the other.</p>"
    rows = [
        [code_cell(each.key), text_cell(each.first), text_cell(each.second)]
        for each in found.differing
    ]
    headers = ("setting", *found.names)
    return scrolled(table([(name, "") for name in headers], rows, text=headers))


def _metrics(found: Comparison) -> str:
    first, second = sides(found)
    headers = [
        ("mean over pairs", ""),
        (first, found.names[0] if first != found.names[0] else ""),
        (second, found.names[1] if second != found.names[1] else ""),
        ("difference", "second less first"),
        ("95 %", "of the difference"),
        ("second higher", "of pairs"),
    ]
    return table(headers, map(_metric_cells, found.compared), text=("mean over pairs",))


def _metric_cells(each: Compared) -> list[str]:
    form, signed = each.metric.form, each.metric.signed
    return [
        text_cell(each.metric.name, each.metric.unit),
        number_cell(form.format(each.first.mean())),
        number_cell(form.format(each.second.mean())),
        number_cell(signed.format(each.difference.value)),
        number_cell("equal in every pair" if each.is_equal else each.difference.span(signed)),
        number_cell(f"{each.num_higher} of {len(each.first)}"),
    ]


def _matched(found: Comparison) -> str:
    main = found.moved[0].metric
    run_columns = [f"run of {name}" for name in found.names]
    sides_of = [f"{main.column}.{side}" for side in ("first", "second")]
    headers = [
        ("point", ""),
        *((name, "") for name in run_columns),
        *((side, main.name) for side in sides(found)),
        ("difference", main.unit),
    ]
    rows = []
    for point, run_id, other_id, *values in found.pairs.select(
        "point", "run_id", "run_id_second", *sides_of
    ).iter_rows():
        known = None not in values
        told = [*map(main.form.format, values)] if known else ["", ""]
        difference = main.signed.format(values[1] - values[0]) if known else ""
        cells = [text_cell(point or "the only one"), code_cell(run_id), code_cell(other_id)]
        rows.append([*cells, *map(number_cell, (*told, difference))])
    return table(headers, rows, text=("point", *run_columns))


def _unmatched(found: Comparison) -> list[Section]:
    if found.alone.is_empty():
        return []
    rows = [
        [text_cell(sweep), text_cell(point), code_cell(run_id)]
        for sweep, point, run_id in found.alone.iter_rows()
    ]
    headers = ("sweep", "point", "run")
    made = table([(name, "") for name in headers], rows, text=headers)
    told = (
        "<p>No run of the other sweep has these settings, or none that is finished. They are in no "
        "mean and no interval.</p>"
    )
    return [Section(title="Runs that do not match", html=told + scrolled(made, tall=True))]


def _differences_caption(found: Comparison) -> str:
    first, second = map(escape, sides(found))
    return (
        f"Each dot is a pair of runs that differ in nothing but what is told above, {second} less "
        f"{first}; below the dots, their mean with Student's 95 % interval. {escape(equal(found))}"
    )


def _pairs_caption(found: Comparison) -> str:
    first, second = map(escape, sides(found))
    return (
        f"Each dot is a pair: up, {second} less {first}; across, the mean of its two runs "
        "(Bland and Altman 1986). A difference that depends on the value shows as a slope, and its "
        "mean alone does not tell it."
    )


def _closing(found: Comparison) -> Section:
    commands = [*(f"rote sweep {name}" for name in found.names), "rote compare "]
    commands[-1] += " ".join(found.names)
    note = (
        "<code>comparison.json</code> beside this page has the numbers and the runs behind them, "
        "<code>table.parquet</code> and <code>table.csv</code> every pair, "
        "<code>manifest.json</code> the SHA-256 of every record and file."
    )
    html = f"<pre><code>{escape(chr(10).join(commands))}</code></pre>\n<p>{note}</p>"
    return Section(title="How to reproduce", html=html)
