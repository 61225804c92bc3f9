"""Write a comparison as a folder like a report's: page, figures, tables, numbers, manifest."""

from collections.abc import Mapping
from functools import partial
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
from rote.analysis.estimate import plural
from rote.analysis.page import Card, Content, Section, Text, drawn, figures_of
from rote.analysis.report import Report, reproduce, write_content
from rote.analysis.results import Results
from rote.analysis.table import Column, Table
from rote.io.write import readable_json

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
    """Write report.html, figures, tables.tex, table.*, comparison.json; the manifest last."""
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
    """State how many runs match and how, and how many of each sweep do not."""
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
    """Return a line per metric whose interval excludes 0, or one line if there is none."""
    clear = [each for each in found.compared if each.difference.sign] or found.moved[:1]
    return tuple(f"{against(found)}: {verdict(each)}" for each in clear)


def summary(found: Comparison) -> Table:
    """Build a table with one row per metric: both means, and their difference."""
    of_sweeps = [
        Column(side, partial(_mean, which), unit="" if side == name else name, is_number=True)
        for side, name, which in zip(sides(found), found.names, ("first", "second"), strict=True)
    ]  # fmt: skip
    return Table(
        rows=found.compared,
        columns=[
            Column("mean over pairs", lambda each: (each.metric.title, each.metric.unit)),
            *of_sweeps,
            Column("difference", lambda each: each.metric.signed.format(each.difference.value),
                   unit="second less first", is_number=True),
            Column("95 %", interval_words, unit="of the difference", is_number=True),
            Column("second higher", lambda each: f"{each.num_higher} of {len(each.first)}",
                   unit="of pairs", is_number=True),
        ],
    )  # fmt: skip


def _content(found: Comparison) -> Content:
    setting = f"{pairs(found)}. Means are over matched runs; intervals are 95 %."
    if found.num_unconverged:
        setting += f" {plural(found.num_unconverged, 'matched run')} had not converged."
    first, second = found.names
    differing = [
        Column("setting", "key", is_code=True), Column(first, "first"), Column(second, "second"),
    ]  # fmt: skip
    alone = [
        Column("sweep", "sweep"), Column("point", "point"), Column("run", "run_id", is_code=True),
    ]  # fmt: skip
    same = Text("No setting has one value in the one and another in the other.")
    left = Table(columns=alone, rows=found.alone.rows(named=True), is_tall=True)
    return Content(
        headlines=headlines(found),
        setting=setting,
        cards=tuple(map(_card, found.moved[:NUM_CARDS])),
        lead=differences(found),
        sections=(
            Section("What differs between the sweeps",
                    [Table(columns=differing, rows=found.differing) if found.differing else same]),
            Section("What comes of it", [summary(found)]),
            Section("Pair by pair", [scatter(found)]),
            Section("Runs that match", [_matched(found)]),
            *([Section("Runs that do not match", [Text(ALONE), left])] if left.rows else []),
            Section("How intervals were computed", [Text(HOW)]),
        ),
        numbers=comparison_json(found),
        table=found.pairs,
    )  # fmt: skip


def _card(each: Compared) -> Card:
    difference = each.difference
    is_open = difference.interval is not None and not difference.sign
    means = [_mean(which, each) for which in ("first", "second")]
    interval = ("95 %: " if difference.interval else "") + interval_words(each)
    lines = [Text(interval), Text(f"mean from {' to '.join(means)}")]
    if is_open:
        lines.append(Text("the interval holds 0", is_warning=True))
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
        Column("point", lambda row: row["point"] or "the only one"),
        Column("difference", difference, unit=main.unit, form=main.signed),
        *(Column(side, value, unit=main.title, form=main.form)
          for side, value in zip(sides(found), (first, second), strict=True)),
        *(Column(f"run of {name}", key, is_code=True)
          for name, key in zip(found.names, ("run_id", "run_id_second"), strict=True)),
    ]  # fmt: skip
    return Table(columns=columns, rows=found.pairs.rows(named=True), is_tall=True)


def _mean(which: str, each: Compared) -> str:
    return each.metric.form.format(getattr(each, which).mean())
