"""Compute-optimal size from the lower envelope of all runs: the best run in each bin of FLOPs.

Hoffmann et al. 2022, arXiv 2203.15556, section 3.1 (approach 1), for finished runs in place of
training curves: runs of a bin differ in FLOPs by at most a quarter of a decade. A bin whose best
run is its smallest or largest has not enclosed a minimum and is left out.
"""

import numpy as np

from rote.analysis.laws.clusters import grouped
from rote.analysis.laws.frontier import (
    FORMULA,
    NEEDS,
    Found,
    Minimum,
    columns_of,
    describe_frontier,
)
from rote.analysis.laws.law import Chosen, Effort, Fitted, Floats, Law, Measured

WIDTH = 10**0.25 - 1  # of a bin, as a tolerance on FLOPs


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError below three bins that enclose a minimum."""
    columns = columns_of(measured)
    bins = grouped(columns[2], WIDTH)
    tried = [_best(columns, runs, runs) for runs in bins]
    used = [runs for runs, each in zip(bins, tried, strict=True) if isinstance(each, Minimum)]
    found = Found(
        minima=[each for each in tried if isinstance(each, Minimum)],
        resampled=_resampled(columns, used, effort),
        left_out=[each for each in tried if isinstance(each, str)],
    )
    method = "the run of least loss in each quarter of a decade of FLOPs, lines through them"
    return describe_frontier("envelope", method, measured, found, effort)


def _best(
    columns: tuple[Floats, Floats, Floats, Floats], runs: Floats, bin_runs: Floats
) -> Minimum | str:
    """Of ``runs``, inside the sizes of the whole bin."""
    parameters, tokens, flops, loss = columns
    best = runs[loss[runs].argmin()]
    sizes = parameters[bin_runs]
    if not sizes.min() < parameters[best] < sizes.max():
        middle = float(np.exp(np.log(flops[bin_runs]).mean()))
        return f"at {middle:.3g} FLOPs the best run is at an end of the sizes run"
    return Minimum(
        flops=float(flops[best]), parameters=float(parameters[best]), tokens=float(tokens[best])
    )


def _resampled(
    columns: tuple[Floats, Floats, Floats, Floats], bins: list[Floats], effort: Effort
) -> list[list[Minimum]]:
    """Runs of each bin drawn anew from that bin."""
    generator = np.random.default_rng(effort.seed)
    resampled = []
    for _ in range(effort.num_resamples):
        tried = [_best(columns, generator.choice(runs, size=len(runs)), runs) for runs in bins]
        resampled.append([each for each in tried if isinstance(each, Minimum)])
    return resampled


LAW = Law(
    runs=Chosen.FRESH,
    formula=FORMULA,
    source="Hoffmann et al. 2022, arXiv 2203.15556, section 3.1",
    inputs=("flops",),
    output="parameters",
    fit=fit,
    needs=NEEDS,
    published={},
)
