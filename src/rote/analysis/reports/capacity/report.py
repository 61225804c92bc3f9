"""The capacity report: how many bits a parameter holds, over sizes and precisions."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from rote.analysis.content import Content, Section
from rote.analysis.drawing import Drawing
from rote.analysis.elements import (
    card,
    code_cell,
    figure,
    number_cell,
    scrolled,
    span,
    table,
    text_cell,
    warning_cell,
)
from rote.analysis.fits.plateau import Plateau
from rote.analysis.published import INDEPENDENT, LENGTH, MEANS, VOCAB_SIZE, published_mean
from rote.analysis.reports.capacity import wording
from rote.analysis.reports.capacity.figures import (
    draw_bits_per_parameter,
    draw_memorised_bits,
    draw_training_curves,
)
from rote.analysis.reports.capacity.summary import (
    Alpha,
    Capacity,
    Summary,
    summarise,
    told_format,
)
from rote.analysis.results import Results

TEXT_COLUMNS = ("run", "model", "format", "converged", "standing")
CAPACITY_HEADERS = (
    ("model", "layers x width"),
    ("format", ""),
    ("parameters", ""),
    ("runs", "seeds"),
    ("plateau (bits)", "95 % interval"),
    ("bootstrap (bits)", "95 % interval"),
    ("maximum (bits)", "spread of seeds"),
    ("bits per parameter", "95 % interval"),
    ("standing", ""),
)
RUN_HEADERS = (
    ("run", ""),
    ("model", "layers x width"),
    ("format", ""),
    ("sequences", ""),
    ("seed", ""),
    ("data", "bits"),
    ("memorised", "bits"),
    ("memorised", "bits, first token left out"),
    ("memorised", "bits per parameter"),
    ("steps", ""),
    ("growth", "bits per 1,000 steps"),
    ("converged", ""),
)
CAPTIONS = {
    "memorised_bits": (
        "Memorised bits are the entropy of the training data, which is known exactly, minus the "
        "code length of the same data under the trained model, all tokens scored. Every mark is "
        "a run, lines join the means over seeds. The plateau C is fitted to "
        "B(H) = (H<sup>-p</sup> + C<sup>-p</sup>)<sup>-1/p</sup>, a soft minimum of the entropy "
        "line and a capacity, by least squares on relative residuals; a run far below capacity "
        "says nothing about C or its noise and is no degree of freedom."
    ),
    "bits_per_parameter": (
        "Fitted plateau over all parameters, the tied embedding counted once, with its 95 % "
        "interval; the formats of one size are set side by side so that they can be told apart. "
        "The band is the slope of capacity over parameters: a line through the origin, weighted "
        "by the plateaus' standard errors, its error widened by the scatter of the sizes. "
        f"Published values hold for {VOCAB_SIZE:,} symbols and {LENGTH} tokens a sequence: "
        f"{MEANS.split(',')[0]}, and {INDEPENDENT}."
    ),
    "training_curves": (
        "Memorised bits as logged while training; the darker a line, the more data. A run has "
        "converged when its growth per 1,000 steps has fallen below the budget's threshold."
    ),
}
CAPACITIES_NOTE = (
    "The plateau is fitted to all runs of a model; very large data sets, on which training does "
    "not saturate, pull it below the plain maximum. The maximum in turn picks the luckiest run."
)
RUNS_NOTE = (
    "All of this, with every setting of every run, is in <code>table.parquet</code> and "
    "<code>table.csv</code> beside this page."
)


def make(results: Results) -> Content:
    """Raises ValueError for an empty table, or one that mixes settings or has unknown entropy."""
    summary = summarise(results.table)
    drawings = (
        draw_memorised_bits(summary),
        draw_bits_per_parameter(summary),
        draw_training_curves(summary, results.curves),
    )
    return Content(
        headlines=tuple(wording.headline(alpha) for alpha in summary.alphas),
        setting=wording.setting(summary),
        cards=tuple(_card(alpha) for alpha in summary.alphas),
        sections=_sections(summary, drawings),
        drawings=drawings,
        numbers=_numbers(summary),
        table=summary.runs,
    )


def _sections(summary: Summary, drawings: Sequence[Drawing]) -> tuple[Section, ...]:
    capacities = table(
        CAPACITY_HEADERS, map(_capacity_cells, summary.capacities), text=TEXT_COLUMNS
    )
    runs = table(
        RUN_HEADERS, map(_run_cells, summary.runs.iter_rows(named=True)), text=TEXT_COLUMNS
    )
    figures = "\n".join(figure(drawing, CAPTIONS[drawing.name]) for drawing in drawings)
    return (
        Section(title="What is a lower bound", html=_bounds(summary)),
        Section(
            title="Capacity of each model",
            html=f"{scrolled(capacities)}\n<p>{CAPACITIES_NOTE}</p>",
        ),
        Section(title="Figures", html=figures),
        Section(title="Runs", html=f"{scrolled(runs, tall=True)}\n<p>{RUNS_NOTE}</p>"),
    )


def _card(alpha: Alpha) -> str:
    published = published_mean(alpha.precision)
    beside = (
        f"published: {published.bits_per_parameter:.2f} in {published.precision} "
        f"({published.source})"
        if published
        else "no published value in this precision"
    )
    bound = (
        f'<p class="bound">{alpha.num_lower_bounds} of {alpha.num_sizes} capacities in this '
        "format are lower bounds</p>"
    )
    return card(
        title=alpha.format,
        meaning=wording.PRECISION_MEANINGS[alpha.precision],
        value=wording.value(alpha),
        unit="bits per parameter",
        lines=(
            f"<p>{escape(wording.basis(alpha))}</p>",
            f"<p>{escape(beside)}</p>",
            bound if alpha.is_lower_bound else "",
        ),
    )


def _bounds(summary: Summary) -> str:
    bounded = [each for each in summary.capacities if each.lower_bound_reason]
    total = len(summary.capacities)
    always = (
        "Every capacity bounds from below what the model could hold: gradient descent finds some "
        "weights, not the best ones."
    )
    if not bounded:
        return (
            f"<p>{always} Beyond that, all {total} capacities are plateaus, and every run at or "
            "beyond its plateau had converged.</p>"
        )
    reasons = dict.fromkeys(str(each.lower_bound_reason) for each in bounded)
    items = "".join(
        f"<li>{escape(reason)}: {escape(_names(bounded, reason))}</li>" for reason in reasons
    )
    return (
        f"<p>{always}</p><p>{len(bounded)} of {total} capacities are lower bounds in a stronger "
        "sense: with larger data sets or longer training they could only have come out higher.</p>"
        f"<ul>{items}</ul>"
    )


def _names(capacities: Iterable[Capacity], reason: str) -> str:
    same = [each for each in capacities if each.lower_bound_reason == reason]
    return ", ".join(f"{each.model} in {each.format}" for each in same)


def _capacity_cells(capacity: Capacity) -> list[str]:
    reason, spread_bits = capacity.lower_bound_reason, capacity.seed_spread_bits
    return [
        text_cell(capacity.model),
        text_cell(capacity.format),
        number_cell(f"{capacity.parameters:,}"),
        number_cell(len(capacity.run_ids), f"{capacity.num_seeds}"),
        *_plateau_cells(capacity),
        number_cell(
            _bits(capacity.maximum_bits), "" if spread_bits is None else _bits(spread_bits)
        ),
        number_cell(
            f"{'&ge; ' if reason else ''}{capacity.bits_per_parameter:.2f}",
            span(capacity.interval_bits_per_parameter, "{:.2f}"),
        ),
        warning_cell("lower bound") if reason else text_cell("converged"),
    ]


def _plateau_cells(capacity: Capacity) -> list[str]:
    plateau = capacity.plateau
    if not isinstance(plateau, Plateau):
        return [number_cell("none"), number_cell("none")]
    return [
        number_cell(_bits(plateau.capacity_bits), span(plateau.interval_bits, "{:,.0f}")),
        number_cell("", span(plateau.bootstrap_interval_bits, "{:,.0f}")),
    ]


def _run_cells(run: Mapping[str, object]) -> list[str]:
    growth_bits = run["training.growth_bits_per_1000_steps"]  # None before the first 1,000 steps
    return [
        code_cell(run["run_id"]),
        text_cell(run["model"]),
        text_cell(told_format(str(run["precision.name"]), str(run["setting"]))),
        number_cell(f"{run['task.num_sequences']:,}"),
        number_cell(run["seed"]),
        number_cell(f"{run['entropy_bits']:,.1f}"),
        number_cell(f"{run['memorised_bits']:,.1f}"),
        number_cell(f"{run['memorised_bits_after_first_token']:,.1f}"),
        number_cell(f"{run['bits_per_parameter']:.3f}"),
        number_cell(f"{run['training.steps']:,}"),
        number_cell("not known" if growth_bits is None else f"{growth_bits:,.1f}"),
        text_cell("yes") if run["training.converged"] else warning_cell("no"),
    ]


def _bits(bits: float) -> str:
    return f"{bits:,.0f}"


def _numbers(summary: Summary) -> dict[str, Any]:
    alphas = {f"alpha {each.format}": _alpha_entry(each) for each in summary.alphas}
    capacities = {
        f"capacity {each.model} {each.format}": _capacity_entry(each) for each in summary.capacities
    }
    return alphas | capacities


def _alpha_entry(alpha: Alpha) -> dict[str, Any]:
    return {
        "bits_per_parameter": alpha.bits_per_parameter,
        "interval_bits_per_parameter": alpha.slope and alpha.slope.interval_bits_per_parameter,
        "lower_bound": alpha.is_lower_bound,
        "models": alpha.models,
        "runs": alpha.run_ids,
    }


def _capacity_entry(capacity: Capacity) -> dict[str, Any]:
    return {
        "bits_per_parameter": capacity.bits_per_parameter,
        "interval_bits_per_parameter": capacity.interval_bits_per_parameter,
        "maximum_bits": capacity.maximum_bits,
        "lower_bound_reason": capacity.lower_bound_reason,
        "runs": capacity.run_ids,
    }
