"""Plot how well each score of an audit separates members, and at which false-positive rates."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from rote.analysis.audit.names import named
from rote.analysis.audit.verdicts import (
    BLIND,
    CHANCE,
    CONFOUNDED,
    LEAKS,
    NO_EVIDENCE,
    MembershipVerdict,
    pair_of,
)
from rote.analysis.figures import ACCENT, GREY, INK, PALETTE
from rote.analysis.marks import Layer
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.quantities.membership import RateAtFalsePositives
from rote.analysis.quantities.roc import roc_curve
from rote.auditing.stored import SCORE_PREFIX, StoredAudit

BLIND_NAME = "words alone, no model"
BEST = 3  # ROC curves besides the chosen one: more only overlap
LOWEST_RATE = 1e-4
AUROC_CAPTION = (
    "All evaluated documents, 95 % intervals. The band is what words alone reach: naive "
    "Bayes on a bag of words, cross-validated, which never saw the model. A score inside of it "
    "says no more of the model than the texts say by themselves. Scores to the left of chance "
    "call non-members members."
)
ROC_CAPTION = (
    "True-positive rate against false-positive rate, both logarithmic, since a leak of few members "
    "shows at the left alone. The curve runs over all evaluated documents; the table has rates at "
    "thresholds that were chosen on one half and counted on the other."
)
TRADEOFF_CAPTION = (
    "Marks are upper ends of both errors of the chosen score, at thresholds that one class sets; "
    "all of them hold at once in 95 % of cases. A private training keeps every attack above its "
    "curve (Dong et al. 2019, arXiv 1905.02383)."
)


def aurocs(found: MembershipVerdict, facts: Mapping[str, Any]) -> Plot:
    """Plot one row per score over all evaluated documents; the chosen score is highlighted."""
    names = [named(name, facts).name for name in found.qualities]
    rows = tidy(
        {"score": named(name, facts).name, "row": row, "auroc": quality.auroc,
         "is_chosen": name == found.score}
        for row, (name, quality) in enumerate(found.qualities.items())
    )  # fmt: skip
    blind = found.blind.auroc

    def finish(grid: Mapping[Any, Axes]) -> None:
        (axes,) = grid.values()
        axes.axvspan(*blind.ends, color=GREY, alpha=0.15, linewidth=0)

    chosen: dict[str, Any] = {"label": "chosen on the calibration half", "look": {"color": ACCENT}}
    others: dict[str, Any] = {"label": "score", "look": {"color": PALETTE[0]}}
    return Plot(
        name="aurocs",
        title=_auroc_title(found, facts),
        caption=AUROC_CAPTION,
        x=Axis(label="AUROC, 95 % interval"),
        y=Axis.of_rows(names),
        panel_inches=0.4 + 0.27 * len(names),
        layers=[
            Layer(frame=pl.DataFrame({"auroc": [CHANCE]}), kind="upright", x="auroc",
                  label="chance"),
            Layer(frame=pl.DataFrame({"auroc": [blind.value]}), kind="upright", x="auroc",
                  label=BLIND_NAME, look={"color": INK, "linestyle": "--"}),
            Layer(frame=rows.filter(~pl.col("is_chosen")), x="auroc", y="row", **others),
            Layer(frame=rows.filter("is_chosen"), x="auroc", y="row", **chosen),
        ],
        finish=finish,
    )  # fmt: skip


def roc(found: MembershipVerdict, stored: StoredAudit) -> Plot:
    """Plot the chosen score, the scores of highest AUROC, words alone, and chance."""
    lowest = max(LOWEST_RATE, 0.5 / found.blind.num_nonmembers)
    ranked = sorted(found.qualities, key=lambda name: -found.qualities[name].auroc.value)
    shown = [found.score, *(name for name in ranked if name != found.score)][: BEST + 1]
    curves = [_curve(stored, SCORE_PREFIX + name, lowest) for name in shown]
    named_curves = [
        curve.with_columns(score=pl.lit(named(name, stored.facts).name))
        for name, curve in zip(shown, curves, strict=True)
    ]
    return Plot(
        name="roc",
        title=_roc_title(found),
        caption=ROC_CAPTION,
        x=Axis(label="false-positive rate: non-members called members", is_log=True, form="ratio",
               low=lowest, high=1.0),
        y=Axis(label="true-positive rate: members found", is_log=True, form="ratio",
               low=lowest, high=1.1),
        panel_inches=3.6,
        layers=[
            Layer(frame=pl.DataFrame({"false": [lowest, 1.0], "true": [lowest, 1.0]}),
                  kind="line", x="false", y="true", label="chance", look={"linewidth": 1}),
            Layer(frame=pl.concat(named_curves), kind="steps", x="false", y="true", hue="score"),
            Layer(frame=_curve(stored, BLIND, lowest), kind="steps", x="false", y="true",
                  label=BLIND_NAME, look={"color": INK, "linestyle": "--"}),
        ],
    )  # fmt: skip


def tradeoff(found: MembershipVerdict) -> Plot:
    """Plot the upper ends of both errors, beside the least private curve that they refute."""
    bounds = found.privacy
    ends = pl.DataFrame(bounds.curve, schema=["false", "missed"], orient="row")
    false = np.linspace(0, 1, 201)
    slope, delta = np.exp(bounds.epsilon), bounds.delta
    private = np.maximum(1 - delta - slope * false, (1 - delta - false) / slope)
    allowed = pl.DataFrame({"false": false, "missed": np.maximum(private, 0)})
    chance = pl.DataFrame({"false": [0.0, 1.0], "missed": [1.0, 0.0]})
    return Plot(
        name="tradeoff",
        title=f"Training is not ({bounds.epsilon:.2f}, {delta:g})-private or better"
        if bounds.epsilon > 0
        else "These errors refute no privacy at all",
        caption=TRADEOFF_CAPTION,
        x=Axis(label="false-positive rate", form="ratio", low=0.0, high=1.0),
        y=Axis(label="false-negative rate", form="ratio", low=0.0, high=1.0),
        panel_inches=3.6,
        layers=[
            Layer(frame=chance, kind="line", x="false", y="missed", label="perfect privacy",
                  look={"linewidth": 1}),
            Layer(frame=allowed, kind="line", x="false", y="missed",
                  label="the bound on epsilon allows", look={"color": INK, "linestyle": "--"}),
            Layer(frame=ends, x="false", y="missed", label="the attack, at most",
                  look={"color": ACCENT, "markersize": 3}),
        ],
    )  # fmt: skip


def _curve(stored: StoredAudit, column: str, lowest: float) -> pl.DataFrame:
    """Return a ROC curve; rates of 0 are placed just outside the logarithmic axes."""
    rates = (np.maximum(each, lowest / 2) for each in roc_curve(*pair_of(stored.scores, column)))
    return pl.DataFrame(dict(zip(("false", "true"), rates, strict=True)))


def _auroc_title(found: MembershipVerdict, facts: Mapping[str, Any]) -> str:
    return {
        LEAKS: f"{named(found.score, facts).name} separates members from non-members",
        NO_EVIDENCE: "No score separates members from non-members for certain",
        CONFOUNDED: "Words alone separate members from non-members",
    }[found.verdict]


def _roc_title(found: MembershipVerdict) -> str:
    """State the finding at few false alarms."""
    for each in found.quality.at_false_positive_rates:
        if isinstance(each, RateAtFalsePositives):
            rate, promised = each.members_found, each.false_positive_rate
            by_chance = "" if rate.ends[0] > promised else ", no more than by chance"
            return (
                f"With {promised:.1%} false alarms promised, "
                f"{rate.value:.1%} of members are found{by_chance}"
            )
    return "Too few non-members to promise a low false-positive rate"
