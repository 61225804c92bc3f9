"""Compute-optimal parameters and tokens as power laws of FLOPs, once minima are known.

Straight lines through the logarithms. Their standard errors are those of least squares on the
minima; a line being linear in its constants, its profile interval is Student's. Resampled curves
come from whoever found the minima, so that the noise of runs within a level is in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from rote.analysis.fits.level import LEVEL
from rote.analysis.laws.family import failed, log_goodness, quantiles
from rote.analysis.laws.law import Constant, Effort, Fitted, Floats, Measured

FEWEST_MINIMA = 3  # of a line: two constants and one to judge by
FORMULA = "N* = k_N C^a, D* = k_D C^b"
NEEDS = ("parameters", "tokens", "flops", "loss_nats")
MEANINGS = {
    "k_N": "optimal parameters at one FLOP",
    "a": "exponent of the optimal parameters in FLOPs",
    "k_D": "optimal tokens at one FLOP",
    "b": "exponent of the optimal tokens in FLOPs",
}


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The two power laws with constants put in."""

    k_N: float
    a: float
    k_D: float
    b: float

    def predict(self, flops: ArrayLike) -> Floats:
        """Optimal parameters."""
        return np.exp(np.log(self.k_N) + self.a * np.log(np.asarray(flops, dtype=np.float64)))

    def optimum(self, flops: ArrayLike) -> tuple[Floats, Floats]:
        """Optimal parameters and tokens."""
        log_flops = np.log(np.asarray(flops, dtype=np.float64))
        return self.predict(flops), np.exp(np.log(self.k_D) + self.b * log_flops)


@dataclass(frozen=True, kw_only=True)
class Minimum:
    """Where loss is least among runs of as many FLOPs."""

    flops: float
    parameters: float
    tokens: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """Minima, those of resampled runs, and why levels were left out."""

    minima: Sequence[Minimum]
    resampled: Sequence[Sequence[Minimum]]
    left_out: Sequence[str]


def columns_of(measured: Measured) -> tuple[Floats, Floats, Floats, Floats]:
    """Parameters, tokens, FLOPs and loss; raises ValueError where one is missing."""
    parameters, tokens, flops, loss = (measured[name] for name in NEEDS)
    return parameters, tokens, flops, loss


def describe_frontier(
    law: str, method: str, measured: Measured, found: Found, effort: Effort
) -> Fitted:
    """Everything; raises ValueError below three minima."""
    if len(found.minima) < FEWEST_MINIMA:
        raise ValueError(
            f"law {law} takes {FEWEST_MINIMA} levels of FLOPs with a minimum inside the sizes run, "
            f"got {len(found.minima)}" + "".join(f"; {reason}" for reason in found.left_out)
        )
    curve = frontier(found.minima)
    kept = [each for each in found.resampled if len({m.flops for m in each}) >= 2]
    resampled = tuple(frontier(each) for each in kept)
    flops = np.array([each.flops for each in found.minima])
    log_parameters = np.log([each.parameters for each in found.minima])
    residuals = log_parameters - np.log(curve.predict(flops))
    return Fitted(
        law=law,
        formula=FORMULA,
        method=method,
        count=measured.count,
        inputs=("flops",),
        output="parameters",
        curve=curve,
        resampled=resampled,
        constants=_constants(curve, found.minima, resampled, effort),
        derived=(),
        goodness=log_goodness(
            residuals, log_parameters, num_constants=2, objective=float(residuals @ residuals) / 2
        ),
        warnings=(*found.left_out, *failed(len(found.resampled) - len(kept), len(found.resampled))),
        ranges={"flops": (float(flops.min()), float(flops.max()))},
    )


def frontier(minima: Sequence[Minimum]) -> Frontier:
    """Both lines; takes two different FLOPs."""
    log_flops = np.log([each.flops for each in minima])
    a, log_k_n = np.polyfit(log_flops, np.log([each.parameters for each in minima]), 1).tolist()
    b, log_k_d = np.polyfit(log_flops, np.log([each.tokens for each in minima]), 1).tolist()
    return Frontier(k_N=float(np.exp(log_k_n)), a=a, k_D=float(np.exp(log_k_d)), b=b)


def _constants(
    curve: Frontier, minima: Sequence[Minimum], resampled: Sequence[Frontier], effort: Effort
) -> tuple[Constant, ...]:
    log_flops = np.log([each.flops for each in minima])
    outputs = {
        "N": np.log([each.parameters for each in minima]),
        "D": np.log([each.tokens for each in minima]),
    }
    errors = {
        **dict(zip(("k_N", "a"), _errors(log_flops, outputs["N"]), strict=True)),
        **dict(zip(("k_D", "b"), _errors(log_flops, outputs["D"]), strict=True)),
    }
    reach = float(student_t.ppf(0.5 + LEVEL / 2, len(minima) - 2))
    return tuple(
        _constant(name, getattr(curve, name), errors[name], reach, resampled, effort)
        for name in MEANINGS
    )


def _constant(
    name: str,
    value: float,
    error: float,
    reach: float,
    resampled: Sequence[Frontier],
    effort: Effort,
) -> Constant:
    """``error`` is that of the logarithm for a factor."""
    is_factor = name.startswith("k_")
    if is_factor:
        ends = (value * float(np.exp(-reach * error)), value * float(np.exp(reach * error)))
    else:
        ends = (value - reach * error, value + reach * error)
    return Constant(
        name=name,
        meaning=MEANINGS[name],
        value=value,
        standard_error=value * error if is_factor else error,
        profile_interval=ends if effort.profiles else None,
        bootstrap_interval=quantiles(np.array([getattr(each, name) for each in resampled])),
    )


def _errors(x: Floats, y: Floats) -> tuple[float, float]:
    """Standard errors of a line's offset and slope."""
    design = np.column_stack([np.ones_like(x), x])
    line, *_ = np.linalg.lstsq(design, y)
    residuals = y - design @ line
    variance = float(residuals @ residuals) / (len(x) - 2)
    centred = float(((x - x.mean()) ** 2).sum())
    offset = np.sqrt(variance * (1 / len(x) + x.mean() ** 2 / centred))
    return float(offset), float(np.sqrt(variance / centred))
