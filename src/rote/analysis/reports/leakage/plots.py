"""Draw the figures of the report on leakage.

In each figure small faint marks are single runs (hollow if not converged), and large marks are
means over seeds with their intervals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from matplotlib.ticker import EngFormatter

from rote.analysis.estimate import Estimate
from rote.analysis.figures import GREY, INK
from rote.analysis.marks import Layer, runs_and_means
from rote.analysis.metrics import METRICS
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.quantities.convergence import NOT_CONVERGED
from rote.analysis.quantities.exposure import CHANCE_BITS
from rote.analysis.quantities.leakage import GUESSES
from rote.analysis.reports.leakage import wording
from rote.analysis.reports.leakage.captions import CAPTIONS
from rote.analysis.reports.leakage.sizes import Row
from rote.analysis.reports.leakage.study import LOSS, Study

MOST_PANELS = 6  # in one figure: the first, the last, and evenly spaced ones between
DODGE = 0.07  # distance between sizes, over that between numbers of repeats
ROW = 0.5  # spread of sizes and N, over the distance between scores
SMALLEST_MARK, LARGEST_MARK = 4.0, 9.0  # points, for the least and the most N
DOTTED: Mapping[str, Any] = {"color": GREY, "linestyle": ":", "linewidth": 1}
COUNT = Axis(label="training sequences N", is_log=True, form="count")


def scores_plot(found: Study) -> Plot:
    """Plot AUROC over N, a panel per size, a line per score."""
    rows = [
        {**row, "hue": wording.score_name(row["score"]),
         "panel": f"{row['series']}, {found.parameters[row['series']]:,} parameters"}
        for row in found.scored
    ]  # fmt: skip
    return _plot(
        found, "scores", wording.scores_title(found), rows, x="N", y="auroc",
        axes=(COUNT, Axis(label=METRICS["auroc"].label)), before=[_guess(wording.CHANCE_AUROC)],
        hue_order=[wording.score_name(name) for name in _ordered(found.scored)],
    )  # fmt: skip


def shadows_plot(found: Study) -> Plot:
    """Plot AUROC and members found at 1 % false positives, a row per score, a colour per size."""
    shown = [row for row in found.shadowed if row["auroc"]]
    names = _ordered(shown)
    places = list(dict.fromkeys((row["series"], row["N"]) for row in shown))
    panels = METRICS["auroc"].label, "members found at 1 % false positives"
    rows = []
    for row in shown:
        aside = places.index((row["series"], row["N"])) - (len(places) - 1) / 2
        own = {**row, "at": names.index(row["score"]) + ROW * aside / max(1, len(places) - 1)}
        rows.append({**own, "panel": panels[0], "value": row["auroc"]})
        if isinstance(share := row["found"][0], Estimate):
            shares = {
                run_id: each.at_false_positive_rates[0].members_found.value
                for run_id, each in row["qualities"].items()
            }
            rows.append({**own, "panel": panels[1], "value": share, "singles": shares})
    guesses = pl.DataFrame({"panel": panels, "value": [wording.CHANCE_AUROC, 0.01]})

    singles, _, means = marks(found, rows, "at", "value")
    across = [replace(each, x="value", y="at") for each in (singles, means)]
    return _plot(
        found, "shadows", wording.shadows_title(found), rows, x="at", y="value", layers=across,
        axes=(Axis(label=""), Axis.of_rows([*map(wording.score_name, names)])), shares_x=False,
        before=[Layer(frame=guesses, kind="upright", x="value", label="a guess", look=DOTTED)],
        panel_inches=0.4 + 0.36 * len(names),
    )  # fmt: skip


def exposure_plot(found: Study) -> Plot:
    """Plot mean exposure over repeats, a panel per N, a line per size."""
    most = pl.DataFrame([{"panel": _n(row["N"]), "y": row["most_bits"]} for row in found.planted])
    limit = Layer(
        frame=most.group_by("panel", maintain_order=True).mean(), kind="across", y="y",
        label="the most that can be measured",
        look={"color": INK, "linestyle": "--", "linewidth": 0.9},
    )  # fmt: skip
    return _against_repeats(
        found, "exposure", wording.exposure_title(found), "exposure",
        Axis(label="mean exposure (bits)"), [_guess(CHANCE_BITS, "a guess, 1.44 bits"), limit],
    )  # fmt: skip


def canaries_plot(found: Study) -> Plot:
    """Plot the share of canaries that greedy decoding recites, in the same layout."""
    return _against_repeats(
        found, "canaries_extracted", wording.canaries_title(found), "extracted",
        Axis(label="share extracted", form="share"), [],
    )  # fmt: skip


def _against_repeats(
    found: Study, name: str, title: str, key: str, axis: Axis, before: Sequence[Layer]
) -> Plot:
    shown = sorted((row for row in found.planted if row[key]), key=lambda row: row["N"])
    ticks = sorted({row["repeats"] for row in shown})
    rows = [
        {**row, "panel": _n(row["N"]), "singles": row[f"{key}_by_run"],
         "at": float(ticks.index(row["repeats"]))}
        for row in shown
    ]  # fmt: skip

    times = Axis(label="times inserted", names=[*map(str, ticks)])
    return _plot(
        found, name, title, rows, x="at", y=key, axes=(times, axis), before=before, aside=DODGE
    )


def windows_plot(found: Study) -> Plot:
    """Plot train minus held-out rate over N, a panel per prefix, a line per size."""
    rows = [
        {**row, "panel": f"prefix of {row['prefix']} tokens"}
        for row in sorted(found.windows, key=lambda row: row["prefix"])
    ]
    axes = COUNT, Axis(label="extracted, train less held-out", form="share")
    return _plot(
        found, "windows_extracted", wording.windows_title(found), rows, x="N", y="excess",
        axes=axes, before=[_guess(0.0, "no more than held-out ones")],
    )  # fmt: skip


def risk_plot(found: Study) -> Plot:
    """Plot each kind over held-out loss; the colour shows the size, the size of a mean shows N."""
    loss = dict(found.runs.select("run_id", LOSS).drop_nulls().iter_rows())
    rows = [
        {**row, "panel": row["kind"].label, LOSS: np.mean([loss[each] for each in having])}
        for row in found.levels
        if (having := [each for each in row["runs"] if each in loss])
    ]
    singles, *_, means = marks(found, rows, LOSS, "level")
    own = pl.col("run_id").replace_strict(loss, default=None)
    runs = singles.frame.with_columns(own.alias(LOSS)).drop_nulls(LOSS)
    sizes = sorted({row["N"] for row in rows})
    of_size = [
        replace(means, frame=means.frame.filter(N=size), label=_n(size),
                look={"markersize": _mark_size(size, sizes[0], sizes[-1])})
        for size in sizes
    ]  # fmt: skip
    return _plot(
        found, "risk", wording.risk_title(found), rows, x=LOSS, y="level", shares_y=False,
        axes=(Axis(label=METRICS[LOSS].label), Axis(label="")), before=[_no_leakage(found)],
        layers=[replace(singles, frame=runs), *of_size],
    )  # fmt: skip


def _mark_size(number: float, least: float, most: float) -> float:
    share = float(np.log(number / least) / np.log(most / least)) if most > least else 0.0
    return SMALLEST_MARK + share * (LARGEST_MARK - SMALLEST_MARK)


def sizes_plot(found: Study) -> Plot:
    """Plot each kind over parameters, a line per N."""
    rows = [
        {**row, "panel": row["kind"].label, "parameters": found.parameters[row["series"]],
         "hue": _n(row["N"])}
        for row in found.levels
    ]  # fmt: skip
    axis = Axis(label=METRICS["parameters"].label, is_log=True, form="count")
    return _plot(
        found, "sizes", wording.sizes_title(found), rows, x="parameters", y="level",
        axes=(axis, Axis(label="")), before=[_no_leakage(found)], shares_y=False,
        hue_order=[_n(number) for number in sorted({row["N"] for row in rows})],
    )  # fmt: skip


def _plot(
    found: Study, name: str, title: str, rows: Sequence[Row], *, x: str, y: str,
    axes: tuple[Axis, Axis], before: Sequence[Layer], layers: Sequence[Layer] = (), **more: Any,
) -> Plot:  # fmt: skip
    """Draw `marks` of the rows, or ``layers``, over ``before``; at most `MOST_PANELS` panels."""
    every = list(dict.fromkeys(row["panel"] for row in rows))
    last, most = len(every) - 1, min(len(every), MOST_PANELS)
    panels = [every[round(step * last / max(1, most - 1))] for step in range(most)]
    shown = [row for row in rows if row["panel"] in panels]
    own = layers or marks(found, shown, x, y)
    drawn = [
        replace(each, frame=each.frame.filter(pl.col("panel").is_in(panels)))
        if "panel" in each.frame.columns
        else each
        for each in (*before, *own)
    ]
    usual: dict[str, Any] = {"panel_inches": 2.4, "hue_order": list(labels(found).values())}
    return Plot(
        name=name, title=title, caption=CAPTIONS[name], panel="panel", x=axes[0], y=axes[1],
        layers=drawn, num_columns=2 if most in (2, 4) else min(3, most), **(usual | more),
    )  # fmt: skip


def marks(found: Study, rows: Sequence[Row], x: str, y: str) -> list[Layer]:
    """Return layers of single runs, of lines between means, and of means.

    Rows have the estimate ``y`` at ``x``, and ``singles``, its value in each run. A colour is a
    row's ``hue``, or else its size.
    """
    missed = set(found.runs.filter(~pl.col("training.converged"))["run_id"])
    sizes = labels(found)
    named = [{"hue": sizes[row["series"]], **row} for row in rows]
    means = tidy(
        {name: row[name] for name in ("series", "N", "panel", "hue", x, y)} for row in named
    )
    singles = pl.DataFrame(
        [
            {"run_id": run_id, "panel": row["panel"], "hue": row["hue"], x: row[x], y: value,
             "is_unconverged": run_id in missed}
            for row in named
            for run_id, value in row["singles"].items()
            if value is not None
        ]
    )  # fmt: skip
    return runs_and_means(
        singles, means.sort(x, maintain_order=True), x=x, y=y, hue="hue",
        hollow="is_unconverged", hollow_label=NOT_CONVERGED,
    )  # fmt: skip


def labels(found: Study) -> dict[str, str]:
    """Return each size with its parameters, 2,868 as 2.9k."""
    short = {
        one: EngFormatter(places=int(one >= 1000), sep="") for one in found.parameters.values()
    }
    return {one: f"{one} ({short[size](size)})" for one, size in found.parameters.items()}


def _ordered(rows: Iterable[Row]) -> list[str]:
    """Return known scores in their order, then others."""
    names = dict.fromkeys(row["score"] for row in rows)
    return [name for name in dict.fromkeys((*wording.SCORE_NAMES, *names)) if name in names]


def _guess(value: float, words: str = "a guess") -> Layer:
    frame = pl.DataFrame({"guess": [value]})
    return Layer(frame=frame, kind="across", y="guess", label=words, look=DOTTED)


def _no_leakage(found: Study) -> Layer:
    frame = pl.DataFrame([{"panel": one.label, "guess": GUESSES[one.name]} for one in found.kinds])
    return Layer(frame=frame, kind="across", y="guess", label="no leakage", look=DOTTED)


def _n(number: int) -> str:
    return f"N = {number:,}"
