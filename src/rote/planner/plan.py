"""Make a plan from a request: a ladder of sizes, the best row, and the Pareto-optimal rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rote.analysis.derived import FLOPS_PER_PARAMETER_AND_TOKEN
from rote.analysis.estimate import Interval
from rote.planner.formatting import short
from rote.planner.law_estimates import LawEstimate, LawEstimates, Surface
from rote.planner.projection import Projection, least_tokens, project
from rote.planner.request import PlanRequest
from rote.planner.solving import cheapest_parameters, largest_within, least_data, optimal_parameters

RUNGS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 2, 4, 8, 16)  # sizes about the best one
SMALLEST = 1e3  # parameters: lower end of every ladder
MOST_TOKENS = 1e18  # more than exist: used if no amount keeps a ceiling
LADDER = (1e6, 1e7, 1e8, 1e9, 1e10)  # sizes if no best one is known


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Rows by size. ``best`` is the recommended row; None if no row keeps the request."""

    question: PlanRequest
    estimates: LawEstimates
    rows: tuple[Projection, ...]
    pareto: tuple[int, ...]  # rows that no other beats in loss, leakage and cost together
    best: int | None
    optimum: float | None  # parameters, if compute decides
    optimum_interval: Interval | None
    left_out: tuple[str, ...]  # omitted sizes of the ladder, with reasons


def make_plan(question: PlanRequest, estimates: LawEstimates) -> TrainingPlan:
    """Make a plan; raises ValueError if no size satisfies the request, or its law is unknown."""
    _require_known(question, estimates)
    if question.flops is not None and question.flops < FLOPS_PER_PARAMETER_AND_TOKEN:
        raise ValueError(f"--flops pays for one parameter and token, 6, got {question.flops:g}")
    loss = estimates.loss_of(question.tokens)
    optimum = _optimum(question, loss.best)
    if optimum is None and question.loss_nats is not None:
        raise ValueError(
            f"no model reaches {question.loss_nats:g} nats a token: the loss law "
            f"({loss.source}) ends above it"
        )
    rows, left_out = [], []
    for parameters in _ladder(question, optimum, _largest_within(question, estimates)):
        tokens = _tokens(question, estimates, parameters)
        if isinstance(tokens, str):
            left_out.append(f"{short(parameters)}: {tokens}")
            continue
        row = project(estimates, question, parameters, tokens)
        if reason := _outside_suffix_law(question, row):
            left_out.append(f"{short(parameters)}: {reason}")
        else:
            rows.append(row)
    if not rows:
        raise ValueError(f"no size can be trained for this: {'; '.join(left_out)}")
    return TrainingPlan(
        question=question,
        estimates=estimates,
        rows=tuple(rows),
        pareto=tuple(pareto(rows)),
        best=_best(question, rows),
        optimum=optimum,
        optimum_interval=_optimum_interval(question, loss),
        left_out=tuple(left_out),
    )


def pareto(rows: Sequence[Projection]) -> Iterator[int]:
    """Yield the rows that no other row beats: as good in everything, better in something."""
    goods = [_costs(row) for row in rows]
    for index, mine in enumerate(goods):
        if not any(np.all(other <= mine) and np.any(other < mine) for other in goods):
            yield index


def _costs(row: Projection) -> np.ndarray:
    """Return costs, each better if less; differences in the seventh digit count as equal."""
    leaks = [value.value for value in (row.f1, row.exposure_bits, row.extracted, row.p_z) if value]
    costs = [row.loss_nats.value, *leaks, row.flops]
    return np.array([float(f"{cost:.6g}") for cost in costs])


def _require_known(question: PlanRequest, estimates: LawEstimates) -> None:
    """Raises ValueError for a ceiling without a law, and for repeats that no run had."""
    asked = (
        (question.max_f1, estimates.membership, "membership"),
        (question.max_exposure_bits, estimates.exposure, "exposure"),
        (question.max_extracted, estimates.extraction, "extraction"),
    )
    for ceiling, estimate, measure in asked:
        if ceiling is not None and estimate is None:
            raise ValueError(
                f"nothing is known of {measure}: --from a sweep whose runs measure it, differ in "
                "windows a parameter and do not all leak alike"
            )
    if question.max_p_z is None:
        return
    if estimates.suffix is None:
        raise ValueError(
            f"--max-extraction needs a fitted law of p_z ({estimates.why_no_suffix}): "
            "--from a sweep that measures discoverable"
        )
    if [*estimates.suffix.estimate.beyond(repeats=question.repeats)]:
        low, high = estimates.suffix.estimate.ranges["repeats"]
        raise ValueError(
            f"--repeats {question.repeats:g} is outside the {low:g} to {high:g} repeats that the "
            "extraction law was fitted to"
        )


def _outside_suffix_law(question: PlanRequest, row: Projection) -> str:
    """Return why a row is no answer about p_z, or nothing: the law is not extrapolated for it."""
    outside = [each for each in row.beyond if each.law == "p_z"]
    if question.max_p_z is None or not outside:
        return ""
    named = ", ".join(f"{each.input} x{short(each.factor)}" for each in outside)
    return f"outside the runs of the extraction law ({named} of the most or least)"


def _optimum(question: PlanRequest, loss: Surface) -> float | None:
    """Return the best size if compute decides; None too if no size reaches the target."""
    if question.flops is not None:
        return optimal_parameters(loss, question.flops)
    if question.loss_nats is not None:
        return cheapest_parameters(loss, question.loss_nats)
    return None


def _optimum_interval(question: PlanRequest, loss: LawEstimate) -> Interval | None:
    tried = [_optimum(question, loss.surface(curve)) for curve in loss.rivals]
    found = [each for each in tried if each is not None]
    return loss.spread(found) if found else None


def _largest_within(question: PlanRequest, estimates: LawEstimates) -> float | None:
    """Return, for a budget, the largest size whose data still keep every ceiling on leakage."""
    flops = question.flops
    if flops is None or not question.has_ceiling:
        return None

    def lacking(parameters: float) -> float:
        tokens = flops / FLOPS_PER_PARAMETER_AND_TOKEN / parameters
        unique = min(tokens, question.tokens or tokens)
        return (least_tokens(estimates, question, parameters, tokens) or MOST_TOKENS) / unique

    return largest_within(lacking, SMALLEST, flops / FLOPS_PER_PARAMETER_AND_TOKEN)


def _ladder(question: PlanRequest, optimum: float | None, largest: float | None) -> list[float]:
    """Return the requested sizes; else sizes about the optimum, and the largest within ceilings."""
    if question.parameters:
        return sorted(question.parameters)
    if optimum is None:
        return list(LADDER)
    rungs = [float(f"{optimum * rung:.2g}") for rung in RUNGS]
    exact = [optimum, *([largest] if largest else [])]
    return sorted([*exact, *(rung for rung in rungs if rung >= SMALLEST)])


def _tokens(question: PlanRequest, estimates: LawEstimates, parameters: float) -> float | str:
    """Return the tokens for this size: from the budget, else the target, the data, or leakage.

    Returns a reason in words if it cannot be trained.
    """
    if question.flops is not None:
        tokens = question.flops / FLOPS_PER_PARAMETER_AND_TOKEN / parameters
        if tokens < estimates.window_tokens:
            return f"{question.flops:.3g} FLOPs do not pay for one window of it"
        return tokens
    if question.loss_nats is not None:
        loss = estimates.loss_of(question.tokens)
        needed = least_data(loss.best, question.loss_nats, parameters)
        return needed or f"never reaches {question.loss_nats:g} nats a token"
    if question.tokens is not None:
        return question.tokens
    least = least_tokens(estimates, question, parameters, seen_tokens=0.0)
    return least or "no amount of data keeps the ceiling on leakage"


def _best(question: PlanRequest, rows: Sequence[Projection]) -> int | None:
    """Return the best row that keeps the request: the cheapest for a target, else of lowest loss.

    None if sizes differ in everything, or if more is always better.
    """
    is_choice = question.flops or question.loss_nats or (question.tokens and question.has_ceiling)
    kept = [index for index, row in enumerate(rows) if not row.breaks]
    if not kept or not is_choice:
        return None
    if question.loss_nats is not None and question.flops is None:
        return min(kept, key=lambda index: rows[index].flops)
    return min(kept, key=lambda index: rows[index].loss_nats.value)
