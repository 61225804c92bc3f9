"""Write a comparison as a folder like a report's: page, figures, tables, numbers, manifest."""

from collections.abc import Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from rote.analysis.comparison import Compared, Comparison, comparison_json
from rote.analysis.estimate import plural
from rote.analysis.figures import ACCENT, INK, PALETTE
from rote.analysis.marks import Layer
from rote.analysis.page import Card, Content, Section, Text, drawn, figures_of
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.report import Report, reproduce, write_content
from rote.analysis.results import Results
from rote.analysis.runs_table import RUN
from rote.analysis.table import Column, Table
from rote.io.write import readable_json

PAIR: dict[str, Any] = {"label": "one pair of runs", "look": {"color": PALETTE[0], "alpha": 0.6}}
PAIRS_HEIGHT, MEAN_HEIGHT = 0.35, -0.35  # within a row, so that neither covers the other
MEANS = (
    (True, "mean, 95 % interval without 0", ACCENT), (False, "mean, interval with 0 or none", INK),
)  # fmt: skip
OF_MEAN = {"marker": "D", "elinewidth": 2, "capsize": 4}
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
    made_by = [f"rote sweep {name}" for name in found.names]
    return write_content(
        name=" against ".join(found.names),
        question="What changes from {} to {}?".format(*sides(found)),
        content=content,
        closing=reproduce([*made_by, f"rote compare {' '.join(found.names)}"], FILES),
        sources={
            "sweeps": list(found.names),
            "figures": {each.name: run_ids for each in figures_of(content)},
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


def sides(found: Comparison) -> tuple[str, str]:
    """Name the two sides: by the value of the one setting that differs, or else by the sweep."""
    chosen = [each for each in found.differing if each.key.endswith(".name")] or found.differing
    if len(chosen) != 1:
        return found.names
    each, leaf = chosen[0], chosen[0].key.rpartition(".")[2]
    start = "" if leaf == "name" else f"{leaf}="
    return f"{start}{each.first}", f"{start}{each.second}"


def interval_words(each: Compared) -> str:
    """Format the interval of the difference, or why there is none."""
    return "equal in every pair" if each.is_equal else each.difference.span(each.metric.signed)


def verdict(each: Compared) -> str:
    """State the difference with its interval; if that holds 0, state that none is shown."""
    difference, words = each.difference, interval_words(each)
    if each.is_equal:
        return f"{each.metric.title} {words}"
    value = f"{each.metric.signed.format(difference.value)} {each.metric.unit}".strip()
    if difference.interval:
        words = f"95 % {words}, {plural(difference.n, 'pair')}"
    start = "no difference shown in " if each.is_open else ""
    return f"{start}{each.metric.title} {value} ({words})"


def against(found: Comparison) -> str:
    """Return "second against first" in the names of `sides`."""
    first, second = sides(found)
    return f"{second} against {first}"


def _less(found: Comparison) -> str:
    first, second = sides(found)
    return f"{second} less {first}"


def differences(found: Comparison) -> Plot:
    """Plot a row per metric in its own unit: each pair as a dot, the mean and interval below."""
    each_pair = _each_pair(found).with_columns(height=pl.lit(PAIRS_HEIGHT))
    means = tidy(
        {"metric": each.metric.label, "difference": each.difference, "height": MEAN_HEIGHT,
         "is_clear": each.difference.sign != 0}
        for each in found.moved
    )  # fmt: skip
    num_clear = sum(each.difference.sign != 0 for each in found.compared)
    equal = [each.metric.label for each in found.compared if each.is_equal]

    def finish(grid: Mapping[Any, Axes]) -> None:
        for axes in grid.values():
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)

    return Plot(
        name="differences",
        title=f"{against(found)}: {verdict(found.moved[0])}; "
        f"{num_clear} of {plural(len(found.compared), 'interval')} leave out 0",
        caption=f"Each dot is a pair of runs, {escape(_less(found))}; below the dots, their mean "
        "with Student's 95 % interval."
        + (f" Equal in every pair: {escape(', '.join(equal))}." if equal else ""),
        x=Axis(label=f"{_less(found)}, in the unit of each row", form="count"),
        y=Axis(label="", low=-1, high=1),
        panel="metric",
        num_columns=1,
        panel_inches=0.85,
        shares_x=False,
        layers=[
            Layer(frame=pl.DataFrame({"difference": [0.0]}), kind="upright", x="difference"),
            Layer(frame=each_pair, x="difference", y="height", **PAIR),
            *(Layer(frame=means.filter(is_clear=is_clear), x="difference", y="height", label=label,
                    look={**OF_MEAN, "color": colour})
              for is_clear, label, colour in MEANS),
        ],
        finish=finish,
    )  # fmt: skip


def scatter(found: Comparison) -> Plot:
    """Plot the difference of every pair over its mean, one panel per metric.

    Bland and Altman 1986, "Statistical methods for assessing agreement": if the two are plotted
    against each other, pairs lie on a diagonal that hides how they differ.
    """
    each_pair = _each_pair(found)
    ends = [pl.col("mean").min(), pl.col("mean").max()]
    spans = each_pair.group_by("metric", maintain_order=True).agg(mean=pl.concat_list(ends).first())
    means = tidy({"metric": each.metric.label, "difference": each.difference}
                 for each in found.moved)  # fmt: skip
    bands = spans.explode("mean").join(means, on="metric", maintain_order="left")
    main, (first, second) = found.moved[0], sides(found)
    return Plot(
        name="pairs",
        title=f"{main.metric.title}: {second} is above {first} in {main.num_higher} of "
        f"{plural(len(main.first), 'pair')}",
        caption=f"Each dot is a pair: up, {escape(_less(found))}; across, the mean of its two runs "
        "(Bland and Altman 1986). A difference that depends on the value shows as a slope, and its "
        "mean alone does not tell it.",
        x=Axis(label="mean of both", form="count"),
        y=Axis(label=_less(found), form="count"),
        panel="metric",
        num_columns=2 if len(found.moved) in (2, 4) else 3,
        panel_inches=2.4,
        shares_x=False,
        shares_y=False,
        layers=[
            Layer(frame=pl.DataFrame({"difference": [0.0]}), kind="across", y="difference",
                  label="equal", look={"linestyle": "--"}),
            Layer(frame=bands.drop_nulls(), kind="band", x="mean", y="difference",
                  label="its 95 % interval", look={"color": INK, "alpha": 0.12}),
            Layer(frame=means, kind="across", y="difference", label="mean difference",
                  look={"color": INK}),
            Layer(frame=each_pair, x="mean", y="difference", **PAIR),
        ],
    )  # fmt: skip


def _each_pair(found: Comparison) -> pl.DataFrame:
    """Return one row per metric and pair: their difference and their mean."""
    return pl.concat(
        pl.DataFrame(
            {"difference": each.second - each.first, "mean": (each.first + each.second) / 2}
        ).with_columns(metric=pl.lit(each.metric.label))
        for each in found.moved
    )


def summary(found: Comparison) -> Table:
    """Build a table with one row per metric: both means, and their difference."""

    def mean(which: str, each: Compared) -> str:
        return each.metric.form.format(getattr(each, which).mean())

    of_sweeps = [
        Column(side, partial(mean, which), unit="" if side == name else name, is_number=True)
        for side, name, which in zip(sides(found), found.names, ("first", "second"), strict=True)
    ]
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
    sweeps = map(Column, found.names, ("first", "second"))
    differing = [Column("setting", "key", is_code=True), *sweeps]
    alone = [Column("sweep", "sweep"), Column("point", "point"), RUN]
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
    difference, form = each.difference, each.metric.form
    interval = ("95 %: " if difference.interval else "") + interval_words(each)
    means = f"mean from {form.format(each.first.mean())} to {form.format(each.second.mean())}"
    doubt = "the interval holds 0" if each.is_open else ""
    return Card(
        title=each.metric.title,
        meaning="mean paired difference",
        value=each.metric.signed.format(difference.value),
        unit=each.metric.unit,
        lines=[Text(interval), Text(means), Text(doubt, is_warning=True)],
    )


def _matched(found: Comparison) -> Table:
    main = found.moved[0].metric
    first, second = (f"{main.name}.{side}" for side in ("first", "second"))
    rows = found.pairs.with_columns(difference=pl.col(second) - pl.col(first)).rows(named=True)
    columns = [
        Column("point", lambda row: row["point"] or "the only one"),
        Column("difference", "difference", unit=main.unit, form=main.signed),
        *(Column(side, value, unit=main.title, form=main.form)
          for side, value in zip(sides(found), (first, second), strict=True)),
        *(Column(f"run of {name}", key, is_code=True)
          for name, key in zip(found.names, ("run_id", "run_id_second"), strict=True)),
    ]  # fmt: skip
    return Table(columns=columns, rows=rows, is_tall=True)
