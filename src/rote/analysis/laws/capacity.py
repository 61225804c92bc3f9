"""Fit memorised bits over size and data as a law, from the plateau of each size.

    B = (H^-p + (alpha P)^-p)^(-1 / p)

H is the bits of the training set that can be memorised. `rote.analysis.fits.plateau` finds the
plateaus; ``fit_slope`` finds alpha, their mean over the sizes, and its spread. p is the median over
the sizes. Resampled curves draw alpha from Student's t about the mean.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.fits.plateau import SHARPNESS, Knee, NoPlateau, Plateau, fit_plateau
from rote.analysis.fits.random_effects import RandomEffectsMean, fit_slope
from rote.analysis.fits.search import constant
from rote.analysis.laws.law import Constant, FitEffort, FittedLaw, Floats, Law, LawData

LEAST_SHARE = 1e-9  # least resampled alpha, as a share of alpha


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The law with its constants."""

    alpha: float = constant("bits per parameter")
    p: float = constant("sharpness of the knee, median of the sizes")

    def predict(self, parameters: ArrayLike, data_bits: ArrayLike) -> Floats:
        """Return the memorised bits."""
        capacity_bits = self.alpha * np.asarray(parameters, dtype=np.float64)
        knee = Knee(capacity_bits=1.0, sharpness=self.p)
        return capacity_bits * knee.predict(np.asarray(data_bits) / capacity_bits)


def _search(law: Law, measured: LawData, effort: FitEffort) -> FittedLaw:
    """Fit the law; raises ValueError, with the reasons, if no size has reached its plateau."""
    plateaus, warnings = _plateaus(measured)
    if not plateaus:
        raise ValueError(f"law capacity finds no plateau; {'; '.join(warnings)}")
    if len(plateaus) == 1:
        warnings.append("one size has a plateau: that alpha holds for others is not shown")
    ends = [f"{end:g}" for end in SHARPNESS]
    for size, plateau in plateaus:
        if (at := f"{plateau.knee.sharpness:.4g}") in ends:
            warnings.append(
                f"p of {size:.4g} parameters is at its bound of {at}: no run lies on the knee"
            )
    slope = fit_slope(plateaus)
    p = float(np.median([plateau.knee.sharpness for _, plateau in plateaus]))
    draws = np.random.default_rng(effort.seed).standard_t(slope.degrees, size=effort.num_resamples)
    mean, error = slope.mean.value, slope.standard_error
    # If the error is as large as alpha, draws reach below 0.
    alphas = np.maximum(mean + error * draws, LEAST_SHARE * mean)
    found = law.fitted(
        measured,
        Capacity(alpha=mean, p=p),
        [Capacity(alpha=each, p=p) for each in alphas.tolist()],
        (error, np.nan),
        derived=_between(slope),
        warnings=tuple(warnings),
    )
    alpha, sharpness = found.constants
    return replace(found, constants=(alpha, replace(sharpness, bootstrap_interval=None)))


def _plateaus(measured: LawData) -> tuple[list[tuple[int, Plateau]], list[str]]:
    """Return the plateau of each size that has one, and why the other sizes have none."""
    plateaus, left_out = [], []
    for size in np.unique(measured["parameters"]).tolist():
        runs = measured.rows(measured["parameters"] == size)
        found = fit_plateau(runs["data_bits"], runs["memorised_bits"])
        if isinstance(found, NoPlateau):
            left_out.append(f"{size:.4g} parameters are left out: {found.reason}")
        else:
            plateaus.append((round(size), found))
    return plateaus, left_out


def _between(slope: RandomEffectsMean) -> tuple[Constant, ...]:
    """Return tau, the spread of alpha between sizes, or nothing for one size."""
    if (between := slope.between) is None:
        return ()
    meaning = "standard deviation of alpha between sizes, beyond their errors"
    tau = Constant(
        name="tau", meaning=meaning, value=between.value, profile_interval=between.interval
    )
    return (tau,)


CAPACITY = Law(
    name="capacity",
    formula="B = (H^-p + (alpha P)^-p)^(-1 / p)",
    source="Morris et al. 2025, arXiv 2505.24832, section 3; the soft knee is ours",
    inputs=("parameters", "data_bits"),
    output="memorised_bits",
    method="least squares on relative residuals of each size, random-effects mean over sizes",
    curve=Capacity,
    search=_search,
    is_clustered=False,
    # Means over 16 models; the knee is hard, since the paper states only min(capacity, entropy).
    published={
        "Morris et al. 2025, arXiv 2505.24832, fp32": Capacity(alpha=3.83, p=SHARPNESS[1]),
        "Morris et al. 2025, arXiv 2505.24832, bf16": Capacity(alpha=3.51, p=SHARPNESS[1]),
    },
)
