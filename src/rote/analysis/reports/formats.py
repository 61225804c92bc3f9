"""The report on number formats: bits memorised against bits stored, and per bit stored."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.estimate import extent, plural
from rote.analysis.figures import INK
from rote.analysis.marks import Layer
from rote.analysis.metrics import METRICS
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.quantities.convergence import NOT_CONVERGED, converged
from rote.analysis.quantities.formats import (
    METHODS,
    NEAREST,
    REFERENCE,
    SAME,
    Point,
    difference_over_seeds,
    format_points,
)
from rote.analysis.quantities.points import DATA
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE, unconverged
from rote.analysis.table import Column, Table

STORED, PER_BIT = METRICS["stored_bits_per_parameter"], METRICS["bits_memorised_per_bit_stored"]
MEMORISED = METRICS["bits_per_parameter"]
OTHERS = "other runs"  # in the key to marks: those of no setting that differs
KEPT_SHARE = 0.95  # of what is memorised unrounded: a format that keeps as much is named
CAPTION = (
    "A mark is a format, mean over seeds; bars are 95 % intervals over seeds, Student's t. "
    "Bits stored are those of the whole model: rounded matrices (the tied embedding among them) "
    "with their scales and zero points, norms and biases in the dtype they have. In a small model "
    "the embedding is most of the matrices, and vectors in float32 are much of what is left. "
    "Nothing can memorise more than it stores: the line. A mark at 0 is no better than "
    "a uniform guesser, and may be worse: the table has its name and number."
)
TABLE_NOTE = (
    "Kept: the share of what the same seed memorises unrounded, or, where a format was trained in, "
    f"the most that {REFERENCE} memorises of the same data. Of several sizes of data set each row "
    "takes the one of which most is memorised."
)


def make(results: Results) -> Content:
    """Raises ValueError where no run memorised data of known entropy."""
    runs, points = format_points(results.table)
    models = {each.model: [one for one in points if one.model == each.model] for each in points}
    lines = tuple(f"{name}: {words}" for name, each in models.items() for words in _findings(each))
    words = converged(runs)
    doubt = Text(words, is_warning=not runs["training.converged"].all())
    return Content(
        headlines=(*lines, words),
        setting=(
            f"{plural(len(models), 'model')} of {extent(runs['parameters'])} parameters; "
            f"{extent(runs[DATA])} sequences of known entropy; "
            f"{plural(runs['seed'].n_unique(), 'seed')}."
        ),
        cards=tuple(map(_card, models.values())),
        lead=_frontier(points),
        sections=(
            Section("Bits memorised per bit stored", [_per_bit(points)]),
            Section(
                "Formats",
                [*(Text(f"{line}.") for line in lines), doubt, _table(points), Text(TABLE_NOTE)],
            ),
            Section("Files", [Text(NOTE, is_html=True)]),
        ),
        numbers={f"{each.model}, {each.name}, {each.method}": _number(each) for each in points},
        table=runs,
    )


def _findings(points: Sequence[Point]) -> Iterator[str]:
    """Which format of a model memorises most per bit, and what training in a format gains."""
    if not _known(points):
        yield "no format memorises anything beyond doubt, so that none can be compared"
        return
    yield _densest(points)
    yield _smallest(points)
    for trained in points:
        after = SAME.get(trained.format), NEAREST, REFERENCE
        same = [each for each in points if (each.format, each.method, each.base) == after]
        if same:
            yield _gain(trained, max(same, key=lambda each: each.memorised.value))


def _known(points: Sequence[Point]) -> list[Point]:
    """Whose memorised bits are above 0 by the whole interval; without one above it at all."""
    return [each for each in points if each.memorised.ends[0] > 0]


def _densest(points: Sequence[Point]) -> str:
    """Which format memorises most per bit stored, and whether that is beyond doubt."""
    best, *others = sorted(_known(points), key=lambda each: -each.per_bit.value)
    words = (
        f"most memorised per bit stored: {_named(best)}, {best.per_bit.words(PER_BIT.form)} "
        f"at {best.stored:.2f} bits stored per parameter"
    )
    gaps = [(each, difference_over_seeds(best, each, "per_bit")) for each in others]
    alike = [each for each, gap in gaps if gap is None or gap.sign <= 0]
    if alike:
        words += f"; not told from {', '.join(map(_named, alike[:3]))}"
        words += f" and {len(alike) - 3} more" if len(alike) > 3 else ""
    return words


def _smallest(points: Sequence[Point]) -> str:
    """The fewest bits that keep nearly all."""
    known = [(each, each.kept) for each in points if each.kept and each.kept.interval]
    keeping = [(each, kept) for each, kept in known if kept.ends[0] >= KEPT_SHARE]
    wanted = f"{KEPT_SHARE:.0%} of what is memorised unrounded"
    if not keeping:
        return f"no format keeps {wanted} by the whole interval over seeds"
    least, kept = min(keeping, key=lambda pair: pair[0].stored)
    return (
        f"fewest bits stored that keep {wanted}: {_named(least)}, {least.stored:.2f} per "
        f"parameter, keeps {kept.words('{:.1%}')}"
    )


def _gain(trained: Point, rounded: Point) -> str:
    """What training in a format memorises more than the best of rounding to it afterwards.

    Less than nothing counts as nothing: who codes worse than a guesser has not memorised less.
    """
    start = f"{trained.name} against {rounded.name} after training"
    if trained.num_sequences != rounded.num_sequences:
        return f"{start}: on different data, not compared"
    gain = difference_over_seeds(trained, rounded, "counted")
    if gain is None:
        return f"{start}: no seed in common"
    verdict = "" if gain.sign else ": no difference beyond doubt"
    doubt = "" if trained.has_converged else f"; {_open(trained)}"
    guess = " (no better than a guess)" if rounded.memorised.value <= 0 else ""
    return f"{start}{guess}: {gain.words('{:+.3f}')} bits per parameter{verdict}{doubt}"


def _open(point: Point) -> str:
    return f"{unconverged(point.runs)} in it had not converged"


def _named(point: Point) -> str:
    return f"{point.name} ({point.method})"


def _card(points: Sequence[Point]) -> Card:
    known = _known(points)
    title, meaning = points[0].model, "most memorised per bit stored"
    if not known:
        words = Text("nothing is memorised beyond doubt", is_warning=True)
        return Card(title=title, meaning=meaning, value="none", lines=[words])
    best = max(known, key=lambda each: each.per_bit.value)
    lines = [
        Text(_named(best)),
        Text(f"95 %: {best.per_bit.span(PER_BIT.form)}"),
        Text(f"{best.memorised.value:.2f} bits per parameter memorised, {best.stored:.2f} stored"),
    ]
    if not best.has_converged:
        lines.append(Text(_open(best), is_warning=True))
    return Card(
        title=title, meaning=meaning, value=PER_BIT.form.format(best.per_bit.value),
        unit="bits per bit", lines=lines,
    )  # fmt: skip


def _frontier(points: Sequence[Point]) -> Plot:
    marks = _marks(points)
    most = max(float(marks["memorised"].max() or 0), 1e-3) * 1.05  # type: ignore[arg-type]
    at = np.geomspace(most / 2, most, 50)
    bound = pl.DataFrame({"stored": at, "memorised": at})
    share = float((marks["memorised"] / marks["stored"]).max() or 0.0)  # type: ignore[arg-type]
    return Plot(
        name="frontier",
        title=f"At most {share:.0%} of the bits stored are memorised"
        if share > 0
        else "No format memorises anything",
        caption=CAPTION,
        panel="model",
        x=Axis(label=STORED.label, is_log=True),
        y=Axis(label=MEMORISED.label, low=0.0),
        layers=[
            Layer(
                frame=bound, kind="line", x="stored", y="memorised", label="all that is stored",
                look={"color": INK, "linestyle": ":", "linewidth": 1},
            ),
            *_mark_layers(marks, "memorised"),
        ],
    )  # fmt: skip


def _per_bit(points: Sequence[Point]) -> Plot:
    marks = _marks(points)
    return Plot(
        name="per-bit",
        title="Bits memorised for each bit stored, in every format",
        caption=CAPTION,
        panel="model",
        x=Axis(label=STORED.label, is_log=True),
        y=Axis(label=PER_BIT.title, low=0.0),
        layers=_mark_layers(marks, "per_bit"),
    )


def _mark_layers(marks: pl.DataFrame, y: str) -> list[Layer]:
    has_settings = (marks["setting"] != OTHERS).any()
    of: dict[str, Any] = {
        "x": "stored", "y": y, "hue": "method", "style": "setting" if has_settings else "method",
        "hollow": "is_open", "hollow_label": NOT_CONVERGED,
    }  # fmt: skip
    above = pl.col(y).max().over("model", pl.col("stored").round(2))
    is_named = (pl.col(y) == above) & (pl.col(y) > 0)
    named = marks.with_columns(label=pl.when(is_named).then(pl.col("label")))
    return [
        Layer(frame=named.filter(pl.col("method") == method), text="label", **of)
        for method in METHODS
    ]


def _marks(points: Sequence[Point]) -> pl.DataFrame:
    """Without an interval where a mark stands on 0."""
    rows = tidy(
        {
            "model": each.model, "stored": each.stored, "memorised": each.memorised,
            "per_bit": each.per_bit, "method": each.method, "setting": each.setting or OTHERS,
            "format": each.name, "label": each.format.removeprefix("qat_"),
            "is_open": not each.has_converged,
        }
        for each in points
    )  # fmt: skip
    ends = [
        pl.when(pl.col(name) > 0).then(pl.col(end).cast(pl.Float64).clip(0.0)).alias(end)
        for name in ("memorised", "per_bit")
        for end in (f"{name}_low", f"{name}_high")
    ]
    return rows.with_columns(*ends, pl.col("memorised", "per_bit").clip(lower_bound=0.0))


def _table(points: Sequence[Point]) -> Table:
    form, interval = "{:.3f}", "95 % interval"
    return Table(
        rows=points,
        is_tall=True,
        columns=[
            Column("model", "model", unit="layers x width, heads"),
            Column("format", "name"),
            Column("how", "method"),
            Column.of(STORED, "stored"),
            Column("memorised", "memorised", unit=f"bits per parameter, {interval}", form=form),
            Column("kept", "kept", unit=interval, form="{:.1%}", missing="none"),
            Column("per bit stored", "per_bit", unit=interval, form=form),
            Column("held-out loss", "heldout", unit="bits per token", form=form),
            Column("sequences", "num_sequences"),
            Column("seeds", lambda each: each.memorised.n),
            Column("converged", lambda each: f"{each.num_converged} of {each.runs.height}"),
        ],
    )


def _number(point: Point) -> dict[str, Any]:
    kept = point.kept
    return {
        "stored_bits_per_parameter": point.stored,
        "bits_per_parameter": point.memorised.value,
        "interval_bits_per_parameter": point.memorised.interval,
        "bits_memorised_per_bit_stored": point.per_bit.value,
        "kept": kept and kept.value,
        "kept_interval": kept and kept.interval,
        "num_converged": point.num_converged,
        "runs": point.runs["run_id"].to_list(),
    }
