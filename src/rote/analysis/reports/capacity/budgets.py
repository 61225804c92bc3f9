"""Estimate the gain of longer training: bits after several budgets, and their limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rote.analysis.fits.budget import FEWEST_BUDGETS, BudgetCurve, Limit, fit_limits
from rote.analysis.fits.plateau import DATA_LIMITED
from rote.analysis.fits.search import NoFit
from rote.analysis.results import Curve
from rote.ledger.curve import MEMORISED_BITS

SETTINGS = ("task.", "model.", "size.", "optim.", "budget.", "measure.")  # must not be mixed
BUDGET = ("budget.max_steps", "budget.saturation.min_steps")  # how long a run trains
PREFIXES = (0.25, 0.5, 1.0)  # parts of a run that ends at its full rate, or with a finish
SCHEDULE, CONSTANT = "optim.schedule._target_", "constant"
STEPS, EVALUATIONS = "optimiser steps", "evaluations of the finish"

Found = tuple[tuple[str, ...], BudgetCurve]  # run ids, the longest last


@dataclass(frozen=True)
class TrainedSize:
    """One data set and seed, trained for several budgets."""

    run_ids: tuple[str, ...]
    curve: BudgetCurve
    limit: Limit | NoFit


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """The budgets of one model and format."""

    unit: str  # `STEPS` or `EVALUATIONS`
    trained: tuple[TrainedSize, ...]
    held_back: Limit | NoFit  # the longest budget of `most`, predicted from the shorter ones

    @property
    def most(self) -> TrainedSize:
        """The data set and seed with the most memorised bits at its longest budget."""
        return max(self.trained, key=lambda each: each.curve.bits[-1])

    @property
    def stored_bits(self) -> float:
        """The bits that `most` memorised at its longest budget."""
        return self.most.curve.bits[-1]


def with_longest(runs: pl.DataFrame) -> pl.DataFrame:
    """Add ``point``, one text for runs that differ only in `BUDGET`, and ``is_longest``."""
    beginnings = (*SETTINGS, "precision.", "control.", "seed")
    keys = [key for key in runs.columns if key.startswith(beginnings) and key not in BUDGET]
    texts = [pl.col(key).cast(pl.String).fill_null("") for key in keys]
    budget = pl.struct(key for key in BUDGET if key in runs.columns)
    return runs.with_columns(point=pl.concat_str(texts, separator="\n")).with_columns(
        is_longest=budget == budget.sort().last().over("point")
    )


def budgets_of(runs: pl.DataFrame, curves: Mapping[str, Curve]) -> Budgets | None:
    """Return the budgets of one model and format: repeated runs, or else parts of each run.

    None if there are none. Nearly full data sets are left out if there are others: the ceiling
    stops their growth, and they would spoil the exponent that all share.
    """
    constant = pl.lit(False)
    if SCHEDULE in runs.columns:
        constant = pl.col(SCHEDULE).str.ends_with(CONSTANT)
    for unit, found in (
        (STEPS, _repeated(runs)),
        (EVALUATIONS, _prefixes(runs, curves, "evaluations")),
        (STEPS, _prefixes(runs.filter(constant), curves, "step")),
    ):
        is_full = [curve.bits[-1] > DATA_LIMITED * curve.ceiling_bits for _, curve in found]
        found = [each for each, full in zip(found, is_full, strict=True) if not full] or found
        if found:
            run_ids, curves_found = zip(*found, strict=True)
            trained = map(TrainedSize, run_ids, curves_found, fit_limits(curves_found))
            return Budgets(unit=unit, trained=tuple(trained), held_back=_held_back(curves_found))
    return None


def _held_back(curves: Sequence[BudgetCurve]) -> Limit | NoFit:
    """Predict the longest budget of the curve of most bits from all shorter ones.

    Two runs may have equal budgets: one that may train for longer stops early where it converged.
    """
    most = max(curves, key=lambda each: each.bits[-1])
    longest = most.budgets[-1]
    shorter = []
    for each in (most, *(each for each in curves if each is not most)):
        number = sum(budget < longest for budget in each.budgets)
        if each.budgets[-1] == longest:
            shorter.append(replace(each, budgets=each.budgets[:number], bits=each.bits[:number]))
    return fit_limits(shorter, at_budget=longest)[0]


def _repeated(runs: pl.DataFrame) -> list[Found]:
    """Return runs that were trained anew for each budget."""
    found: list[Found] = []
    for point in runs.sort("training.steps").partition_by("point", maintain_order=True):
        budgets, bits = point["training.steps"].to_list(), point["memorised_bits"].to_list()
        if len(set(budgets)) >= FEWEST_BUDGETS:
            curve = BudgetCurve(budgets=budgets, bits=bits, ceiling_bits=point["ceiling_bits"][0])
            found.append((tuple(point["run_id"]), curve))
    return found


def _prefixes(runs: pl.DataFrame, curves: Mapping[str, Curve], key: str) -> list[Found]:
    """Return, for each longest run with a curve, bits at a quarter, half and end of the curve."""
    found: list[Found] = []
    for run_id, ceiling_bits in runs.filter("is_longest").select("run_id", "ceiling_bits").rows():
        rows = [row for row in curves.get(run_id, ()) if key in row and MEMORISED_BITS in row]
        places = np.array([row[key] for row in rows])
        if len(rows) < FEWEST_BUDGETS or PREFIXES[0] * places[-1] < max(places[0], 1):
            continue
        budgets = places[-1] * np.array(PREFIXES)
        bits = np.interp(budgets, places, [row[MEMORISED_BITS] for row in rows])
        curve = BudgetCurve(budgets=budgets.tolist(), bits=bits.tolist(), ceiling_bits=ceiling_bits)
        found.append(((run_id,), curve))
    return found
