"""Plot training: bits over budgets with their limit, and over steps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.figures import ACCENT, GREY, INK
from rote.analysis.fits.plateau import Plateau
from rote.analysis.marks import Layer
from rote.analysis.metrics import METRICS
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.quantities.convergence import ENDED_BY, converged
from rote.analysis.reports.capacity import wording
from rote.analysis.reports.capacity.study import CapacityOfSize, Study
from rote.analysis.results import Curve

CAPTIONS = {
    "training_curves": (
        "Memorised bits as logged while training; the darker a line, the more data. A run has "
        "converged when its growth per 1,000 steps has fallen below the budget's threshold, a run "
        "with a full-batch finish when the gain that this still predicts has."
    ),
    "budgets": (
        "B(T) = B<sub>&infin;</sub> - a T<sup>-b</sup> over training budgets T, fitted to all "
        "data sets and seeds of a model with one b; the interval holds all B<sub>&infin;</sub> "
        "that an F test does not reject. Budgets of a run with a finish, or at a constant rate, "
        "are parts of it; other budgets are runs of their own, of which the longest is the one "
        "that counts everywhere else."
    ),
}
BITS, DATA = "memorised_bits", "data_bits_per_parameter"
FURTHER = 16.0  # times the largest budget: the end of fitted curves
MOST_POINTS = 200  # points per training curve


def budgets(study: Study) -> Plot | None:
    """Plot bits per parameter over the training budget, a panel per capacity, with its limit."""
    repeated = [each for each in study.best if each.budgets]
    if not repeated:
        return None
    measured = tidy(row for each in repeated for row in _measured(each))
    limits = [_extrapolated(each) for each in repeated if each.limit]
    fitted = pl.concat(limits) if limits else pl.DataFrame()
    units = dict.fromkeys(each.budgets.unit for each in repeated if each.budgets)
    place: dict[str, Any] = {"x": "budget", "y": "bits"}
    layers = []
    for is_most, colour, width, label in (
        (False, GREY, 0.8, "others"), (True, INK, 1.4, "data set of which most is stored"),
    ):  # fmt: skip
        part, line = measured.filter(is_most=is_most), {"color": colour, "linewidth": width}
        dots = {"color": colour, "markersize": 3 * width}
        layers += [
            Layer(frame=part, kind="line", each="run", look=line, **place),
            Layer(frame=part, label=label, look=dots, **place),
        ]
    thin = {"color": ACCENT, "linewidth": 1}
    return _in_panels(
        repeated,
        name="budgets",
        title=wording.limits_found(repeated),
        x=Axis(label=" or ".join(units), is_log=True),
        y=Axis(label=METRICS["bits_per_parameter"].label),
        layers=[
            *layers,
            Layer(
                frame=fitted, kind="line", label="fitted", look=thin | {"linestyle": "--"}, **place
            ),
            Layer(frame=fitted, kind="across", y="limit", look=thin),
            Layer(
                frame=fitted, kind="band", x="budget", y="limit", look={"color": ACCENT},
                label="unlimited budget, 95 % interval",
            ),
        ],
    )  # fmt: skip


def _measured(capacity: CapacityOfSize) -> Iterable[dict[str, Any]]:
    assert capacity.budgets is not None
    for each in capacity.budgets.trained:
        for budget, bits in zip(each.curve.budgets, each.curve.bits, strict=True):
            yield {
                "panel": capacity.name, "run": each.run_ids[-1],
                "is_most": each is capacity.budgets.most, "budget": float(budget),
                "bits": bits / capacity.parameters,
            }  # fmt: skip


def _extrapolated(capacity: CapacityOfSize) -> pl.DataFrame:
    """Return the fitted curve, and its limit with the interval."""
    assert capacity.budgets is not None and capacity.limit is not None
    limit, trained = capacity.limit, capacity.budgets.most.curve.budgets
    ratios = np.geomspace(min(trained) / max(trained), FURTHER, 200)
    ends = (limit.bits, *limit.interval_bits)
    names = ("limit", "limit_low", "limit_high")
    constant = {name: bits / capacity.parameters for name, bits in zip(names, ends, strict=True)}
    curve = {"budget": max(trained) * ratios, "bits": limit.predict(ratios) / capacity.parameters}
    return pl.DataFrame(curve | constant | {"panel": capacity.name})


def training_curves(study: Study, curves: Mapping[str, Curve]) -> Plot:
    """Plot memorised bits over optimiser steps, a panel per size and format, a line per run."""
    capacities = sorted(study.best, key=lambda each: each.parameters)
    lines = tidy(
        {"panel": each.name, "run": run_id, DATA: data, "step": row["step"], BITS: row[BITS]}
        for each in capacities
        for run_id, data in each.runs.select("run_id", DATA).iter_rows()
        for row in _thinned(curves[run_id])
    )
    fitted = [each for each in capacities if isinstance(each.plateau, Plateau)]
    plateaus = tidy({"panel": each.name, BITS: each.capacity_bits} for each in fitted)
    has_finish = ENDED_BY in study.longest.columns
    then = ", then evaluations of the finish" if has_finish else ""
    return _in_panels(
        capacities,
        name="training_curves",
        title=converged(study.longest),
        x=Axis(label=METRICS["training.steps"].label + then, form="count"),
        y=Axis(label=METRICS[BITS].label, form="count"),
        layers=[
            Layer(
                frame=lines, kind="line", x="step", y=BITS, each="run", shade=DATA,
                label=METRICS[DATA].label, look={"linewidth": 1},
            ),
            Layer(
                frame=plateaus, kind="across", y=BITS, label="fitted plateau",
                look={"color": ACCENT, "linestyle": "--"},
            ),
        ],
    )  # fmt: skip


def _thinned(curve: Curve) -> Iterable[Mapping[str, float]]:
    places = np.linspace(0, len(curve) - 1, min(MOST_POINTS, len(curve))).astype(int)
    return (curve[place] for place in np.unique(places))


def _in_panels(panels: Sequence[CapacityOfSize], *, name: str, **parts: Any) -> Plot:
    """Build a plot with one panel per capacity."""
    is_wide = len(panels) <= 8
    return Plot(
        name=name, caption=CAPTIONS[name], panel="panel", shares_y=False,
        num_columns=2 if is_wide else 4, panel_inches=2.2 if is_wide else 1.55, **parts,
    )  # fmt: skip
