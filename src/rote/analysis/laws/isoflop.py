"""Compute-optimal size from runs of equal FLOPs: a parabola in ln N at each level.

Hoffmann et al. 2022, arXiv 2203.15556, section 3.2 (approach 2). A level holds runs of at most 10 %
more FLOPs than its first. The loss at equal FLOPs is steeper on the side of small models unless
alpha = beta, so sizes far from the minimum pull the vertex: keep them within a factor of ten.
"""

from dataclasses import dataclass

import numpy as np

from rote.analysis.fits.left_out import LEAST_FREEDOM
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

TOLERANCE = 0.1  # of FLOPs within a level
FEWEST_SIZES = 3  # of a parabola


@dataclass(frozen=True, kw_only=True)
class Level:
    """Runs of equal FLOPs, M of them."""

    flops: float
    log_sizes_M: Floats
    centre: float  # of the log sizes, for the parabola
    losses_M: Floats
    line_of_tokens: tuple[float, float]  # slope and offset of ln D over ln N

    @property
    def powers_M3(self) -> Floats:
        """1, x, x^2."""
        return np.vander(self.log_sizes_M - self.centre, 3, increasing=True)

    def parabola(self, losses_M: Floats) -> Floats:
        """Its three constants."""
        found, *_ = np.linalg.lstsq(self.powers_M3, losses_M)
        return np.asarray(found)

    def minimum(self, losses_M: Floats) -> Minimum | str:
        """Or why there is none."""
        _, slope, curvature = self.parabola(losses_M).tolist()
        if curvature <= 0:
            return f"at {self.flops:.3g} FLOPs loss has no minimum over size"
        vertex = self.centre - slope / (2 * curvature)
        if not self.log_sizes_M.min() < vertex < self.log_sizes_M.max():
            return f"at {self.flops:.3g} FLOPs the minimum lies outside the sizes run"
        rise, offset = self.line_of_tokens
        return Minimum(
            flops=self.flops,
            parameters=float(np.exp(vertex)),
            tokens=float(np.exp(rise * vertex + offset)),
        )


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError below three levels with a minimum inside their sizes."""
    levels, left_out = _levels(*columns_of(measured))
    tried = [level.minimum(level.losses_M) for level in levels]
    used = [level for level, each in zip(levels, tried, strict=True) if isinstance(each, Minimum)]
    left_out += [each for each in tried if isinstance(each, str)]
    resampled = _resampled(used, effort)
    if effort.num_resamples and not resampled:
        left_out.append("no level has a run beside its parabola's three: no noise to resample")
    found = Found(
        minima=[each for each in tried if isinstance(each, Minimum)],
        resampled=resampled,
        left_out=left_out,
    )
    method = "a parabola of loss in ln N at each level of FLOPs, lines through the minima"
    return describe_frontier("isoflop", method, measured, found, effort)


def _levels(
    parameters: Floats, tokens: Floats, flops: Floats, loss: Floats
) -> tuple[list[Level], list[str]]:
    """Those with enough sizes, and what is wrong with the others."""
    levels, left_out = [], []
    for runs in grouped(flops, TOLERANCE):
        if (number := len(np.unique(parameters[runs]))) < FEWEST_SIZES:
            left_out.append(
                f"at {flops[runs].mean():.3g} FLOPs {number} size(s) were run, "
                f"and a parabola takes {FEWEST_SIZES}"
            )
        else:
            levels.append(_level(parameters[runs], tokens[runs], flops[runs], loss[runs]))
    return levels, left_out


def _level(parameters: Floats, tokens: Floats, flops: Floats, loss: Floats) -> Level:
    log_sizes = np.log(parameters)
    rise, offset = np.polyfit(log_sizes, np.log(tokens), 1).tolist()
    return Level(
        flops=float(np.exp(np.log(flops).mean())),
        log_sizes_M=log_sizes,
        centre=float(log_sizes.mean()),
        losses_M=loss,
        line_of_tokens=(rise, offset),
    )


def _resampled(levels: list[Level], effort: Effort) -> list[list[Minimum]]:
    """Every run keeps the size of its residual and draws its sign anew (wild bootstrap, Wu 1986).

    Levels of large FLOPs are often less noisy than those of small ones, so residuals stay where
    they are. They are widened by what the parabola took of each, 1 / sqrt(1 - leverage). A level of
    three runs has none of its own and draws from those of the others.
    """
    fitted = [level.powers_M3 @ level.parabola(level.losses_M) for level in levels]
    own = [_widened(level, each) for level, each in zip(levels, fitted, strict=True)]
    pooled = np.concatenate([each for each in own if len(each) > FEWEST_SIZES] or [np.zeros(0)])
    if not len(pooled):
        return []
    generator = np.random.default_rng(effort.seed)

    def noise(residuals: Floats) -> Floats:
        known = len(residuals) > FEWEST_SIZES
        sizes = residuals if known else generator.choice(pooled, size=len(residuals))
        return np.asarray(sizes * generator.choice([-1.0, 1.0], size=len(sizes)))

    resampled = []
    for _ in range(effort.num_resamples):
        tried = [
            level.minimum(each + noise(residuals))
            for level, each, residuals in zip(levels, fitted, own, strict=True)
        ]
        resampled.append([each for each in tried if isinstance(each, Minimum)])
    return resampled


def _widened(level: Level, fitted_M: Floats) -> Floats:
    """Residuals over sqrt(1 - leverage), [M]."""
    root, _ = np.linalg.qr(level.powers_M3)
    freedom = np.maximum(1 - (root**2).sum(axis=1), LEAST_FREEDOM)
    return np.asarray((level.losses_M - fitted_M) / np.sqrt(freedom))


LAW = Law(
    runs=Chosen.FRESH,
    formula=FORMULA,
    source="Hoffmann et al. 2022, arXiv 2203.15556, section 3.2",
    inputs=("flops",),
    output="parameters",
    fit=fit,
    needs=NEEDS,
    published={},
)
