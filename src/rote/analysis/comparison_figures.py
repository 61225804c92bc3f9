"""Plot two sweeps: paired differences with their intervals, and the pairs themselves."""

from collections.abc import Mapping
from html import escape
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from rote.analysis.comparison import Compared, Comparison
from rote.analysis.estimate import plural
from rote.analysis.figures import ACCENT, INK, PALETTE
from rote.analysis.marks import Layer
from rote.analysis.plot import Axis, Plot, tidy

PAIR = {"color": PALETTE[0], "alpha": 0.6}
PAIRS_HEIGHT, MEAN_HEIGHT = 0.35, -0.35  # within a row, so that neither covers the other
OF_MEAN = {"marker": "D", "elinewidth": 2, "capsize": 4}


def sides(found: Comparison) -> tuple[str, str]:
    """Name the two sides: by the value of the one setting that differs, or else by the sweep."""
    differing = found.differing
    chosen = [each for each in differing if each.key.endswith(".name")] or list(differing)
    if len(chosen) != 1:
        return found.names
    each, leaf = chosen[0], chosen[0].key.rpartition(".")[2]
    if leaf == "name":
        return each.first, each.second
    return f"{leaf}={each.first}", f"{leaf}={each.second}"


def interval_words(each: Compared) -> str:
    """Format the interval of the difference, or why there is none."""
    return "equal in every pair" if each.is_equal else each.difference.span(each.metric.signed)


def verdict(each: Compared) -> str:
    """State the difference with its interval; if that holds 0, state that none is shown."""
    if each.is_equal:
        return f"{each.metric.title} equal in every pair"
    difference = each.difference
    value = f"{each.metric.signed.format(difference.value)} {each.metric.unit}".strip()
    interval = f"95 % {interval_words(each)}, {plural(difference.n, 'pair')}"
    words = (
        f"{each.metric.title} {value} ({interval if difference.interval else interval_words(each)})"
    )
    is_open = difference.interval is not None and not difference.sign
    return f"no difference shown in {words}" if is_open else words


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
    clear, open_means = means.filter("is_clear"), means.filter(~pl.col("is_clear"))
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
            Layer(frame=each_pair, x="difference", y="height", label="one pair of runs", look=PAIR),
            Layer(frame=clear, x="difference", y="height", look={**OF_MEAN, "color": ACCENT},
                  label="mean, 95 % interval without 0" if clear.height else ""),
            Layer(frame=open_means, x="difference", y="height", look={**OF_MEAN, "color": INK},
                  label="mean, interval with 0 or none" if open_means.height else ""),
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
            Layer(frame=each_pair, x="mean", y="difference", label="one pair of runs", look=PAIR),
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
