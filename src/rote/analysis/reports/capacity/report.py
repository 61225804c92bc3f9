"""Make the capacity report: how many bits a parameter holds, over sizes and precisions."""

from collections.abc import Sequence
from statistics import stdev
from typing import Any

from rote.analysis.estimate import number, plural, span
from rote.analysis.fits.plateau import NoPlateau, Plateau, exponent_beyond
from rote.analysis.fits.search import NoFit
from rote.analysis.metrics import METRICS
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.quantities.convergence import ENDED_BY
from rote.analysis.quantities.convergence import converged as convergence_words
from rote.analysis.reports.capacity import figures, training_figures, wording
from rote.analysis.reports.capacity.differences import Difference, differences
from rote.analysis.reports.capacity.study import PRECISIONS, Alpha, CapacityOfSize, Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import RUN, runs_section
from rote.analysis.table import Cell, Column, Table, Value

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
FORMAT = Column("format", "format")
OF_RUNS = (
    RUN, "model", FORMAT, "task.num_sequences", "seed",
    "bits_per_parameter", "memorised_bits", "memorised_bits_after_first_token", "ceiling_bits",
    "entropy_bits", "training.converged", "training.steps", "training.growth_bits_per_1000_steps",
)  # fmt: skip
FINISH = ("training.finish.memorised_bits_before", "training.finish.evaluations")


def make(results: Results) -> Content:
    """Make it; raises ValueError for an empty table, mixed settings or unknown entropy."""
    found = study(results.table, results.curves)
    compared = differences(found)
    finish = FINISH if ENDED_BY in found.runs.columns else ()
    plots = (
        figures.bits_per_parameter(found), figures.heads(found), training_figures.budgets(found),
        training_figures.training_curves(found, results.curves),
    )  # fmt: skip
    return Content(
        headlines=wording.headlines(found, compared),
        setting=wording.setting(found),
        cards=tuple(map(_card, found.alphas)),
        lead=figures.memorised_bits(found),
        sections=(
            Section(
                "Capacity of each model",
                [_capacity_table(found), *_doubts(found), Text(CAPACITIES_NOTE)],
            ),
            *([_compared(compared)] if compared else []),
            Section("Figures", [plot for plot in plots if plot]),
            runs_section(found.runs, [*OF_RUNS, *finish]),
        ),
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
        meaning=PRECISIONS[alpha.precision],
        value=value,
        unit="" if value == "none" else "bits per parameter",
        lines=[
            Text(wording.basis(alpha)),
            Text(convergence_words(alpha.runs), is_warning=alpha.is_lower_bound),
            Text(beside),
        ],
    )


def _doubts(found: Study) -> list[Text]:
    """List why models may hold more than was found."""
    reasons: dict[str, list[str]] = {}
    for each in found.capacities:
        name = f"{each.model} in {each.format}"
        if count := each.num_unconverged:
            where = reasons.setdefault("runs at or beyond capacity had not converged", [])
            where.append(f"{name} ({plural(count, 'run')})")
        if isinstance(each.plateau, NoPlateau):
            reasons.setdefault(each.plateau.reason, []).append(name)
    items = [f"{reason}: {'; '.join(names)}" for reason, names in reasons.items()]
    return [Text("These may hold more:", items=items)] if items else []


def _capacity_table(found: Study) -> Table:
    """Build the table, with columns for unlimited budgets and published values if there are any."""
    bits, most = "bits, 95 % interval", "bits per parameter; spread of seeds"
    untried = "not trained for several"
    limit = Column("unlimited budget", _limit, unit=bits, form="{:,.0f}", missing=untried)
    published = Column("published", _published, unit="heads not stated")
    columns = [
        Column.of(METRICS["model"]),
        FORMAT,
        Column("bits per parameter", "bits_per_parameter", unit="95 % interval", form="{:.2f}"),
        Column("standing", _standing),
        Column("most that one run stored", _most, unit=most, form="{:.2f}"),
        *([limit] if any(each.budgets for each in found.capacities) else []),
        *([published] if any(map(figures.published_of, found.capacities)) else []),
        Column("plateau", _plateau, unit=bits, form="{:,.0f}", missing="none"),
        Column.of(METRICS["parameters"]),
        Column("runs", lambda one: (one.runs.height, f"{len(one.seed_maxima_bits)}"), unit="seeds"),
    ]
    return Table(columns=columns, rows=found.capacities)


def _standing(capacity: CapacityOfSize) -> Value:
    return Cell(text=wording.standing(capacity), is_warning=bool(capacity.doubts))


def _most(capacity: CapacityOfSize) -> Value:
    maxima, below = capacity.seed_maxima_bits, "one seed"
    if len(maxima) > 1:
        below = number(stdev(maxima) / capacity.parameters, "{:.3f}")
    return capacity.maximum_bits_per_parameter, below


def _plateau(capacity: CapacityOfSize) -> Value:
    if isinstance(capacity.plateau, NoPlateau):
        return None
    return capacity.plateau.capacity_bits, span(capacity.plateau.interval_bits, "{:,.0f}")


def _limit(capacity: CapacityOfSize) -> Value:
    if capacity.budgets is None:
        return None
    found = capacity.budgets.most.limit
    if isinstance(found, NoFit):
        return "none", found.reason
    return found.bits, span(found.interval_bits, "{:,.0f}")


def _published(capacity: CapacityOfSize) -> Value:
    values = [f"{each.bits_per_parameter:.2f}" for each in figures.published_of(capacity)]
    return ", ".join(values) or "none"


def _compared(compared: Sequence[Difference]) -> Section:
    columns = [
        Column("format", "formats"),
        Column("bits per parameter", "bits_per_parameter", unit="95 % interval", form="{:+.3f}"),
        Column("pairs", "pairs"),
        Column("finding", wording.verdict),
    ]
    table = Table(columns=columns, rows=compared)
    return Section("Formats compared", [table, Text(DIFFERENCES_NOTE)])


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
    between = alpha.slope and alpha.slope.between
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


def _capacity_entry(capacity: CapacityOfSize) -> dict[str, Any]:
    plateau, runs = capacity.plateau, capacity.runs
    beyond = exponent_beyond(
        runs["ceiling_bits"].to_numpy(), runs["memorised_bits"].to_numpy(), capacity.capacity_bits
    )
    return {
        "bits_per_parameter": capacity.bits_per_parameter.value,
        "interval_bits_per_parameter": capacity.bits_per_parameter.interval,
        "maximum_bits": plateau.maximum_bits,
        # f of bits ~ data^-f beyond the knee, 0 if too few data sets lie there.
        "fall_exponent": plateau.knee.fall if isinstance(plateau, Plateau) else None,
        # e of bits ~ data^e among the runs whose data exceed the capacity, 0 at a ceiling.
        "data_exponent": beyond and beyond.value,
        "interval_data_exponent": beyond and beyond.interval,
        "heads": capacity.num_heads,
        "data_limited": capacity.is_data_limited,
        "unconverged_runs": capacity.num_unconverged,
        "doubts": capacity.doubts,
        "runs": list(capacity.runs["run_id"]),
    }


def _limit_entry(capacity: CapacityOfSize) -> dict[str, Any]:
    budgets, limit, parameters = capacity.budgets, capacity.limit, capacity.parameters
    assert budgets is not None
    return {
        "bits_per_parameter": limit and limit.bits / parameters,
        "interval_bits_per_parameter": limit and [x / parameters for x in limit.interval_bits],
        **({"exponent": limit.exponent} if limit else {}),
        "finding": wording.limit(capacity),
        "unit": budgets.unit,
        "stored_bits_per_parameter": budgets.stored_bits / parameters,
        "runs": [run_id for each in budgets.trained for run_id in each.run_ids],
    }
