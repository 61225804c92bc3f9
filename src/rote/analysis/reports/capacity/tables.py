"""The tables of a capacity report: a row a model, a row a run."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rote.analysis.elements import (
    code_cell,
    converged_cell,
    estimate_cell,
    number_cell,
    table,
    text_cell,
    warning_cell,
)
from rote.analysis.estimate import span
from rote.analysis.fits.budget import NoLimit
from rote.analysis.fits.plateau import Plateau
from rote.analysis.quantities.convergence import ENDED_BY
from rote.analysis.reports.capacity import wording
from rote.analysis.reports.capacity.axis_figures import published_rows
from rote.analysis.reports.capacity.differences import Difference
from rote.analysis.reports.capacity.summary import Capacity, Summary, told_format

BEFORE = ("training.finish.memorised_bits_before", "training.finish.evaluations")
TEXT_COLUMNS = ("run", "model", "format", "converged", "standing", "pairs", "finding")
CAPACITY_HEADERS = (
    ("model", "layers x width, heads"),
    ("format", ""),
    ("bits per parameter", "95 % interval"),
    ("standing", ""),
    ("most that one run stored", "bits per parameter; spread of seeds"),
)
FIT_HEADERS = (("plateau (bits)", "95 % interval"), ("parameters", ""), ("runs", "seeds"))
DIFFERENCE_HEADERS = (
    ("format", ""),
    ("bits per parameter", "95 % interval"),
    ("pairs", ""),
    ("finding", ""),
)
LIMIT_HEADER = ("unlimited budget", "bits, 95 % interval")
PUBLISHED_HEADER = ("published", "heads not stated")
RUN_HEADERS = (
    ("run", ""),
    ("model", "layers x width, heads"),
    ("format", ""),
    ("sequences", ""),
    ("seed", ""),
    ("can be memorised", "bits; of data"),
    ("memorised", "bits; first token left out"),
    ("memorised", "bits per parameter"),
    ("converged", "judged by"),
    ("steps", ""),
    ("growth", "bits per 1,000 steps"),
)
FINISH_HEADERS = (("before the finish", "bits"), ("evaluations", "of the finish"))


def capacity_table(summary: Summary) -> str:
    """Columns for unlimited budgets and published values where there are any."""
    has_budgets = any(each.budgets for each in summary.capacities)
    is_published = any(published_rows(summary, each) for each in summary.capacities)
    headers = [
        *CAPACITY_HEADERS,
        *([LIMIT_HEADER] if has_budgets else []),
        *([PUBLISHED_HEADER] if is_published else []),
        *FIT_HEADERS,
    ]
    rows = [
        [
            *_capacity_cells(each),
            *([_limit_cell(each)] if has_budgets else []),
            *([_published_cell(summary, each)] if is_published else []),
            *_fit_cells(each),
        ]
        for each in summary.capacities
    ]
    return table(headers, rows, text=TEXT_COLUMNS)


def difference_table(compared: Sequence[Difference]) -> str:
    """A row a format that is held against the first."""
    rows = [
        [
            text_cell(f"{each.second} less {each.first}"),
            estimate_cell(each.bits_per_parameter, "{:+.3f}"),
            text_cell(each.pairs),
            text_cell(wording.verdict(each)),
        ]
        for each in compared
    ]
    return table(DIFFERENCE_HEADERS, rows, text=TEXT_COLUMNS)


def run_table(summary: Summary) -> str:
    """Columns for the finish where any run has one."""
    has_finish = ENDED_BY in summary.runs.columns
    headers = [*RUN_HEADERS, *(FINISH_HEADERS if has_finish else [])]
    rows = [
        [*_run_cells(run), *(_finish_cells(run) if has_finish else [])]
        for run in summary.runs.iter_rows(named=True)
    ]
    return table(headers, rows, text=TEXT_COLUMNS)


def _capacity_cells(capacity: Capacity) -> list[str]:
    spread_bits, standing = capacity.seed_spread_bits, wording.standing(capacity)
    return [
        text_cell(capacity.model),
        text_cell(capacity.format),
        estimate_cell(capacity.bits_per_parameter, "{:.2f}"),
        warning_cell(standing) if capacity.doubts else text_cell(standing),
        number_cell(
            f"{capacity.maximum_bits / capacity.parameters:.2f}",
            "" if spread_bits is None else f"{spread_bits / capacity.parameters:.3f}",
        ),
    ]


def _fit_cells(capacity: Capacity) -> list[str]:
    plateau = capacity.plateau
    return [
        number_cell(_bits(plateau.capacity_bits), span(plateau.interval_bits, "{:,.0f}"))
        if isinstance(plateau, Plateau)
        else number_cell("none"),
        number_cell(f"{capacity.parameters:,}"),
        number_cell(len(capacity.run_ids), f"{capacity.num_seeds}"),
    ]


def _limit_cell(capacity: Capacity) -> str:
    if capacity.budgets is None:
        return number_cell("not trained for several")
    limit = capacity.budgets.best
    if isinstance(limit, NoLimit):
        return number_cell("cannot be told", escape(limit.reason))
    return number_cell(_bits(limit.bits), span(limit.interval_bits, "{:,.0f}"))


def _published_cell(summary: Summary, capacity: Capacity) -> str:
    values = [f"{each.bits_per_parameter:.2f}" for each in published_rows(summary, capacity)]
    return number_cell(", ".join(values) or "none")


def _run_cells(run: Mapping[str, Any]) -> list[str]:
    growth_bits = run["training.growth_bits_per_1000_steps"]  # None before the first 1,000 steps
    return [
        code_cell(run["run_id"]),
        text_cell(run["model"]),
        text_cell(told_format(run["precision.name"], run["setting"])),
        number_cell(f"{run['task.num_sequences']:,}"),
        number_cell(run["seed"]),
        number_cell(f"{run['ceiling_bits']:,.1f}", f"{run['entropy_bits']:,.1f}"),
        number_cell(
            f"{run['memorised_bits']:,.1f}", f"{run['memorised_bits_after_first_token']:,.1f}"
        ),
        number_cell(f"{run['bits_per_parameter']:.3f}"),
        converged_cell(run),
        number_cell(f"{run['training.steps']:,}"),
        number_cell("not known" if growth_bits is None else f"{growth_bits:,.1f}"),
    ]


def _finish_cells(run: Mapping[str, Any]) -> list[str]:
    values = [run.get(name) for name in BEFORE]
    return [
        number_cell("none" if value is None else form.format(value))
        for value, form in zip(values, ("{:,.1f}", "{:,}"), strict=True)
    ]


def _bits(bits: float) -> str:
    return f"{bits:,.0f}"
