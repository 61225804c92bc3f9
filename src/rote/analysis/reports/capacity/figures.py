"""The figures of a capacity report, each with its caption."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from rote.analysis.drawing import ACCENT, GREY, INK, logarithmic_numbers
from rote.analysis.estimators import mean_over_seeds
from rote.analysis.fits.plateau import Plateau
from rote.analysis.marks import Layer
from rote.analysis.metrics import METRICS
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.published import (
    LENGTH,
    PUBLISHED_ALPHAS,
    VOCAB_SIZE,
    PublishedAlpha,
    is_comparable,
    other_data,
)
from rote.analysis.quantities.convergence import ENDED_BY, NOT_CONVERGED, converged
from rote.analysis.reports.capacity import wording
from rote.analysis.reports.capacity.study import Capacity, Study
from rote.analysis.results import Curve
from rote.analysis.typeset import plural

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
        "size are set side by side so that they can be told apart. "
        "The band is the mean over sizes, each weighted by its plateau's error and the spread "
        "between sizes together (random effects); single sizes differ by that spread."
    ),
    "training_curves": (
        "Memorised bits as logged while training; the darker a line, the more data. A run has "
        "converged when its growth per 1,000 steps has fallen below the budget's threshold, a run "
        "with a full-batch finish when the gain that this still predicts has."
    ),
    "heads": (
        "Heads are no parameters. Intervals are of the plateaus; small marks are the most that a "
        "run of each seed stored. The mean over sizes, and every other figure, takes of each size "
        "the heads with which a run memorised most, the luckiest included. Published values do "
        "not state their heads."
    ),
    "budgets": (
        "B(T) = B<sub>&infin;</sub> - a T<sup>-b</sup> over training budgets T, fitted to all "
        "data sets and seeds of a model with one b; the interval holds all B<sub>&infin;</sub> "
        "that an F test does not reject. Budgets of a run with a finish, or at a constant rate, "
        "are parts of it; other budgets are runs of their own, of which the longest is the one "
        "that counts everywhere else."
    ),
}
BITS, ENTROPY, SIZE = "memorised_bits", "entropy_bits", "parameters"
ALPHA = METRICS["capacity_bits_per_parameter"].label
DOUBTFUL = "not converged, or no plateau"
DOTTED, FINE = (0, (1, 1)), (0, (1, 3))
SMALL = {"markersize": 2.5, "alpha": 0.45, "zorder": 1.5}  # single runs
VISIBLY = 0.03  # of the entropy: a ceiling as much below it is a line of its own
SIDE_STEP = 1.025  # factor between the formats of one size, so that their intervals stay apart
REACH = 1.5  # times the measured sizes: as far away published sizes are drawn
FURTHER = 16.0  # times the largest budget: how far a fitted curve is drawn
MOST_POINTS = 200  # of a training curve


def memorised_bits(study: Study) -> Plot:
    """Against the entropy of the data: a panel a depth, a colour a width, a dash a format."""
    runs = study.runs
    ceilings = runs.group_by(ENTROPY).agg(pl.col("ceiling_bits").mean().alias(BITS)).sort(ENTROPY)
    differ = runs.filter(pl.col("ceiling_bits") < (1 - VISIBLY) * pl.col(ENTROPY)).height > 0
    entropies = ceilings.select(ENTROPY, pl.col(ENTROPY).alias(BITS)).filter(differ)
    # A logarithmic axis has no place for a run that memorised nothing.
    single = pl.concat([_single(each) for each in study.best]).filter(pl.col(BITS) > 0)
    by = ["depth", "width", "format", ENTROPY]
    means = tidy(
        part.select(by).row(0, named=True)
        | {BITS: mean_over_seeds(part[BITS]), "unconverged": part["unconverged"].any()}
        for part in single.partition_by(by, maintain_order=True)
    )
    levels, intervals = _plateaus(study)
    looks = {"x": ENTROPY, "y": BITS, "hue": "width", "style": "format"}
    hollow = {"hollow": "unconverged", "hollow_label": NOT_CONVERGED}
    lowest = single[BITS].min() if single.height else runs[ENTROPY].min()
    highest = max(runs[BITS].max(), runs[ENTROPY].min())  # type: ignore[type-var]
    return Plot(
        name="memorised_bits",
        title=wording.all_hold(study),
        caption=CAPTIONS["memorised_bits"],
        panel="depth",
        x=Axis(label=METRICS[ENTROPY].label, is_log=True),
        y=Axis(label=METRICS[BITS].label, is_log=True, low=lowest / 1.3, high=1.8 * highest),  # type: ignore[operator]
        layers=[
            Layer(frame=means, kind="line", **looks),
            Layer(frame=means, **looks, **hollow),
            Layer(frame=single, **looks, **hollow, look=SMALL),
            Layer(frame=levels, kind="line", **looks, look={"linewidth": 0.8}),
            Layer(frame=intervals, **looks, look={"marker": "_", "elinewidth": 1.6}),
            Layer(frame=ceilings, kind="line", x=ENTROPY, y=BITS, look={"linestyle": DOTTED},
                  label="all that can be memorised"),
            Layer(frame=entropies, kind="line", x=ENTROPY, y=BITS, label="entropy",
                  look={"linestyle": DOTTED, "color": "#C9C9C9"}),
        ],
        finish=lambda panels: [_count_sequences(axes, runs) for axes in panels.values()] and None,
    )  # fmt: skip


def _single(capacity: Capacity) -> pl.DataFrame:
    return capacity.runs.select(
        "format", ENTROPY, BITS,
        depth=pl.lit(plural(capacity.runs["size.num_layers"][0], "layer")),
        width=pl.format("width {}", "size.width"),
        unconverged=~pl.col("training.converged"),
    )  # fmt: skip


def _plateaus(study: Study) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A line each from where the data equal it to the most data, and its interval at that end."""
    lines, ends = [], []
    far = float(study.runs[ENTROPY].max())  # type: ignore[arg-type]
    for place, each in enumerate(study.best):
        if isinstance(each.plateau, Plateau):
            row = _single(each).select("depth", "width", "format").row(0, named=True)
            low, high = each.plateau.interval_bits
            bits = {BITS: each.capacity_bits}
            lines += [row | bits | {ENTROPY: x} for x in sorted((each.capacity_bits, far))]
            ends.append(
                row | bits | {ENTROPY: far * SIDE_STEP ** (2 * place + 2)}
                | {f"{BITS}_low": low, f"{BITS}_high": high}
            )  # fmt: skip
    return tidy(lines), tidy(ends)


def _count_sequences(axes: Axes, runs: pl.DataFrame) -> None:
    """A second axis on top, where all sequences hold equally many bits."""
    each_bits = runs.select(pl.col(ENTROPY) / pl.col("task.num_sequences"))[ENTROPY].to_numpy()
    if np.ptp(each_bits) > 1e-6 * each_bits.max():
        return
    bits = each_bits[0]
    top = axes.secondary_xaxis("top", functions=(lambda x: x / bits, lambda x: x * bits))
    logarithmic_numbers(top.xaxis, [limit / bits for limit in axes.get_xlim()])
    top.set_xlabel(METRICS["task.num_sequences"].label, fontsize=8)
    top.tick_params(labelsize=8)


def bits_per_parameter(study: Study) -> Plot:
    """Against parameters; of published values those of sizes like the measured ones."""
    rows, maxima, means = [], [], []
    for place, alpha in enumerate(study.alphas):
        aside = SIDE_STEP ** (2 * place + 1 - len(study.alphas))
        for each in alpha.capacities:
            row = {"format": alpha.format, SIZE: each.parameters * aside}
            rows.append(row | {"bits": each.bits_per_parameter, "doubtful": bool(each.doubts)})
            maxima += [row | {"bits": bits / each.parameters} for bits in each.seed_maxima_bits]
        if alpha.slope:
            sizes = [each.parameters for each in alpha.fitted]
            ends = min(sizes) / SIDE_STEP**3, max(sizes) * SIDE_STEP**3
            mean = alpha.bits_per_parameter
            means += [{"format": alpha.format, SIZE: end, "bits": mean} for end in ends]
    near, far = _published(study)
    looks = {"x": SIZE, "y": "bits", "hue": "format", "style": "format"}
    listed = "; ".join(_listed(each) for each in far)
    return Plot(
        name="bits_per_parameter",
        title=wording.alphas_compared(study),
        caption=CAPTIONS["bits_per_parameter"]
        + (
            f" Published, of GPT-2 blocks, {VOCAB_SIZE:,} symbols and {LENGTH} tokens a sequence, "
            f"of sizes beyond this figure: {listed}."
            if listed
            else ""
        ),
        x=Axis(label=METRICS[SIZE].label, is_log=True),
        y=Axis(label=ALPHA),
        layers=[
            Layer(frame=tidy(rows), **looks, hollow="doubtful", hollow_label=DOUBTFUL),
            Layer(frame=tidy(maxima), **looks, look=SMALL),
            Layer(frame=tidy(means), kind="line", **looks),
            Layer(frame=tidy(means), kind="band", **looks,
                  label="mean over the sizes, 95 % interval"),
            Layer(frame=tidy(map(_mark, near)), x=SIZE, y="bits", style="precision",
                  look={"color": INK, "zorder": 4}),
        ],
    )  # fmt: skip


def _published(study: Study) -> tuple[list[PublishedAlpha], list[PublishedAlpha]]:
    """Comparable with these models and formats: of sizes like theirs, and of others."""
    alphas = [alpha for alpha in study.alphas if wording.published(alpha)[0]]
    found = [
        each
        for each in PUBLISHED_ALPHAS
        if any(each.has_precision(alpha.precision) for alpha in alphas)
    ]
    sizes = [each.parameters for alpha in alphas for each in alpha.capacities]
    near = [
        each for each in found if min(sizes) / REACH <= (each.parameters or 0) <= REACH * max(sizes)
    ]
    return near, [each for each in found if each not in near]


def _mark(each: PublishedAlpha) -> dict[str, Any]:
    precision = f"published, {each.precision} ({VOCAB_SIZE:,} symbols, {LENGTH} tokens)"
    return {SIZE: each.parameters, "bits": each.bits_per_parameter, "precision": precision}


def _listed(each: PublishedAlpha) -> str:
    return f"{each.model} {each.bits_per_parameter:.2f} in {each.precision} ({each.source})"


def heads(study: Study) -> Plot | None:
    """Bits per parameter against heads at equal parameters; None where no size has several."""
    numbers: dict[tuple[Any, ...], set[int | None]] = {}
    for each in study.capacities:
        numbers.setdefault((each.size, each.format), set()).add(each.num_heads)
    shown = [
        each
        for each in study.capacities
        if each.num_heads and len(numbers[each.size, each.format]) > 1
    ]
    if not shown:
        return None
    row = {id(each): {"heads": each.num_heads, "shape": each.shape, "format": each.format}
           for each in shown}  # fmt: skip
    capacities = tidy(
        row[id(each)] | {"bits": each.bits_per_parameter, "doubtful": bool(each.doubts)}
        for each in shown
    )
    maxima = tidy(
        row[id(each)] | {"bits": bits / each.parameters}
        for each in shown
        for bits in each.seed_maxima_bits
    )
    published = tidy(
        {"shape": each.shape, "bits": value} for each in shown for value in published_of(each)
    )
    looks = {"x": "heads", "y": "bits", "hue": "shape", "style": "format"}
    ticks = sorted({each.num_heads for each in shown if each.num_heads})

    def finish(panels: Mapping[Any, Axes]) -> None:
        for axes in panels.values():
            axes.set_xticks(ticks, [str(number) for number in ticks])
            axes.minorticks_off()

    return Plot(
        name="heads",
        title=wording.heads_compared(shown),
        caption=CAPTIONS["heads"],
        x=Axis(label=f"attention {METRICS['size.num_heads'].label}", is_log=True),
        y=Axis(label=ALPHA),
        layers=[
            Layer(frame=capacities, kind="line", **looks),
            Layer(frame=capacities, **looks, hollow="doubtful", hollow_label=DOUBTFUL),
            Layer(frame=maxima, **looks, look=SMALL),
            Layer(frame=published, kind="across", y="bits", hue="shape",
                  look={"linestyle": FINE}, label="published, heads not stated"),
        ],
        finish=finish,
    )  # fmt: skip


def published_of(capacity: Capacity) -> list[float]:
    """Bits per parameter of the same shape, precision and data, of GPT-2 blocks."""
    first = capacity.runs.row(0, named=True)
    if not is_comparable(first) or other_data(first):
        return []
    return [
        each.bits_per_parameter
        for each in PUBLISHED_ALPHAS
        if each.model == capacity.shape and each.has_precision(capacity.precision)
    ]


def budgets(study: Study) -> Plot | None:
    """Bits per parameter against the training budget, a panel a capacity, with its limit."""
    repeated = [each for each in study.best if each.budgets]
    if not repeated:
        return None
    measured = pl.concat(map(_measured, repeated))
    curves = [_extrapolated(each) for each in repeated if each.limit]
    units = dict.fromkeys(each.budgets.unit for each in repeated if each.budgets)
    layers = []
    for is_most, label in ((False, "others"), (True, "data set of which most is stored")):
        part = measured.filter(is_most=is_most)
        look = {"color": INK if is_most else GREY, "markersize": 4 if is_most else 2.5}
        thin = {"color": look["color"], "linewidth": 1.4 if is_most else 0.8}
        layers += [
            Layer(frame=part, kind="line", x="budget", y="bits", each="run", look=thin),
            Layer(frame=part, x="budget", y="bits", label=label, look=look),
        ]
    if curves:
        fitted = pl.concat(curves)
        thin = {"color": ACCENT, "linewidth": 1}
        layers += [
            Layer(frame=fitted, kind="line", x="budget", y="bits", label="fitted",
                  look=thin | {"linestyle": "--"}),
            Layer(frame=fitted, kind="across", y="limit", look=thin),
            Layer(frame=fitted, kind="band", x="budget", y="limit", look={"color": ACCENT},
                  label="unlimited budget, 95 % interval"),
        ]  # fmt: skip
    return Plot(
        name="budgets",
        title=wording.limits_found(repeated),
        caption=CAPTIONS["budgets"],
        panel="panel",
        num_columns=_columns(repeated),
        panel_inches=2.3 if _columns(repeated) == 2 else 1.6,
        shares_y=False,
        x=Axis(label=" or ".join(units), is_log=True),
        y=Axis(label=METRICS["bits_per_parameter"].label),
        layers=layers,
    )


def _measured(capacity: Capacity) -> pl.DataFrame:
    assert capacity.budgets is not None
    return tidy(
        {
            "panel": f"{capacity.model}, {capacity.format}", "run": each.run_ids[-1],
            "is_most": each is capacity.budgets.most, "budget": float(budget),
            "bits": bits / capacity.parameters,
        }
        for each in capacity.budgets.trained
        for budget, bits in zip(each.curve.budgets, each.curve.bits, strict=True)
    )  # fmt: skip


def _extrapolated(capacity: Capacity) -> pl.DataFrame:
    """The fitted curve, and its limit with the interval."""
    assert capacity.budgets is not None and capacity.limit is not None
    limit, trained = capacity.limit, capacity.budgets.most.curve.budgets
    ratios = np.geomspace(min(trained) / max(trained), FURTHER, 200)
    low, high = limit.interval_bits
    return pl.DataFrame(
        {"budget": max(trained) * ratios, "bits": limit.predict(ratios) / capacity.parameters}
    ).with_columns(
        panel=pl.lit(f"{capacity.model}, {capacity.format}"),
        limit=limit.bits / capacity.parameters,
        limit_low=low / capacity.parameters,
        limit_high=high / capacity.parameters,
    )


def training_curves(study: Study, curves: Mapping[str, Curve]) -> Plot:
    """Memorised bits against optimiser steps, a panel a size and format, a line a run."""
    capacities = sorted(study.best, key=lambda each: each.parameters)
    names = {id(each): f"{each.model}, {each.format}" for each in capacities}
    data = "data_bits_per_parameter"
    lines = [
        _thinned(curves[run_id]).with_columns(
            pl.lit(names[id(each)]).alias("panel"), pl.lit(amount).alias(data), run=pl.lit(run_id)
        )
        for each in capacities
        for run_id, amount in each.runs.select("run_id", data).iter_rows()
    ]
    plateaus = tidy(
        {"panel": names[id(each)], BITS: each.capacity_bits}
        for each in capacities
        if isinstance(each.plateau, Plateau)
    )
    has_finish = ENDED_BY in study.longest.columns
    finish = ", then evaluations of the finish" if has_finish else ""
    return Plot(
        name="training_curves",
        title=converged(study.longest),
        caption=CAPTIONS["training_curves"],
        panel="panel",
        num_columns=_columns(capacities),
        panel_inches=2.2 if _columns(capacities) == 2 else 1.5,
        shares_y=False,
        x=Axis(label=METRICS["training.steps"].label + finish, form="count"),
        y=Axis(label=METRICS[BITS].label, form="count"),
        layers=[
            Layer(frame=pl.concat(lines), kind="line", x="step", y=BITS, each="run", shade=data,
                  label=METRICS[data].label, look={"linewidth": 1}),
            Layer(frame=plateaus, kind="across", y=BITS, label="fitted plateau",
                  look={"color": ACCENT, "linestyle": "--"}),
        ],
    )  # fmt: skip


def _thinned(curve: Curve) -> pl.DataFrame:
    places = np.unique(np.linspace(0, len(curve) - 1, min(MOST_POINTS, len(curve))).astype(int))
    rows = [(float(curve[place]["step"]), float(curve[place][BITS])) for place in places]
    return pl.DataFrame(rows, schema=["step", BITS], orient="row")


def _columns(panels: Sequence[Capacity]) -> int:
    return 2 if len(panels) <= 8 else 4
