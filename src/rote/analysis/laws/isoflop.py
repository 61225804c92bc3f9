"""Compute-optimal size from runs of equal FLOPs: a parabola in ln N at each level.

Hoffmann et al. 2022, arXiv 2203.15556, section 3.2 (approach 2). A level holds runs of at most 10 %
more FLOPs than its first. The loss at equal FLOPs is steeper on the side of small models unless
alpha = beta, so sizes far from the minimum pull the vertex: keep them within a factor of ten.
"""

from dataclasses import dataclass

import numpy as np

from rote.analysis.laws.frontier import (
    FORMULA,
    NEEDS,
    Found,
    Minimum,
    columns_of,
    describe_frontier,
    grouped,
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
    parameters, tokens, flops, loss = columns_of(measured)
    levels, left_out = [], []
    for runs in grouped(flops, TOLERANCE):
        if (number := len(np.unique(parameters[runs]))) < FEWEST_SIZES:
            left_out.append(
                f"at {flops[runs].mean():.3g} FLOPs {number} size(s) were run, "
                f"and a parabola takes {FEWEST_SIZES}"
            )
            continue
        levels.append(_level(parameters[runs], tokens[runs], flops[runs], loss[runs]))
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
    """Residuals of all levels, pooled and widened by what the parabolas took, drawn anew."""
    fitted = [level.powers_M3 @ level.parabola(level.losses_M) for level in levels]
    pairs = list(zip(levels, fitted, strict=True))
    num_runs = sum(len(each) for each in fitted)
    degrees = num_runs - 3 * len(levels)
    if degrees <= 0:
        return []
    residuals = np.concatenate([level.losses_M - each for level, each in pairs])
    residuals *= np.sqrt(num_runs / degrees)
    generator = np.random.default_rng(effort.seed)
    resampled = []
    for _ in range(effort.num_resamples):
        tried = [
            level.minimum(each + generator.choice(residuals, size=len(each)))
            for level, each in pairs
        ]
        resampled.append([each for each in tried if isinstance(each, Minimum)])
    return resampled


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
