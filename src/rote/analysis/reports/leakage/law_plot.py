"""Plot F1 of the loss attack over data per size, with the law, its band and its residuals."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from rote.analysis.figures import GREY, INK
from rote.analysis.fits.membership_law import LawReading, MembershipLaw
from rote.analysis.marks import Layer
from rote.analysis.plot import Axis, Plot
from rote.analysis.quantities.leakage import SIZE
from rote.analysis.reports.leakage import law
from rote.analysis.reports.leakage.captions import CAPTIONS
from rote.analysis.reports.leakage.law import FittedReading
from rote.analysis.reports.leakage.plots import DOTTED, labels, marks
from rote.analysis.reports.leakage.sizes import Row
from rote.analysis.reports.leakage.study import Study

MARGIN, MARGIN_OF_ONE = 1.4, 2.5  # times the extremes of the runs, on each side
RATIOS = {
    LawReading.SAMPLES_PER_PARAMETER: "samples a parameter, |D| / P",
    LawReading.CAPACITY_BITS_PER_SAMPLE: "bits of capacity a sample, C / |D|",
}


def law_plot(found: Study) -> Plot:
    """Plot a column per reading, residuals below; more data are on the right in both."""
    fitted = [each for each in found.laws if isinstance(each.law, MembershipLaw)]
    guesses = pl.DataFrame([{"panel": each.name, "f1": law.CHANCE_F1} for each in found.laws])
    curves = pl.concat(map(_curve, found.laws), how="diagonal")
    dashed = {"color": GREY, "linestyle": "--", "linewidth": 1}
    layers = [
        Layer(frame=guesses, kind="across", y="f1", label="a guess", look=DOTTED),
        Layer(frame=curves, kind="line", x="ratio", y="published", label="law, published",
              look=dashed),
    ]  # fmt: skip
    if fitted:
        known, ink = curves.drop_nulls("law"), {"color": INK}
        zeros = pl.DataFrame([{"panel": _residuals(each), "f1": 0.0} for each in fitted])
        layers += [
            Layer(frame=known, kind="band", x="ratio", y="law", label="its 95 % band",
                  look={**ink, "alpha": 0.15}),
            Layer(frame=known, kind="line", x="ratio", y="law", label="law, fitted", look=ink),
            Layer(frame=zeros, kind="across", y="f1", look={"linewidth": 0.8}),
        ]  # fmt: skip
    rows = [row for each in found.laws for row in _levels(found, each)]
    singles, _, means = marks(found, rows, "ratio", "f1")
    return Plot(
        name="membership_law", title=law.title(found.laws), caption=CAPTIONS["membership_law"],
        panel="panel", shares_x=False, shares_y=False, panel_inches=2.2,
        hue_order=list(labels(found).values()),
        x=Axis(label="", is_log=True, form="ratio"), y=Axis(label=""),
        layers=[*layers, singles, means], finish=lambda axes: _finish(found, axes),
    )  # fmt: skip


def _residuals(fitted: FittedReading) -> str:
    return f"F1 less the law in {fitted.name}"


def _curve(fitted: FittedReading) -> pl.DataFrame:
    least, greatest = fitted.ratios
    margin = max(MARGIN, MARGIN_OF_ONE * least / greatest)
    ratios = np.geomspace(least / margin, greatest * margin, 300)
    curve = {"ratio": ratios, "published": fitted.published.at(ratios)}
    if isinstance(fitted.law, MembershipLaw):
        ones = np.ones_like(ratios)
        falls_away = fitted.reading is LawReading.SAMPLES_PER_PARAMETER
        low, high = fitted.law.interval(*((ratios, ones) if falls_away else (ones, ratios)))
        curve |= {"law": fitted.law.curve.at(ratios), "law_low": low, "law_high": high}
    return pl.DataFrame(curve).with_columns(panel=pl.lit(fitted.name))


def _levels(found: Study, fitted: FittedReading) -> Iterator[Row]:
    """Yield F1 at each size and N, and its residual from the law."""
    ratios = {key: part["ratio"].mean() for key, part in fitted.runs.group_by("series", SIZE)}
    for row in found.levels:
        place = row["series"], row["N"]
        if row["kind"].name != "f1" or place not in ratios:
            continue
        own = {**row, "ratio": ratios[place]}
        yield {**own, "f1": row["level"], "panel": fitted.name}
        if isinstance(fitted.law, MembershipLaw):
            law_f1 = float(fitted.law.curve.at(np.asarray(ratios[place])))
            level = row["level"]
            low, high = level.ends
            left = replace(level, value=level.value - law_f1, low=low - law_f1, high=high - law_f1)
            singles = {run_id: f1 - law_f1 for run_id, f1 in row["singles"].items()}
            yield {**own, "f1": left, "panel": _residuals(fitted), "singles": singles}


def _finish(found: Study, axes: Mapping[Any, Axes]) -> None:
    for fitted in found.laws:
        upper = axes[fitted.name]
        lower = axes.get(_residuals(fitted), upper)
        upper.set(title="", ylabel="F1, classes balanced")
        lower.set(xlim=upper.get_xlim(), xlabel=RATIOS[fitted.reading])
        for one in {upper, lower}:
            if fitted.reading is LawReading.CAPACITY_BITS_PER_SAMPLE:
                one.invert_xaxis()
        if lower is upper:
            upper.set_title("no law fitted")
    grid = upper.get_subplotspec().get_gridspec()  # type: ignore[union-attr]
    if grid.nrows == 2:
        grid.set_height_ratios([3, 1])
