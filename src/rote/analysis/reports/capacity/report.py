"""The capacity report: how many bits a parameter holds, over sizes and precisions."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import polars as pl

from rote.analysis.content import Content, Section
from rote.analysis.drawing import Drawing
from rote.analysis.elements import card, figure, scrolled
from rote.analysis.fits.budget import Limit
from rote.analysis.published import INDEPENDENT, LENGTH, MEANS, VOCAB_SIZE, published_mean
from rote.analysis.quantities.convergence import converged
from rote.analysis.reports.capacity import wording
from rote.analysis.reports.capacity.axis_figures import (
    draw_budgets,
    draw_heads,
    with_several_heads,
)
from rote.analysis.reports.capacity.budgets import Budgets
from rote.analysis.reports.capacity.differences import Difference, differences
from rote.analysis.reports.capacity.figures import (
    draw_bits_per_parameter,
    draw_memorised_bits,
    draw_training_curves,
)
from rote.analysis.reports.capacity.summary import Alpha, Capacity, Summary, summarise
from rote.analysis.reports.capacity.tables import (
    capacity_table,
    difference_table,
    run_table,
)
from rote.analysis.results import Curve, Results

CAPTIONS = {
    "memorised_bits": (
        "Memorised bits are the entropy of the training data, which is known exactly, minus the "
        "code length of the same data under the trained model, all tokens scored. A set of N "
        "distinct sequences has no order to be memorised: no model codes it in less than "
        "N log<sub>2</sub> N bits, which leaves the line of all that can be memorised. Every mark "
        "is a run, lines join the means over seeds. The plateau C is fitted to "
        "B(H) = (H<sup>-p</sup> + C<sup>-p</sup>)<sup>-1/p</sup>, a soft minimum of that line and "
        "a capacity, by least squares on relative residuals; where three data-set sizes lie beyond "
        "the knee it may fall there as H<sup>-f</sup>, and C is its top. A run far below capacity "
        "says nothing about C or its noise and is no degree of freedom."
    ),
    "bits_per_parameter": (
        "Fitted plateau over all parameters, the tied embedding counted once, with its 95 % "
        "interval; the formats of one size are set side by side so that they can be told apart. "
        "The band is the mean over sizes, each weighted by its plateau's error and the spread "
        "between sizes together (random effects); single sizes differ by that spread. "
        f"Published values hold for {VOCAB_SIZE:,} symbols and {LENGTH} tokens a sequence: "
        f"{MEANS.split(',')[0]}, and {INDEPENDENT}."
    ),
    "training_curves": (
        "Memorised bits as logged while training; the darker a line, the more data. A run has "
        "converged when its growth per 1,000 steps has fallen below the budget's threshold, a run "
        "with a full-batch finish when the gain that this still predicts has."
    ),
    "heads": (
        "Heads are no parameters. The mean over sizes, and every other figure, takes of each size "
        "the heads with which a run memorised most, the luckiest included. Intervals are of "
        "the plateaus; published values do not state their heads."
    ),
    "budgets": (
        "B(T) = B<sub>&infin;</sub> - a T<sup>-b</sup> over training budgets T, fitted to all "
        "data sets and seeds of a model with one b; the interval holds all B<sub>&infin;</sub> "
        "that an F test does not reject. Budgets of a run with a finish, or at a constant rate, "
        "are parts of it; other budgets are runs of their own, of which the longest is the one "
        "that counts everywhere else."
    ),
}
CAPACITIES_NOTE = (
    "The plateau is an estimate from all runs of a model; the most that one run stored is certain, "
    "and picks the luckiest run. Where runs at or beyond capacity had not converged only that is "
    "called a lower bound: a plateau of such runs may lie below it. A value that is data-limited, "
    "not 10 % below all that can be memorised of its largest data set, is a lower bound too. "
    "In one sense all are: gradient descent finds some weights, not the best ones."
)
DIFFERENCES_NOTE = (
    "Bits per parameter of a format less those of the first, size by size with seeds and data sets "
    "the same in both; intervals are Student's t over the pairs, 95 % each."
)
RUNS_NOTE = (
    "All of this, with every setting of every run, is in <code>table.parquet</code> and "
    "<code>table.csv</code> beside this page."
)


def make(results: Results) -> Content:
    """Raises ValueError for an empty table, or one that mixes settings or has unknown entropy."""
    summary = summarise(results.table, results.curves)
    drawings = _drawings(summary, results.curves)
    compared = differences(summary)
    return Content(
        headlines=(*wording.headlines(summary), *wording.differences(compared)),
        setting=wording.setting(summary),
        cards=tuple(_card(summary, alpha) for alpha in summary.alphas),
        sections=_sections(summary, drawings, compared),
        drawings=drawings,
        numbers=_numbers(summary) | _difference_entries(compared),
        table=summary.runs.drop("point"),
    )


def _drawings(summary: Summary, curves: Mapping[str, Curve]) -> tuple[Drawing, ...]:
    repeated = [each for each in summary.best if each.budgets]
    return (
        draw_memorised_bits(summary),
        draw_bits_per_parameter(summary),
        *([draw_heads(summary)] if with_several_heads(summary) else []),
        *([draw_budgets(repeated)] if repeated else []),
        draw_training_curves(summary, curves),
    )


def _sections(
    summary: Summary, drawings: Sequence[Drawing], compared: Sequence[Difference]
) -> tuple[Section, ...]:
    runs = run_table(summary)
    figures = "\n".join(figure(drawing, CAPTIONS[drawing.name]) for drawing in drawings)
    return (
        Section(
            title="Capacity of each model",
            html=f"{scrolled(capacity_table(summary))}\n{_doubts(summary)}<p>{CAPACITIES_NOTE}</p>",
        ),
        *([_compared(compared)] if compared else []),
        Section(title="Figures", html=figures),
        Section(title="Runs", html=f"{scrolled(runs, tall=True)}\n<p>{RUNS_NOTE}</p>"),
    )


def _compared(compared: Sequence[Difference]) -> Section:
    html = f"{scrolled(difference_table(compared))}\n<p>{DIFFERENCES_NOTE}</p>"
    return Section(title="Formats compared", html=html)


def _difference_entries(compared: Sequence[Difference]) -> dict[str, Any]:
    return {
        f"difference {each.second} less {each.first}": {
            "bits_per_parameter": each.bits_per_parameter.value,
            "interval_bits_per_parameter": each.bits_per_parameter.interval,
            "pairs": each.pairs,
            "runs": each.run_ids,
        }
        for each in compared
    }


def _card(summary: Summary, alpha: Alpha) -> str:
    published = published_mean(alpha.precision)
    beside = (
        f"published: {published.bits_per_parameter:.2f} in {published.precision} "
        f"({published.source})"
        if published
        else "no published value in this precision"
    )
    runs = summary.runs.filter(pl.col("run_id").is_in(alpha.run_ids))
    bound = ' class="bound"' if alpha.is_lower_bound else ""
    return card(
        title=alpha.format,
        meaning=wording.PRECISION_MEANINGS[alpha.precision],
        value=wording.value(alpha),
        unit="bits per parameter",
        lines=(
            f"<p>{escape(wording.basis(alpha))}</p>",
            f"<p{bound}>{escape(converged(runs))}</p>",
            f"<p>{escape(beside)}</p>",
        ),
    )


def _doubts(summary: Summary) -> str:
    """A list: why models may hold more than was found."""
    reasons = dict.fromkeys(reason for each in summary.capacities for reason in each.doubts)
    if not reasons:
        return ""
    items = "".join(
        f"<li>{escape(reason)}: {escape(_names(summary.capacities, reason))}</li>"
        for reason in reasons
    )
    return f"<p>These may hold more:</p><ul>{items}</ul>"


def _names(capacities: Iterable[Capacity], reason: str) -> str:
    same = [each for each in capacities if reason in each.doubts]
    return "; ".join(f"{each.model} in {each.format}" for each in same)


def _numbers(summary: Summary) -> dict[str, Any]:
    alphas = {f"alpha {each.format}": _alpha_entry(each) for each in summary.alphas}
    capacities = {
        f"capacity {each.model} {each.format}": _capacity_entry(each) for each in summary.capacities
    }
    limits = {
        f"limit {each.model} {each.format}": _limit_entry(each, each.budgets)
        for each in summary.capacities
        if each.budgets
    }
    return alphas | capacities | limits


def _alpha_entry(alpha: Alpha) -> dict[str, Any]:
    between = alpha.slope and alpha.slope.between_sizes_bits_per_parameter
    return {
        "bits_per_parameter": alpha.bits_per_parameter.value,
        "interval_bits_per_parameter": alpha.bits_per_parameter.interval,
        "maximum_bits_per_parameter": alpha.maximum_bits_per_parameter,
        "between_sizes_bits_per_parameter": between and between.value,
        "lower_bound": alpha.is_lower_bound,
        "data_limited_sizes": alpha.num_data_limited,
        "models": alpha.models,
        "runs": alpha.run_ids,
    }


def _capacity_entry(capacity: Capacity) -> dict[str, Any]:
    return {
        "bits_per_parameter": capacity.bits_per_parameter.value,
        "interval_bits_per_parameter": capacity.bits_per_parameter.interval,
        "maximum_bits": capacity.maximum_bits,
        "fall_exponent": capacity.fall_exponent,
        "heads": capacity.num_heads,
        "data_limited": capacity.is_data_limited,
        "unconverged_runs": capacity.num_unconverged,
        "doubts": capacity.doubts,
        "runs": capacity.run_ids,
    }


def _limit_entry(capacity: Capacity, budgets: Budgets) -> dict[str, Any]:
    found, parameters = budgets.best, capacity.parameters
    told: dict[str, Any] = {"bits_per_parameter": None, "interval_bits_per_parameter": None}
    if isinstance(found, Limit):
        told = {
            "bits_per_parameter": found.bits / parameters,
            "interval_bits_per_parameter": [bits / parameters for bits in found.interval_bits],
            "exponent": found.exponent,
        }
    return {
        **told,
        "finding": wording.limit(capacity),
        "unit": budgets.unit,
        "stored_bits_per_parameter": budgets.most.curve.bits[-1] / parameters,
        "runs": [run_id for each in budgets.trained for run_id in each.run_ids],
    }
