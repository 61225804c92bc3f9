"""The capacity report: how many bits a parameter holds, over sizes and precisions."""

from collections.abc import Mapping, Sequence
from typing import Any

from rote.analysis.content import Block, Card, Content, Section, Text
from rote.analysis.estimate import span
from rote.analysis.fits.budget import NoLimit
from rote.analysis.fits.plateau import NoPlateau
from rote.analysis.metrics import METRICS
from rote.analysis.quantities.convergence import CONVERGED, ENDED_BY, converged
from rote.analysis.reports.capacity import figures, wording
from rote.analysis.reports.capacity.differences import Difference, differences
from rote.analysis.reports.capacity.study import Alpha, Capacity, Study, study
from rote.analysis.results import Results
from rote.analysis.table import Column, Table, Value, warning
from rote.analysis.typeset import number, plural

PRECISION_MEANINGS = {
    "fp32": "32-bit weights and products, TF32 off",
    "tf32": "32-bit weights, TF32 products",
    "bf16_mixed": "32-bit weights, bf16 autocast",
    "bf16_true": "bf16 weights",
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
FORMAT = Column(title="format", value="format")


def make(results: Results) -> Content:
    """Raises ValueError for an empty table, or one that mixes settings or has unknown entropy."""
    found = study(results.table, results.curves)
    compared = differences(found)
    plots = [
        figures.bits_per_parameter(found), figures.heads(found), figures.budgets(found),
        figures.training_curves(found, results.curves),
    ]  # fmt: skip
    of_capacities = [_capacity_table(found), *_doubts(found), Text(words=CAPACITIES_NOTE)]
    of_formats = [_difference_table(compared), Text(words=DIFFERENCES_NOTE)]
    of_runs = [_run_table(found), Text(words=RUNS_NOTE, is_html=True)]
    sections: dict[str, list[Block]] = {
        "Capacity of each model": of_capacities,
        **({"Formats compared": of_formats} if compared else {}),
        "Figures": [plot for plot in plots if plot],
        "Runs": of_runs,
    }
    return Content(
        headlines=wording.headlines(found, compared),
        setting=wording.setting(found),
        cards=tuple(map(_card, found.alphas)),
        lead=figures.memorised_bits(found),
        sections=tuple(Section(title=title, blocks=blocks) for title, blocks in sections.items()),
        numbers=_numbers(found, compared),
        table=found.runs.drop("point"),
    )


def _card(alpha: Alpha) -> Card:
    mean, others = wording.published(alpha)
    beside = "no published value for this model and precision"
    if mean:
        amount = f"{mean.bits_per_parameter:.2f} in {mean.precision} {others}".rstrip()
        beside = f"published: {amount} ({mean.source})"
    value = wording.value(alpha)
    return Card(
        title=alpha.format,
        meaning=PRECISION_MEANINGS[alpha.precision],
        value=value,
        unit="" if value == "none" else "bits per parameter",
        lines=[
            Text(words=wording.basis(alpha)),
            Text(words=converged(alpha.runs), is_warning=alpha.is_lower_bound),
            Text(words=beside),
        ],
    )


def _doubts(found: Study) -> list[Text]:
    """Why models may hold more than was found."""
    reasons: dict[str, list[str]] = {}
    for each in found.capacities:
        name = f"{each.model} in {each.format}"
        if count := each.num_unconverged:
            where = reasons.setdefault("runs at or beyond capacity had not converged", [])
            where.append(f"{name} ({plural(count, 'run')})")
        if isinstance(each.plateau, NoPlateau):
            reasons.setdefault(each.plateau.reason, []).append(name)
    items = [f"{reason}: {'; '.join(names)}" for reason, names in reasons.items()]
    return [Text(words="These may hold more:", items=items)] if items else []


def _capacity_table(found: Study) -> Table:
    """Columns for unlimited budgets and published values where there are any."""
    limit = Column(
        title="unlimited budget", unit="bits, 95 % interval", form="{:,.0f}", value=_limit,
        missing="not trained for several",
    )  # fmt: skip
    published = Column(
        title="published", unit="heads not stated",
        value=lambda each: ", ".join(map("{:.2f}".format, figures.published_of(each))) or "none",
    )  # fmt: skip
    has_budgets = any(each.budgets for each in found.capacities)
    is_published = any(map(figures.published_of, found.capacities))
    columns = [
        Column.of(METRICS["model"]),
        FORMAT,
        Column(
            title="bits per parameter", unit="95 % interval", form="{:.2f}",
            value="bits_per_parameter",
        ),
        Column(title="standing", value=_standing),
        Column(
            title="most that one run stored", unit="bits per parameter; spread of seeds",
            form="{:.2f}", value=_most,
        ),
        *([limit] if has_budgets else []),
        *([published] if is_published else []),
        Column(
            title="plateau", unit="bits, 95 % interval", form="{:,.0f}", value=_plateau,
            missing="none",
        ),
        Column.of(METRICS["parameters"]),
        Column(
            title="runs", unit="seeds",
            value=lambda each: (each.runs.height, f"{len(each.seed_maxima_bits)}"),
        ),
    ]  # fmt: skip
    return Table(columns=columns, rows=found.capacities)


def _standing(capacity: Capacity) -> Value:
    words = wording.standing(capacity)
    return warning(words) if capacity.doubts else words


def _most(capacity: Capacity) -> Value:
    spread, parameters = capacity.seed_spread_bits, capacity.parameters
    below = "one seed" if spread is None else number(spread / parameters, "{:.3f}")
    return capacity.maximum_bits / parameters, below


def _plateau(capacity: Capacity) -> Value:
    found = capacity.plateau
    if isinstance(found, NoPlateau):
        return None
    return found.capacity_bits, span(found.interval_bits, "{:,.0f}")


def _limit(capacity: Capacity) -> Value:
    if capacity.budgets is None:
        return None
    found = capacity.budgets.most.limit
    if isinstance(found, NoLimit):
        return "cannot be told", found.reason
    return found.bits, span(found.interval_bits, "{:,.0f}")


def _difference_table(compared: Sequence[Difference]) -> Table:
    return Table(
        rows=compared,
        columns=[
            Column(title="format", value="formats"),
            Column(
                title="bits per parameter", unit="95 % interval", form="{:+.3f}",
                value="bits_per_parameter",
            ),
            Column(title="pairs", value="pairs"),
            Column(title="finding", value=wording.verdict),
        ],
    )  # fmt: skip


def _run_table(found: Study) -> Table:
    """Columns for the finish where any run has one."""
    finish = ["training.finish.memorised_bits_before", "training.finish.evaluations"]
    columns = [
        Column(title="run", value="run_id", is_code=True),
        Column.of(METRICS["model"]),
        FORMAT,
        Column.of(METRICS["task.num_sequences"]),
        Column.of(METRICS["seed"]),
        Column.of(METRICS["bits_per_parameter"]),
        Column.of(METRICS["memorised_bits"], lambda run: _beside(run, "memorised_bits")),
        Column.of(METRICS["ceiling_bits"], lambda run: _beside(run, "ceiling_bits")),
        CONVERGED,
        Column.of(METRICS["training.steps"]),
        Column.of(METRICS["training.growth_bits_per_1000_steps"]),
        *(Column.of(METRICS[name]) for name in finish if ENDED_BY in found.runs.columns),
    ]
    return Table(columns=columns, rows=found.runs.to_dicts(), is_tall=True)


def _beside(run: Mapping[str, Any], name: str) -> Value:
    """With what belongs to it in small print."""
    if name == "ceiling_bits":
        return run[name], f"of {run['entropy_bits']:,.0f} of data"
    return run[name], f"{run['memorised_bits_after_first_token']:,.0f} without first tokens"


def _numbers(found: Study, compared: Sequence[Difference]) -> dict[str, Any]:
    alphas = {f"alpha {each.format}": _alpha_entry(each) for each in found.alphas}
    names = {f"{each.model} {each.format}": each for each in found.capacities}
    capacities = {f"capacity {name}": _capacity_entry(each) for name, each in names.items()}
    limits = {f"limit {name}": _limit_entry(each) for name, each in names.items() if each.budgets}
    apart = {
        f"difference {each.formats}": {
            "bits_per_parameter": each.bits_per_parameter.value,
            "interval_bits_per_parameter": each.bits_per_parameter.interval,
            "pairs": each.pairs,
            "runs": [*each.first.runs["run_id"], *each.second.runs["run_id"]],
        }
        for each in compared
    }
    return alphas | capacities | limits | apart


def _alpha_entry(alpha: Alpha) -> dict[str, Any]:
    between = alpha.slope and alpha.slope.between_sizes_bits_per_parameter
    return {
        "bits_per_parameter": alpha.bits_per_parameter.value,
        "interval_bits_per_parameter": alpha.bits_per_parameter.interval,
        "maximum_bits_per_parameter": alpha.maximum_bits_per_parameter,
        "between_sizes_bits_per_parameter": between and between.value,
        "lower_bound": alpha.is_lower_bound,
        "data_limited_sizes": alpha.num_data_limited,
        "models": [each.model for each in alpha.fitted],
        "runs": list(alpha.runs["run_id"]),
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


def _limit_entry(capacity: Capacity) -> dict[str, Any]:
    budgets, limit, parameters = capacity.budgets, capacity.limit, capacity.parameters
    assert budgets is not None
    interval = limit and [bits / parameters for bits in limit.interval_bits]
    return {
        "bits_per_parameter": limit and limit.bits / parameters,
        "interval_bits_per_parameter": interval,
        **({"exponent": limit.exponent} if limit else {}),
        "finding": wording.limit(capacity),
        "unit": budgets.unit,
        "stored_bits_per_parameter": budgets.stored_bits / parameters,
        "runs": [run_id for each in budgets.trained for run_id in each.run_ids],
    }
