"""Plot capacity over data, over sizes and over heads."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from rote.analysis.estimate import plural
from rote.analysis.figures import INK, logarithmic_numbers
from rote.analysis.fits.plateau import Plateau
from rote.analysis.marks import FAINT, Layer, runs_and_means
from rote.analysis.metrics import METRICS
from rote.analysis.plot import Axis, Plot, means, tidy
from rote.analysis.published import (
    LENGTH,
    PUBLISHED_ALPHAS,
    VOCAB_SIZE,
    PublishedAlpha,
    is_comparable,
    other_data,
)
from rote.analysis.quantities.convergence import NOT_CONVERGED
from rote.analysis.reports.capacity import wording
from rote.analysis.reports.capacity.study import CapacityOfSize, Study

CAPTIONS = {
    "memorised_bits": (
        "Memorised bits are the entropy of the training data, which is known exactly, minus the "
        "code length of the same data under the trained model, all tokens scored. Small marks are "
        "runs, large ones means over seeds with 95 % intervals (Student's t); the bars at the "
        "right end are 95 % intervals of the fitted plateaus. A set of N "
        "distinct sequences has no order to be memorised: no model codes it in less than "
        "N log<sub>2</sub> N bits, which leaves the line of all that can be memorised. "
        "The plateau C is fitted to "
        "B(H) = (H<sup>-p</sup> + C<sup>-p</sup>)<sup>-1/p</sup>, a soft minimum of that line and "
        "a capacity, by least squares on relative residuals; where three data-set sizes lie beyond "
        "the knee it may fall there as H<sup>-f</sup>, and C is its top. A run far below capacity "
        "says nothing about C or its noise and is no degree of freedom."
    ),
    "bits_per_parameter": (
        "Fitted plateau over all parameters, the tied embedding counted once, with its 95 % "
        "interval; small marks are the most that a run of each seed stored. The formats of one "
        "size stand side by side. "
        "The band is the mean over sizes, each weighted by its plateau's error and the spread "
        "between sizes together (random effects); single sizes differ by that spread."
    ),
    "heads": (
        "Heads are no parameters. Intervals are of the plateaus; small marks are the most that a "
        "run of each seed stored. The mean over sizes, and every other figure, takes of each size "
        "the heads with which a run memorised most, the luckiest included. Published values do "
        "not state their heads."
    ),
}
BITS, ENTROPY, SIZE = "memorised_bits", "entropy_bits", "parameters"
ALPHA = METRICS["capacity_bits_per_parameter"].label
DOUBTFUL = "not converged, or no plateau"
DOTTED, FINE = (0, (1, 1)), (0, (1, 3))
VISIBLY = 0.03  # share of the entropy: a ceiling so far below it gets its own line
SIDE_STEP = 1.025  # factor between the formats of one size, which separates their intervals
REACH = 1.5  # times the measured sizes: published ones are drawn up to here


def memorised_bits(study: Study) -> Plot:
    """Plot over the data's entropy: a panel per depth, a colour per width, dashes per format."""
    runs = study.runs
    ceilings = runs.group_by(ENTROPY).agg(pl.col("ceiling_bits").mean().alias(BITS)).sort(ENTROPY)
    is_lower = pl.col("ceiling_bits") < (1 - VISIBLY) * pl.col(ENTROPY)
    entropies = ceilings.select(ENTROPY, pl.col(ENTROPY).alias(BITS))
    # A logarithmic axis cannot show a run that memorised nothing.
    single = pl.concat(map(_single, study.best)).filter(pl.col(BITS) > 0)
    by = ["depth", "width", "format", ENTROPY]
    marked = single.with_columns(pl.col("unconverged").any().over(by))
    averages = means(marked, BITS, by=[*by, "unconverged"])
    levels, intervals = _plateaus(study)
    looks: dict[str, Any] = {"x": ENTROPY, "y": BITS, "hue": "width", "style": "format"}
    dotted: dict[str, Any] = {"x": ENTROPY, "y": BITS, "kind": "line"}
    stored, smallest = single[BITS].to_numpy(), runs[ENTROPY].to_numpy().min()

    def finish(panels: Mapping[Any, Axes]) -> None:
        for axes in panels.values():
            _count_sequences(axes, runs)

    return Plot(
        name="memorised_bits",
        title=wording.all_hold(study),
        caption=CAPTIONS["memorised_bits"],
        panel="depth",
        x=Axis(label=METRICS[ENTROPY].label, is_log=True),
        y=Axis(
            label=METRICS[BITS].label, is_log=True, low=stored.min(initial=smallest) / 1.3,
            high=1.8 * stored.max(initial=smallest),
        ),
        layers=[
            *runs_and_means(
                single, averages, hollow="unconverged", hollow_label=NOT_CONVERGED, **looks
            ),
            Layer(frame=levels, kind="line", look={"linewidth": 0.8}, **looks),
            Layer(frame=intervals, look={"marker": "_", "elinewidth": 1.6}, **looks),
            Layer(
                frame=ceilings, label="all that can be memorised", look={"linestyle": DOTTED},
                **dotted,
            ),
            Layer(
                frame=entropies if runs.filter(is_lower).height else entropies.clear(),
                label="entropy", look={"linestyle": DOTTED, "color": "#C9C9C9"}, **dotted,
            ),
        ],
        finish=finish,
    )  # fmt: skip


def _single(capacity: CapacityOfSize) -> pl.DataFrame:
    return capacity.runs.select(
        "format", ENTROPY, BITS,
        depth=pl.lit(plural(capacity.runs["size.num_layers"][0], "layer")),
        width=pl.format("width {}", "size.width"),
        unconverged=~pl.col("training.converged"),
    )  # fmt: skip


def _plateaus(study: Study) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a line per plateau, from data equal to it to the most data, and an interval there."""
    lines, ends = [], []
    far = float(study.runs[ENTROPY].to_numpy().max())
    for place, each in enumerate(study.best, start=1):
        if isinstance(each.plateau, Plateau):
            row = _single(each).select("depth", "width", "format").row(0, named=True)
            low, high = each.plateau.interval_bits
            row[BITS] = each.capacity_bits
            lines += [row | {ENTROPY: x} for x in sorted((each.capacity_bits, far))]
            beyond = far * SIDE_STEP ** (2 * place)
            ends.append(row | {ENTROPY: beyond, f"{BITS}_low": low, f"{BITS}_high": high})
    return tidy(lines), tidy(ends)


def _count_sequences(axes: Axes, runs: pl.DataFrame) -> None:
    """Add a second axis on top if all sequences hold equally many bits."""
    each_bits = runs.select(pl.col(ENTROPY) / pl.col("task.num_sequences"))[ENTROPY].to_numpy()
    if np.ptp(each_bits) > 1e-6 * each_bits.max():
        return
    bits = each_bits[0]
    top = axes.secondary_xaxis("top", functions=(lambda x: x / bits, lambda x: x * bits))
    logarithmic_numbers(top.xaxis, [limit / bits for limit in axes.get_xlim()])
    top.set_xlabel(METRICS["task.num_sequences"].label, fontsize=8)
    top.tick_params(labelsize=8)


def bits_per_parameter(study: Study) -> Plot:
    """Plot over parameters, with the published values of sizes near the measured ones."""
    formats = [alpha.format for alpha in study.alphas]
    sides = [SIDE_STEP ** (2 * place + 1 - len(formats)) for place in range(len(formats))]
    aside = pl.col(SIZE) * pl.col("format").replace_strict(formats, sides)
    averages = []
    for alpha in study.alphas:
        sizes = [each.parameters for each in alpha.fitted]
        ends = (min(sizes) / SIDE_STEP**3, max(sizes) * SIDE_STEP**3) if sizes else ()
        row = {"format": alpha.format, "bits": alpha.bits_per_parameter}
        averages += [row | {SIZE: end} for end in ends]
    near, far = _published(study)
    looks: dict[str, Any] = {"x": SIZE, "y": "bits", "hue": "format", "style": "format"}
    band = "mean over the sizes, 95 % interval"
    return Plot(
        name="bits_per_parameter",
        title=wording.alphas_compared(study),
        caption=CAPTIONS["bits_per_parameter"] + far,
        x=Axis(label=METRICS[SIZE].label, is_log=True),
        y=Axis(label=ALPHA),
        layers=[
            *_capacities(study.best, looks, aside.alias(SIZE)),
            Layer(frame=tidy(averages), kind="line", **looks),
            Layer(frame=tidy(averages), kind="band", label=band, **looks),
            Layer(
                frame=near, x=SIZE, y="bits", style="precision", look={"color": INK, "zorder": 4}
            ),
        ],
    )


def _capacities(
    capacities: Iterable[CapacityOfSize], looks: Mapping[str, Any], *moved: pl.Expr
) -> list[Layer]:
    """Return a mark per capacity with its interval, and a small one per seed's maximum."""
    rows, maxima = [], []
    for each in capacities:
        row = {"format": each.format, "shape": each.shape, "heads": each.num_heads}
        row[SIZE] = each.parameters
        rows.append(row | {"bits": each.bits_per_parameter, "doubtful": bool(each.doubts)})
        maxima += [row | {"bits": bits / each.parameters} for bits in each.seed_maxima_bits]
    marks, single = (tidy(each).with_columns(*moved) for each in (rows, maxima))
    return [
        Layer(frame=marks, hollow="doubtful", hollow_label=DOUBTFUL, **looks),
        Layer(frame=single, look=FAINT, **looks),
    ]


def _published(study: Study) -> tuple[pl.DataFrame, str]:
    """Return comparable published values: marks of nearby sizes, and a text of the others."""
    alphas = [alpha for alpha in study.alphas if wording.published(alpha)[0]]
    sizes = [each.parameters for alpha in alphas for each in alpha.capacities]
    marks, words = [], []
    for each in PUBLISHED_ALPHAS:
        size, bits = each.parameters or 0, each.bits_per_parameter
        if not any(each.has_precision(alpha.precision) for alpha in alphas):
            continue
        if min(sizes) / REACH <= size <= REACH * max(sizes):
            name = f"published, {each.precision} ({VOCAB_SIZE:,} symbols, {LENGTH} tokens)"
            marks.append({SIZE: size, "bits": bits, "precision": name})
        else:
            words.append(f"{each.model} {bits:.2f} in {each.precision} ({each.source})")
    start = f" Published of other sizes of GPT-2, {VOCAB_SIZE:,} symbols, {LENGTH} tokens: "
    return tidy(marks), f"{start}{'; '.join(words)}." if words else ""


def heads(study: Study) -> Plot | None:
    """Plot bits per parameter over heads at equal parameters; None if no size has several."""
    tried = Counter((each.size, each.format) for each in study.capacities)
    shown = [
        each for each in study.capacities if tried[each.size, each.format] > 1 and each.num_heads
    ]
    if not shown:
        return None
    published = tidy(
        {"shape": each.shape, "bits": row.bits_per_parameter}
        for each in shown
        for row in published_of(each)
    )
    looks: dict[str, Any] = {"x": "heads", "y": "bits", "hue": "shape", "style": "format"}
    marks, single = _capacities(shown, looks)
    ticks = sorted({each.num_heads for each in shown if each.num_heads})

    def finish(panels: Mapping[Any, Axes]) -> None:
        panels[None].set_xticks(ticks, [str(number) for number in ticks])
        panels[None].minorticks_off()

    return Plot(
        name="heads",
        title=wording.heads_compared(shown),
        caption=CAPTIONS["heads"],
        x=Axis(label=f"attention {METRICS['size.num_heads'].label}", is_log=True),
        y=Axis(label=ALPHA),
        layers=[
            Layer(frame=marks.frame, kind="line", **looks),
            marks,
            single,
            Layer(
                frame=published, kind="across", y="bits", hue="shape", look={"linestyle": FINE},
                label="published, heads not stated",
            ),
        ],
        finish=finish,
    )  # fmt: skip


def published_of(capacity: CapacityOfSize) -> list[PublishedAlpha]:
    """Return published values of the same shape, precision and data, for GPT-2 blocks."""
    first = capacity.runs.row(0, named=True)
    if not is_comparable(first) or other_data(first):
        return []
    of_shape = [each for each in PUBLISHED_ALPHAS if each.model == capacity.shape]
    return [each for each in of_shape if each.has_precision(capacity.precision)]
