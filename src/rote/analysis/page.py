"""The report as one self-contained page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template

from rote.analysis import wording
from rote.analysis.drawing import Drawing
from rote.analysis.fits.plateau import Plateau
from rote.analysis.published import INDEPENDENT, LENGTH, MEANS, VOCAB_SIZE, published_mean
from rote.analysis.summary import Alpha, Capacity, Summary

TEXT_COLUMNS = ("run", "model", "precision", "converged", "standing")
CAPACITY_HEADERS = (
    ("model", "layers x width"),
    ("precision", ""),
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
    ("precision", ""),
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
        "interval; the precisions of one size are set side by side so that they can be told apart. "
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
REPRODUCE_NOTE = (
    "Finished runs are not trained again. <code>manifest.json</code> names the record, with its "
    "SHA-256, of every run behind every figure and number, and the SHA-256 of every file here."
)


def page(*, name: str, question: str, summary: Summary, drawings: Sequence[Drawing]) -> str:
    """HTML with its style sheet and figures inside; it loads nothing."""
    template = resources.files("rote.analysis").joinpath("report.html.template")
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(f"{name}: {question}"),
        name=escape(name),
        question=escape(question),
        setting=escape(wording.setting(summary)),
        cards="\n".join(_card(alpha) for alpha in summary.alphas),
        bounds=_bounds(summary),
        capacities=_table(CAPACITY_HEADERS, map(_capacity_cells, summary.capacities)),
        capacities_note=CAPACITIES_NOTE,
        figures="\n".join(_figure(drawing) for drawing in drawings),
        runs=_table(RUN_HEADERS, map(_run_cells, summary.runs.iter_rows(named=True))),
        runs_note=RUNS_NOTE,
        reproduce_note=REPRODUCE_NOTE,
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
        "precision are lower bounds</p>"
    )
    return (
        f'<section class="card"><h2>{escape(alpha.precision)}</h2>'
        f"<small>{escape(wording.PRECISION_MEANINGS[alpha.precision])}</small>"
        f'<div class="value">{wording.value(alpha)} <span>bits per parameter</span></div>'
        f"<p>{escape(wording.basis(alpha))}</p><p>{escape(beside)}</p>"
        f"{bound if alpha.is_lower_bound else ''}</section>"
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
    return ", ".join(f"{each.model} in {each.precision}" for each in same)


def _capacity_cells(capacity: Capacity) -> list[str]:
    reason, spread_bits = capacity.lower_bound_reason, capacity.seed_spread_bits
    return [
        _text(capacity.model),
        _text(capacity.precision),
        _number(f"{capacity.parameters:,}"),
        _number(len(capacity.run_ids), f"{capacity.num_seeds}"),
        *_plateau_cells(capacity),
        _number(_bits(capacity.maximum_bits), "" if spread_bits is None else _bits(spread_bits)),
        _number(
            f"{'&ge; ' if reason else ''}{capacity.bits_per_parameter:.2f}",
            _span(capacity.interval_bits_per_parameter, "{:.2f}"),
        ),
        '<td class="text bound">lower bound</td>' if reason else _text("converged"),
    ]


def _plateau_cells(capacity: Capacity) -> list[str]:
    plateau = capacity.plateau
    if not isinstance(plateau, Plateau):
        return [_number("none"), _number("none")]
    return [
        _number(_bits(plateau.capacity_bits), _span(plateau.interval_bits, "{:,.0f}")),
        _number("", _span(plateau.bootstrap_interval_bits, "{:,.0f}")),
    ]


def _run_cells(run: Mapping[str, object]) -> list[str]:
    growth_bits = run["training.growth_bits_per_1000_steps"]  # None before the first 1,000 steps
    return [
        f'<td class="text"><code>{escape(str(run["run_id"]))}</code></td>',
        _text(run["model"]),
        _text(run["precision.name"]),
        _number(f"{run['task.num_sequences']:,}"),
        _number(run["seed"]),
        _number(f"{run['entropy_bits']:,.1f}"),
        _number(f"{run['memorised_bits']:,.1f}"),
        _number(f"{run['memorised_bits_after_first_token']:,.1f}"),
        _number(f"{run['bits_per_parameter']:.3f}"),
        _number(f"{run['training.steps']:,}"),
        _number("not known" if growth_bits is None else f"{growth_bits:,.1f}"),
        _text("yes") if run["training.converged"] else '<td class="text bound">no</td>',
    ]


def _figure(drawing: Drawing) -> str:
    return (
        f'<figure><p class="finding">{escape(drawing.alt)}</p>'
        f'<div class="light" tabindex="0">{_inline(drawing)}</div>'
        f"<figcaption>{CAPTIONS[drawing.name]}</figcaption></figure>"
    )


def _inline(drawing: Drawing) -> str:
    """The SVG without its XML prologue, its ids made unique on the page."""
    svg = drawing.svg.decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{drawing.name}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(drawing.alt)}" ', 1)


def _table(headers: Iterable[tuple[str, str]], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(_header(name, below) for name, below in headers)
    body = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _header(name: str, below: str) -> str:
    kind = ' class="text"' if name in TEXT_COLUMNS else ""
    return f"<th{kind}>{escape(name)}<small>{escape(below)}</small></th>"


def _text(value: object) -> str:
    return f'<td class="text">{escape(str(value))}</td>'


def _number(value: object, below: str = "") -> str:
    return f"<td>{value}<small>{below}</small></td>"


def _bits(bits: float) -> str:
    return f"{bits:,.0f}"


def _span(bounds: tuple[float, float] | None, form: str) -> str:
    return f"{form.format(bounds[0])} to {form.format(bounds[1])}" if bounds else ""
