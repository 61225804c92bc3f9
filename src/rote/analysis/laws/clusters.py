"""Group runs whose residuals may be correlated: of one size, one data set or one sweep line.

If a law has the wrong curvature, all runs of a size have the same residual, and drawing runs one by
one treats them as independent. A cluster is therefore drawn, or left out, as a whole.
"""

from warnings import catch_warnings

import numpy as np
from scipy.stats import ConstantInputWarning, f_oneway, rankdata

from rote.analysis.derived import FLOPS_PER_PARAMETER_AND_TOKEN
from rote.analysis.fits.uncertainty import Ints
from rote.analysis.laws.law import CLUSTERS, RUN, Floats, LawData

# Budgets of a sweep line are rounded to whole steps; runs are numbered.
TOLERANCE = {"flops": 0.1, RUN: 0.0}
SAME = 0.01  # tolerance of the others: sizes may be read off a figure
FEWEST_BESIDE = 2  # clusters needed beyond the number of constants
SURE = 0.01  # level of the test, over all kinds of clusters together


def grouped(values: Floats, tolerance: float) -> list[Ints]:
    """Return the indices of each group: values at most ``tolerance`` (relative) above its first."""
    order = np.argsort(values, kind="stable")
    groups: list[list[int]] = []
    for run in order.tolist():
        if not groups or values[run] > values[groups[-1][0]] * (1 + tolerance):
            groups.append([])
        groups[-1].append(run)
    return [np.array(group) for group in groups]


def cluster_numbers(measured: LawData, kind: str) -> Ints:
    """Return each run's cluster, [M]; raises ValueError for an unknown kind or a missing column."""
    if kind not in (*CLUSTERS, RUN):
        raise ValueError(f"clusters={kind!r}: choose from {', '.join(CLUSTERS)}")
    numbers = np.zeros(len(measured), dtype=np.int64)
    groups = grouped(_values(measured, kind), TOLERANCE.get(kind, SAME))
    for number, runs in enumerate(groups):
        numbers[runs] = number
    return numbers


def required_clusters(measured: LawData, kind: str, num_constants: int) -> Ints | None:
    """Return the cluster of every run, [M], or None for the empty kind (each run alone).

    Raises ValueError if there are too few clusters for so many constants.
    """
    if not kind:
        return None
    numbers = cluster_numbers(measured, kind)
    if (number := len(np.unique(numbers))) < num_constants + FEWEST_BESIDE:
        raise ValueError(
            f"{number} clusters of equal {kind}, and {num_constants} constants take "
            f"{num_constants + FEWEST_BESIDE}"
        )
    return numbers


def alike(measured: LawData, residuals_M: Floats) -> dict[str, float]:
    """Return the kinds of clusters with correlated residuals, each with its rank correlation.

    One-way analysis of variance of the ranks, with an F test at 1 % over all kinds together. Kinds
    whose clusters are single runs, or all runs together, are skipped.
    """
    ranks, columns, found = rankdata(residuals_M), set(measured.columns), {}
    if {"parameters", "tokens"} <= columns:
        columns.add("flops")
    kinds = [kind for kind in CLUSTERS if kind in columns]
    for kind in kinds:
        correlation, chance = _within(ranks, cluster_numbers(measured, kind))
        if correlation > 0 and chance < SURE / len(kinds):
            found[kind] = correlation
    return found


def _within(ranks: Floats, numbers: Ints) -> tuple[float, float]:
    """Return the intraclass correlation, and the probability of one as large by chance."""
    sizes = np.bincount(numbers)
    num_runs, num_groups = len(ranks), len(sizes)
    if not 1 < num_groups < num_runs:
        return 0.0, 1.0
    with catch_warnings(action="ignore", category=ConstantInputWarning):
        found = f_oneway(*(ranks[numbers == number] for number in range(num_groups)))
    if np.isinf(found.statistic):
        return 1.0, 0.0
    typical = (num_runs - float((sizes**2).sum()) / num_runs) / (num_groups - 1)
    return float((found.statistic - 1) / (found.statistic + typical - 1)), float(found.pvalue)


def _values(measured: LawData, kind: str) -> Floats:
    if kind == "flops" and kind not in measured.columns:
        return FLOPS_PER_PARAMETER_AND_TOKEN * measured["parameters"] * measured["tokens"]
    return measured[kind]
