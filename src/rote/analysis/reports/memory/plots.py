"""Draw the figures of the report on memory over time; each title states a finding."""

from collections.abc import Iterable

import polars as pl

from rote.analysis.estimate import between
from rote.analysis.estimators import difference, mean_of_estimates
from rote.analysis.figures import DOTTED
from rote.analysis.marks import Layer
from rote.analysis.metrics import METRICS
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.quantities.learning import FALSELY_LEARNT
from rote.analysis.reports.memory.study import CONTROLS, EVERY_EPOCH, INSERTED, Study
from rote.analysis.table import Row

HALF_LIFE = METRICS["half_life_steps"]
STEP = Axis(label="optimiser steps", form="count")
AGE = Axis(label="optimiser steps since last shown", form="count", linear_below=10.0, low=0)
MEMORY_CAPTION = (
    "Bits memorised of a sequence: by how many its code length has fallen since the last look "
    "before it was first shown, less the mean fall of sequences of its kind that are never shown "
    "(a difference in differences, Lesci et al. 2024, arXiv 2406.04327). Marks are means over "
    "seeds in bins of age, each twice as wide as the one before; bars are 95 % intervals, "
    "Student's t over seeds. On the dotted line nothing is memorised."
)
LEARNT_CAPTION = (
    "A sequence is learnt at a look at which it has more bits than 95 % of the sequences that are "
    "never shown have at any look: below the dotted line it may be chance. Forgetting events are "
    "looks at which it no longer is learnt, after one at which it was (Toneva et al. 2018, arXiv "
    "1812.05159); looks far apart miss some. Intervals are Clopper and Pearson's, 95 %, with the "
    "sequences of all seeds counted."
)
LATE_CAPTION = (
    "Spearman's rank correlation over sequences, of their bits at a look with those at the last "
    "one; of inserted sequences at looks after all were shown, and of ranks among those shown "
    "equally often. Two looks share the look that counts as 0, and sequences differ in "
    "difficulty: sequences that were never shown correlate too, and only what exceeds them is "
    "memory. Intervals are Bonett and Wright's, 95 %, their ends averaged over seeds."
)


def plots(found: Study) -> dict[str, Plot]:
    """Return the plots that there are rows for, by name."""
    wanted = (
        (found.remembered, _forgetting_plot), (found.learnt, _learnt_plot),
        (found.late, _late_plot),
    )  # fmt: skip
    made = [plot(found) for rows, plot in wanted if rows]
    return {plot.name: plot for plot in made}


def _forgetting_plot(found: Study) -> Plot:
    points = [(row, point) for row in found.remembered for point in row["curve"]]
    axes = AGE, Axis(label="memorised (bits of a sequence)")
    return _plot(
        "forgetting", _forgetting_title(found), MEMORY_CAPTION, points, "age", "bits", axes
    )


def _learnt_plot(found: Study) -> Plot:
    points = [(row, point) for row in found.learnt for point in row["share"]]
    axes = STEP, Axis(label="share learnt", form="share", low=-0.03, high=1.03)
    return _plot(
        "learnt", _learnt_title(found), LEARNT_CAPTION, points, "step", "share", axes,
        chance=FALSELY_LEARNT,
    )  # fmt: skip


def _late_plot(found: Study) -> Plot:
    points = [(row, {"step": row["step"], "rho": row["rho"]}) for row in found.late]
    axes = STEP, Axis(label="rank correlation with the last look")
    return _plot(
        "early_and_late", _late_title(found), LATE_CAPTION, points, "step", "rho", axes,
        label="unrelated",
    )  # fmt: skip


def _plot(
    name: str, title: str, caption: str, points: Iterable[tuple[Row, Row]], x: str, y: str,
    axes: tuple[Axis, Axis], *, chance: float = 0.0, label: str = "never shown",
) -> Plot:  # fmt: skip
    """Plot points of rows; a panel per row's panel, a line per row's name."""
    frame = tidy({"panel": row["panel"], "hue": row["name"], **point} for row, point in points)
    nothing = pl.DataFrame({y: [chance]})
    return Plot(
        name=name, title=title, caption=caption, x=axes[0], y=axes[1], panel="panel",
        panel_inches=2.4,
        layers=[
            Layer(frame=nothing, kind="across", y=y, label=label, look=DOTTED),
            Layer(frame=frame, kind="line", x=x, y=y, hue="hue"),
            Layer(frame=frame, x=x, y=y, hue="hue"),
        ],
    )  # fmt: skip


def _forgetting_title(found: Study) -> str:
    halves = [row["forgetting"].half_life_steps for row in found.remembered]
    known = [each.value for each in halves if each]
    if not known:
        return "In no group are the bits forgotten beyond doubt"
    steps = between(known, HALF_LIFE.form)
    groups = f"{len(known)} of {len(halves)} groups"
    return f"Half of the bits are forgotten after {steps} optimiser steps, in {groups}"


def _learnt_title(found: Study) -> str:
    rows = [row for row in found.learnt if row["name"] != EVERY_EPOCH] or found.learnt
    ever, at_end = (
        between([row[key].value for row in rows], "{:.0%}") for key in ("ever", "at_end")
    )
    doubtful = sum(row["ever"].low <= FALSELY_LEARNT for row in rows)
    title = f"{ever} of a group's sequences are learnt at some look, {at_end} at the last"
    if not doubtful:
        return title
    return f"{title}; in {doubtful} of {len(rows)} groups no more than chance allows"


def _late_title(found: Study) -> str:
    """Compare sequences with controls, at the first look after all were shown or the middle one."""
    panels = dict.fromkeys(row["panel"] for row in found.late)
    early = [row for panel in panels for row in _early(found, panel)]
    means = {
        name: mean_of_estimates(rhos)
        for name in dict.fromkeys(row["name"] for row in found.late)
        if (rhos := [row["rho"] for row in early if row["name"] == name])
    }
    name = INSERTED if INSERTED in means else EVERY_EPOCH
    when = "Right after the window" if name == INSERTED else "Halfway"
    if name not in means or CONTROLS[name] not in means:
        return "Nothing to compare early memory with"
    rho, control = means[name], means[CONTROLS[name]]
    verdict = {1: "more than", 0: "not beyond doubt more than", -1: "less than"}
    return (
        f"{when}, bits of sequences {name} correlate with those at the end by {rho.value:+.2f}, "
        f"{verdict[difference(rho, control).sign]} those of sequences {CONTROLS[name]} "
        f"({control.value:+.2f})"
    )


def _early(found: Study, panel: str) -> list[Row]:
    rows = [row for row in found.late if row["panel"] == panel]
    steps = sorted({row["step"] for row in rows if row["name"] == INSERTED})
    every = sorted({row["step"] for row in rows})
    step = steps[0] if steps else every[len(every) // 2]
    return [row for row in rows if row["step"] == step]
