"""Fit compute-optimal parameters and tokens as power laws of FLOPs, by two ways to find minima.

Isoflop (Hoffmann et al. 2022, arXiv 2203.15556, section 3.2, approach 2): a parabola in ln N
through the runs of each level, which holds runs of at most 10 % more FLOPs than its first. Unless
alpha = beta, the loss at equal FLOPs is steeper on the side of small models, so that sizes far from
the minimum pull the vertex: keep them within a factor of ten.

Envelope (section 3.1, approach 1), for finished runs in place of training curves: the best run of
each bin, whose runs differ in FLOPs by at most a quarter of a decade. If the best run of a bin is
its smallest or its largest, the bin encloses no minimum and is left out.

Both fit straight lines through the logarithms of the minima. The standard errors are those of least
squares on the minima; a line is linear in its constants, so its profile interval is Student's.
Resampled minima carry the noise of the runs within a level.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.analysis.estimate import plural, student
from rote.analysis.fits.search import constant
from rote.analysis.fits.uncertainty import LEAST_FREEDOM, leverage
from rote.analysis.laws.clusters import grouped
from rote.analysis.laws.law import FitEffort, FittedLaw, Floats, Law, LawData, RunSelection, failed

TOLERANCE = 0.1  # relative spread of FLOPs within a level
WIDTH = 10**0.25 - 1  # width of a bin, as a tolerance on FLOPs
FEWEST_SIZES = 3  # needed for a parabola
FEWEST_MINIMA = 3  # needed for a line: two constants and one to check the fit


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The two power laws with their constants."""

    k_N: float = constant("optimal parameters at one FLOP")
    a: float = constant("exponent of the optimal parameters in FLOPs")
    k_D: float = constant("optimal tokens at one FLOP")
    b: float = constant("exponent of the optimal tokens in FLOPs")

    def predict(self, flops: ArrayLike) -> Floats:
        """Return the optimal parameters."""
        return np.exp(np.log(self.k_N) + self.a * np.log(np.asarray(flops, dtype=np.float64)))

    def optimum(self, flops: ArrayLike) -> tuple[Floats, Floats]:
        """Return the optimal parameters and tokens."""
        log_flops = np.log(np.asarray(flops, dtype=np.float64))
        return self.predict(flops), np.exp(np.log(self.k_D) + self.b * log_flops)


class Minimum(NamedTuple):
    """The point of least loss among runs of equal FLOPs."""

    flops: float
    parameters: float
    tokens: float


@dataclass(frozen=True)
class Level:
    """M runs of about equal FLOPs."""

    runs: LawData

    @property
    def flops(self) -> float:
        """Geometric mean of the runs' FLOPs."""
        return float(np.exp(np.log(self.runs["flops"]).mean()))

    def best_run(self, chosen: NDArray[np.int64] | slice = slice(None)) -> Minimum | str:
        """Return the best of the chosen runs if it lies inside the range of sizes, or why not."""
        sizes, rows = self.runs["parameters"], np.arange(len(self.runs))[chosen]
        best = rows[self.runs["loss_nats"][rows].argmin()]
        if not sizes.min() < sizes[best] < sizes.max():
            return f"at {self.flops:.3g} FLOPs the best run is at an end of the sizes run"
        return Minimum(*(float(self.runs[name][best]) for name in Minimum._fields))

    @cached_property
    def log_sizes_M(self) -> Floats:
        """ln N of each run."""
        return np.log(self.runs["parameters"])

    @cached_property
    def powers_M3(self) -> Floats:
        """Powers 1, x, x^2 of x, which is ln N about its mean."""
        return np.vander(self.log_sizes_M - self.log_sizes_M.mean(), 3, increasing=True)

    def parabola(self, losses_M: Floats) -> Floats:
        """Return the parabola's three constants."""
        return np.asarray(np.linalg.lstsq(self.powers_M3, losses_M)[0])

    @cached_property
    def fitted_M(self) -> Floats:
        """Loss on the parabola fitted to the runs."""
        return np.asarray(self.powers_M3 @ self.parabola(self.runs["loss_nats"]))

    @cached_property
    def widened_M(self) -> Floats:
        """Residuals over sqrt(1 - leverage), which restores noise that the parabola absorbed."""
        freedom = np.maximum(1 - leverage(self.powers_M3), LEAST_FREEDOM)
        return np.asarray((self.runs["loss_nats"] - self.fitted_M) / np.sqrt(freedom))

    def vertex(self, losses_M: Floats) -> Minimum | str:
        """Return the vertex of the parabola, or why there is none."""
        _, slope, curvature = self.parabola(losses_M).tolist()
        if curvature <= 0:
            return f"at {self.flops:.3g} FLOPs loss has no minimum over size"
        vertex = float(self.log_sizes_M.mean()) - slope / (2 * curvature)
        if not self.log_sizes_M.min() < vertex < self.log_sizes_M.max():
            return f"at {self.flops:.3g} FLOPs the minimum lies outside the sizes run"
        rise, offset = np.polyfit(self.log_sizes_M, np.log(self.runs["tokens"]), 1).tolist()
        return Minimum(self.flops, *np.exp([vertex, rise * vertex + offset]).tolist())

    def redrawn_vertex(self, generator: np.random.Generator, *, pooled: Floats) -> Minimum | str:
        """Return the vertex after each residual's sign is drawn anew (wild bootstrap, Wu 1986).

        Levels of large FLOPs are often less noisy than those of small FLOPs, so residuals stay at
        their runs. A level of three runs has no residuals of its own and draws from the ``pooled``
        ones.
        """
        residuals = self.widened_M
        if len(residuals) <= FEWEST_SIZES:
            residuals = generator.choice(pooled, size=len(residuals))
        signs = generator.choice([-1.0, 1.0], size=len(residuals))
        return self.vertex(self.fitted_M + residuals * signs)


Tried = list[tuple[Level, Minimum | str]]
Redraw = Callable[[Level, np.random.Generator], Minimum | str]


def _levels(measured: LawData, tolerance: float) -> list[Level]:
    return [Level(measured.rows(rows)) for rows in grouped(measured["flops"], tolerance)]


def _envelope(law: Law, measured: LawData, effort: FitEffort) -> FittedLaw:
    def redraw(level: Level, generator: np.random.Generator) -> Minimum | str:
        return level.best_run(generator.choice(len(level.runs), size=len(level.runs)))

    tried = [(level, level.best_run()) for level in _levels(measured, WIDTH)]
    return _through(law, measured, tried, redraw, effort)


def _isoflop(law: Law, measured: LawData, effort: FitEffort) -> FittedLaw:
    tried: Tried = []
    left_out = []
    for level in _levels(measured, TOLERANCE):
        if (number := len(np.unique(level.runs["parameters"]))) < FEWEST_SIZES:
            left_out.append(
                f"at {level.runs['flops'].mean():.3g} FLOPs {plural(number, 'size')} run, "
                f"and a parabola takes {FEWEST_SIZES}"
            )
        else:
            tried.append((level, level.vertex(level.runs["loss_nats"])))
    known = [level for level, each in tried if isinstance(each, Minimum)]
    own = [level.widened_M for level in known if len(level.runs) > FEWEST_SIZES]
    redraw = partial(Level.redrawn_vertex, pooled=np.concatenate(own)) if own else None
    return _through(law, measured, tried, redraw, effort, *left_out)


def _through(
    law: Law,
    measured: LawData,
    tried: Tried,
    redraw: Redraw | None,
    effort: FitEffort,
    *left_out: str,
) -> FittedLaw:
    """Fit lines through the minima; raises ValueError below three minima."""
    used = [level for level, each in tried if isinstance(each, Minimum)]
    minima = [each for _, each in tried if isinstance(each, Minimum)]
    warnings = [*left_out, *(each for _, each in tried if isinstance(each, str))]
    if len(minima) < FEWEST_MINIMA:
        raise ValueError(
            f"law {law.name} takes {FEWEST_MINIMA} levels of FLOPs with a minimum inside the sizes "
            f"run, got {len(minima)}" + "".join(f"; {reason}" for reason in warnings)
        )
    if redraw is None and effort.num_resamples:
        warnings.append("no level has a run beside its parabola's three: no noise to resample")
    generator = np.random.default_rng(effort.seed)
    draws = [
        [each for level in used if isinstance(each := redraw(level, generator), Minimum)]
        for _ in range(effort.num_resamples)
        if redraw
    ]
    kept = [_frontier(each) for each in draws if len({m.flops for m in each}) >= 2]
    curve = _frontier(minima)
    logs_K = np.array([np.log(curve.k_N), curve.a, np.log(curve.k_D), curve.b])
    log_errors_K = _log_errors(minima)
    reach_K = student(len(minima) - 2) * log_errors_K
    profiles_K2 = logs_K[:, None] + np.outer(reach_K, [-1.0, 1.0])
    profiles_K2[[0, 2]] = np.exp(profiles_K2[[0, 2]])
    return law.fitted(
        replace(measured, columns=dict(zip(Minimum._fields, np.array(minima).T, strict=True))),
        curve,
        kept,
        np.array([curve.k_N, 1.0, curve.k_D, 1.0]) * log_errors_K,
        [(a, b) for a, b in profiles_K2.tolist()] if effort.profiles else None,
        num_constants=2,
        warnings=(*warnings, *failed(len(draws) - len(kept), len(draws))),
    )


def _log_errors(minima: Sequence[Minimum]) -> Floats:
    """Return standard errors of the log factors and the exponents, in the order of `Frontier`."""
    log_flops, *outputs = np.log(np.array(minima)).T
    lines = (np.polyfit(log_flops, each, 1, cov=True)[1] for each in outputs)
    return np.concatenate([np.sqrt(np.diag(each))[::-1] for each in lines])


def _frontier(minima: Sequence[Minimum]) -> Frontier:
    """Fit both lines through minima of two or more different FLOPs."""
    log_flops, *outputs = np.log(np.array(minima)).T
    (a, log_k_n), (b, log_k_d) = (np.polyfit(log_flops, each, 1).tolist() for each in outputs)
    return Frontier(k_N=float(np.exp(log_k_n)), a=a, k_D=float(np.exp(log_k_d)), b=b)


ISOFLOP = Law(
    name="isoflop",
    runs=RunSelection.FRESH,
    formula="N* = k_N C^a, D* = k_D C^b",
    source="Hoffmann et al. 2022, arXiv 2203.15556, section 3.2",
    inputs=("flops",),
    output="parameters",
    method="a parabola of loss in ln N at each level of FLOPs, lines through the minima",
    curve=Frontier,
    search=_isoflop,
    is_clustered=False,
    needs=("parameters", "tokens", "flops", "loss_nats"),
)
ENVELOPE = replace(
    ISOFLOP,
    name="envelope",
    source="Hoffmann et al. 2022, arXiv 2203.15556, section 3.1",
    method="the run of least loss in each quarter of a decade of FLOPs, lines through them",
    search=_envelope,
)
