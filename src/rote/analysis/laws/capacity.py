"""Memorised bits over size and data: plateaus of each size, and the slope through them, as a law.

    B = (H^-p + (alpha P)^-p)^(-1 / p)

H is all that can be memorised of the training set. `rote.analysis.fits.plateau` and `slope` find
alpha, a mean over the sizes, and their spread about it; p is the median. Resampled curves draw
alpha from Student's t about the mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.fits.plateau import SHARPNESS, Knee, NoPlateau, Plateau, fit_plateau
from rote.analysis.fits.slope import Slope, fit_slope, points_of
from rote.analysis.laws.family import log_goodness, quantiles, ranges
from rote.analysis.laws.law import Constant, Effort, Fitted, Floats, Goodness, Law, Measured

FORMULA = "B = (H^-p + (alpha P)^-p)^(-1 / p)"
INPUTS = ("parameters", "data_bits")


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The law with constants put in."""

    alpha: float  # bits per parameter
    p: float  # sharpness of the knee

    def predict(self, parameters: ArrayLike, data_bits: ArrayLike) -> Floats:
        """Memorised bits."""
        capacity_bits = self.alpha * np.asarray(parameters, dtype=np.float64)
        return capacity_bits * Knee(capacity_bits=1.0, sharpness=self.p).predict(
            np.asarray(data_bits) / capacity_bits
        )


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError where no size has reached its plateau, with the reasons."""
    parameters, data, memorised = (measured[name] for name in (*INPUTS, "memorised_bits"))
    plateaus, left_out = _plateaus(parameters, data, memorised)
    if not plateaus:
        raise ValueError(f"law capacity finds no plateau; {'; '.join(left_out)}")
    if len(plateaus) == 1:
        left_out.append("one size has a plateau: that alpha holds for others is not shown")
    left_out += _at_bounds(plateaus)
    points, degrees = points_of(plateaus)
    slope = fit_slope(points, degrees_of_freedom=degrees)
    sharpness = float(np.median([plateau.knee.sharpness for _, plateau in plateaus]))
    curve = Capacity(alpha=slope.bits_per_parameter.value, p=sharpness)
    resampled = _resampled(slope, sharpness, effort)
    return Fitted(
        law="capacity",
        formula=FORMULA,
        method="least squares on relative residuals of each size, random-effects mean over sizes",
        count=measured.count,
        inputs=INPUTS,
        output="memorised_bits",
        curve=curve,
        resampled=resampled,
        constants=_constants(curve, slope, resampled),
        derived=_spread(slope),
        goodness=_goodness(curve, measured),
        warnings=tuple(left_out),
        ranges=ranges(measured, INPUTS),
    )


def _plateaus(
    parameters: Floats, data: Floats, memorised: Floats
) -> tuple[list[tuple[int, Plateau]], list[str]]:
    """Of each size that has one, and why the others have none."""
    plateaus, left_out = [], []
    for size in np.unique(parameters).tolist():
        runs = parameters == size
        found = fit_plateau(data[runs], memorised[runs])
        if isinstance(found, NoPlateau):
            left_out.append(f"{size:.4g} parameters are left out: {found.reason}")
        else:
            plateaus.append((round(size), found))
    return plateaus, left_out


def _at_bounds(plateaus: list[tuple[int, Plateau]]) -> list[str]:
    """Sizes whose knee is as sharp, or as soft, as the fit allows."""
    ends = [f"{end:g}" for end in SHARPNESS]
    found = [(size, f"{plateau.knee.sharpness:.4g}") for size, plateau in plateaus]
    return [
        f"p of {size:.4g} parameters is at its bound of {sharpness}: no run lies on the knee"
        for size, sharpness in found
        if sharpness in ends
    ]


def _goodness(curve: Capacity, measured: Measured) -> Goodness:
    """Over all runs, those of sizes left out too."""
    observed = np.log(measured["memorised_bits"])
    residuals = observed - np.log(curve.predict(*(measured[name] for name in INPUTS)))
    objective = float(residuals @ residuals) / 2
    return log_goodness(residuals, observed, num_constants=2, objective=objective)


def _resampled(slope: Slope, sharpness: float, effort: Effort) -> tuple[Capacity, ...]:
    draws = np.random.default_rng(effort.seed).standard_t(
        slope.degrees_of_freedom, size=effort.num_resamples
    )
    alphas = slope.bits_per_parameter.value + slope.standard_error_bits_per_parameter * draws
    least = np.finfo(np.float64).tiny  # an error as large as alpha itself reaches below 0
    return tuple(Capacity(alpha=each, p=sharpness) for each in np.maximum(alphas, least).tolist())


def _constants(
    curve: Capacity, slope: Slope, resampled: tuple[Capacity, ...]
) -> tuple[Constant, ...]:
    return (
        Constant(
            name="alpha",
            meaning="bits per parameter",
            value=curve.alpha,
            standard_error=slope.standard_error_bits_per_parameter,
            bootstrap_interval=quantiles(np.array([each.alpha for each in resampled])),
        ),
        Constant(name="p", meaning="sharpness of the knee, median of the sizes", value=curve.p),
    )


def _spread(slope: Slope) -> tuple[Constant, ...]:
    """None for one size."""
    between = slope.between_sizes_bits_per_parameter
    if between is None:
        return ()
    return (
        Constant(
            name="tau",
            meaning="standard deviation of alpha between sizes, beyond their errors",
            value=between.value,
            profile_interval=between.interval,
        ),
    )


LAW = Law(
    formula=FORMULA,
    source="Morris et al. 2025, arXiv 2505.24832, section 3; the soft knee is ours",
    inputs=INPUTS,
    output="memorised_bits",
    fit=fit,
    # Means over 16 models; a hard knee, as min(capacity, entropy) is all that is said of it.
    published={
        "Morris et al. 2025, arXiv 2505.24832, fp32": Capacity(alpha=3.83, p=SHARPNESS[1]),
        "Morris et al. 2025, arXiv 2505.24832, bf16": Capacity(alpha=3.51, p=SHARPNESS[1]),
    },
)
