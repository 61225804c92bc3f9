"""Warnings about residuals: outliers, single runs that carry the fit, noise that is not alike."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import spearmanr

from rote.analysis.fits.regression import Problem
from rote.analysis.fits.uncertainty import Spread, spread
from rote.analysis.laws.clusters import FEWEST_BESIDE, alike, cluster_numbers
from rote.analysis.laws.law import Floats, Measured

FAR = 6.0  # robust deviations: of 1,000 Gaussian residuals one in 500,000 cases lies beyond
MOST_NAMED = 5
CARRIES = 0.5  # leverage: the run decides more of its own prediction than all others
TYPICAL = 3.0  # times the mean leverage K / M, below which a small design is simply small
SURE = 0.01  # level of the tests, over all inputs together
EXACT = 1e-8  # rms of residuals of ln(output): nothing is left to test


def about_residuals(
    names: Sequence[str],
    problem: Problem,
    measured: Measured,
    best_K: Floats,
    targets_M: Floats,
    about: Spread,
    *,
    inputs: Sequence[str],
    clusters: str,
) -> tuple[str, ...]:
    """Sentences, none where residuals are small, alike and independent.

    ``inputs`` are the law's columns; ``clusters`` names the kind that standard errors allow for,
    empty for none.
    """
    residuals = targets_M - problem.log_output(best_K[None])[0]
    if np.sqrt((residuals**2).mean()) < EXACT:
        return ()
    return (
        *_outliers(measured, residuals),
        *_carrying(measured, leverage(problem, best_K, targets_M)),
        *_unequal({name: measured[name] for name in inputs}, residuals),
        *(
            _alike(names, problem, measured, best_K, targets_M, about, kind, correlation)
            for kind, correlation in alike(measured, residuals).items()
            if kind != clusters
        ),
    )


def leverage(problem: Problem, best_K: Floats, targets_M: Floats) -> Floats:
    """[M], from 0 to 1: how far each run's prediction follows its own output, to first order."""
    jacobian = np.nan_to_num(problem.jacobian(best_K[None], targets_M[None])[0])
    scale = np.linalg.norm(jacobian, axis=0)
    root, _ = np.linalg.qr(jacobian[:, scale > 0] / scale[scale > 0])
    return np.asarray((root**2).sum(axis=1))


def _outliers(measured: Measured, residuals: Floats) -> Iterator[str]:
    scale = float(np.median(np.abs(residuals))) / 0.6745  # the deviation of a Gaussian
    far = np.flatnonzero(np.abs(residuals) > FAR * max(scale, EXACT))
    if not len(far):
        return
    worst = far[np.argsort(-np.abs(residuals[far]), kind="stable")][:MOST_NAMED]
    named = ", ".join(
        f"{_run(measured, run)} {100 * np.expm1(residuals[run]):+.1f} %" for run in worst.tolist()
    )
    more = f" and {len(far) - len(worst)} more" if len(far) > len(worst) else ""
    yield (
        f"{len(far)} of {len(residuals)} runs lie more than {FAR:g} robust deviations "
        f"({100 * scale:.2g} %) off the law: {named}{more}"
    )


def _carrying(measured: Measured, leverage_M: Floats) -> Iterator[str]:
    mean = float(leverage_M.mean())
    for run in np.flatnonzero(leverage_M > max(CARRIES, TYPICAL * mean))[:MOST_NAMED].tolist():
        yield (
            f"{_run(measured, run)} decides {100 * leverage_M[run]:.0f} % of its own prediction "
            f"(leverage; {100 * mean:.0f} % on average): no other run checks it"
        )


def _unequal(inputs: Mapping[str, Floats], residuals: Floats) -> Iterator[str]:
    for name, values in inputs.items():
        if len(np.unique(values)) < 2:
            continue
        found = spearmanr(np.abs(residuals), values)
        if found.pvalue < SURE / len(inputs):
            told = name.replace("_", " ")
            yield (
                f"residuals spread {'more' if found.statistic > 0 else 'less'} the larger {told} "
                f"(rank correlation {found.statistic:.2f}): noise is not alike, and intervals "
                "allow for it"
            )


def _alike(
    names: Sequence[str],
    problem: Problem,
    measured: Measured,
    best_K: Floats,
    targets_M: Floats,
    about: Spread,
    kind: str,
    correlation: float,
) -> str:
    said = (
        f"residuals of runs of equal {kind.replace('_', ' ')} are alike (correlation of ranks "
        f"{correlation:.2f})"
    )
    numbers = cluster_numbers(measured, kind)
    if (number := len(np.unique(numbers))) < len(names) + FEWEST_BESIDE:
        return f"{said}: intervals are too narrow, and {number} groups are too few to tell how far"
    errors_K = spread(problem, best_K, targets_M, numbers).errors_K
    wider_K = np.nan_to_num(errors_K / about.errors_K)
    most = int(wider_K.argmax())
    return (
        f"{said}: with --clusters {kind} the standard error of {names[most]} is "
        f"{wider_K[most]:.2f} times as large"
    )


def _run(measured: Measured, row: int) -> str:
    shown = ", ".join(f"{name} {each[row]:.3g}" for name, each in measured.columns.items())
    return f"run {row + 1} ({shown})"
