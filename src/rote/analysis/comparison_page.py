"""A comparison as a folder like a report's: page, figures, tables, numbers, manifest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rote.analysis.comparison import Compared, Comparison, comparison_json
from rote.analysis.comparison_figures import (
    against,
    differences,
    interval_words,
    scatter,
    sides,
    verdict,
)
from rote.analysis.content import Card, Content, Section, Text, figures_of
from rote.analysis.page import drawn
from rote.analysis.report import Report, reproduce, write_content
from rote.analysis.results import Results
from rote.analysis.table import Cell, Column, Table
from rote.analysis.typeset import plural
from rote.files import readable_json

NUM_CARDS = 4
HOW = (
    "Runs are matched by every setting that both sweeps have, but for those in which the sweeps as "
    "wholes differ. A difference is that of the second run less the first of a pair; its 95 % "
    "interval is Student's over the pairs, which takes them for independent draws: it says how "
    "well these points tell a mean difference, not what holds at each of them, and seeds of one "
    "point count as points. Nothing is corrected for looking at several numbers: of twenty without "
    "any difference, one interval leaves out 0. The means are over the pairs that both measured."
)
ALONE = (
    "No run of the other sweep has these settings, or none that is finished. They are in no mean "
    "and no interval."
)
FILES = (
    "<code>comparison.json</code> beside this page has the numbers and the runs behind them, "
    "<code>table.parquet</code> and <code>table.csv</code> every pair, "
    "<code>manifest.json</code> the SHA-256 of every record and file."
)


def write_comparison(found: Comparison, first: Results, second: Results, folder: Path) -> Report:
    """report.html, figures, tables.tex, table.*, comparison.json; the manifest last."""
    content = drawn(_content(found))
    run_ids = [*found.pairs["run_id"], *found.pairs["run_id_second"]]
    records = {**first.records_sha256, **second.records_sha256}
    sides_of, made_by = sides(found), [f"rote sweep {name}" for name in found.names]
    return write_content(
        name=" against ".join(found.names),
        question=f"What changes from {sides_of[0]} to {sides_of[1]}?",
        content=content,
        closing=reproduce([*made_by, f"rote compare {' '.join(found.names)}"], FILES),
        sources={
            "sweeps": list(found.names),
            "figures": {each.drawing.name: run_ids for each in figures_of(content)},
            "records_sha256": {run_id: records[run_id] for run_id in run_ids},
        },
        folder=folder,
        besides={"comparison.json": readable_json(content.numbers)},
    )


def pairs(found: Comparison) -> str:
    """How many runs match and how, and how many of each sweep do not."""
    number = found.pairs.height
    matched = f"{plural(number, 'run')} match{'es' if number == 1 else ''}"
    if found.num_shared:
        matched += f", {found.num_shared} of them the same run in both"
    left = [(found.alone.filter(sweep=name).height, name) for name in found.names]
    parts = [matched, *(f"{count} of {name} do not" for count, name in left if count)]
    if found.derived:
        parts.append(
            f"{found.derived} differs, so runs are matched by it over the number of parameters"
        )
    return "; ".join(parts)


def headlines(found: Comparison) -> tuple[str, ...]:
    """A line for each metric whose interval leaves out 0, or one that says there is none."""
    clear = [each for each in found.compared if each.difference.sign] or found.moved[:1]
    return tuple(f"{against(found)}: {verdict(each)}" for each in clear)


def summary(found: Comparison) -> Table:
    """A row a metric: both means, and their difference."""
    of_sweeps = [
        Column(title=side, unit="" if side == name else name,
               value=lambda each, which=which: _right(_form(each, getattr(each, which).mean())))
        for side, name, which in zip(sides(found), found.names, ("first", "second"), strict=True)
    ]  # fmt: skip
    return Table(
        rows=found.compared,
        columns=[
            Column(title="mean over pairs", value=_named),
            *of_sweeps,
            Column(title="difference", unit="second less first",
                   value=lambda each: _right(each.metric.signed.format(each.difference.value))),
            Column(title="95 %", unit="of the difference",
                   value=lambda each: _right(interval_words(each))),
            Column(title="second higher", unit="of pairs",
                   value=lambda each: _right(f"{each.num_higher} of {len(each.first)}")),
        ],
    )  # fmt: skip


def _content(found: Comparison) -> Content:
    setting = f"{pairs(found)}. Means are over matched runs; intervals are 95 %."
    if found.num_unconverged:
        setting += f" {plural(found.num_unconverged, 'matched run')} had not converged."
    differing = [
        Column(title="setting", value="key", is_code=True),
        Column(title=found.names[0], value="first"), Column(title=found.names[1], value="second"),
    ]  # fmt: skip
    alone = [
        Column(title="sweep", value="sweep"), Column(title="point", value="point"),
        Column(title="run", value="run_id", is_code=True),
    ]  # fmt: skip
    same = Text(words="No setting has one value in the one and another in the other.")
    unmatched = Section(
        title="Runs that do not match",
        blocks=[
            Text(words=ALONE), Table(columns=alone, rows=found.alone.rows(named=True), is_tall=True)
        ],
    )  # fmt: skip
    return Content(
        headlines=headlines(found),
        setting=setting,
        cards=tuple(map(_card, found.moved[:NUM_CARDS])),
        lead=differences(found),
        sections=(
            Section(title="What differs between the sweeps",
                    blocks=[Table(columns=differing, rows=found.differing)
                            if found.differing else same]),
            Section(title="What comes of it", blocks=[summary(found)]),
            Section(title="Pair by pair", blocks=[scatter(found)]),
            Section(title="Runs that match", blocks=[_matched(found)]),
            *([] if found.alone.is_empty() else [unmatched]),
            Section(title="How intervals were computed", blocks=[Text(words=HOW)]),
        ),
        numbers=comparison_json(found),
        table=found.pairs,
    )  # fmt: skip


def _card(each: Compared) -> Card:
    difference = each.difference
    is_open = difference.interval is not None and not difference.sign
    means = [_form(each, values.mean()) for values in (each.first, each.second)]
    interval = ("95 %: " if difference.interval else "") + interval_words(each)
    lines = [Text(words=interval), Text(words=f"mean from {' to '.join(means)}")]
    if is_open:
        lines.append(Text(words="the interval holds 0", is_warning=True))
    return Card(
        title=each.metric.title,
        meaning="mean paired difference",
        value=each.metric.signed.format(difference.value),
        unit=each.metric.unit,
        lines=lines,
    )


def _matched(found: Comparison) -> Table:
    main = found.moved[0].metric
    first, second = (f"{main.name}.{side}" for side in ("first", "second"))

    def difference(row: Mapping[str, Any]) -> float | None:
        return None if None in (row[first], row[second]) else row[second] - row[first]

    columns = [
        Column(title="point", value=lambda row: row["point"] or "the only one"),
        Column(title="difference", unit=main.unit, form=main.signed, value=difference),
        *(Column(title=side, unit=main.title, form=main.form, value=value)
          for side, value in zip(sides(found), (first, second), strict=True)),
        *(Column(title=f"run of {name}", value=key, is_code=True)
          for name, key in zip(found.names, ("run_id", "run_id_second"), strict=True)),
    ]  # fmt: skip
    return Table(columns=columns, rows=found.pairs.rows(named=True), is_tall=True)


def _named(each: Compared) -> tuple[str, str]:
    return each.metric.title, each.metric.unit


def _right(words: str) -> Cell:
    return Cell(text=words, is_text=False)


def _form(each: Compared, value: float) -> str:
    return each.metric.form.format(value)
