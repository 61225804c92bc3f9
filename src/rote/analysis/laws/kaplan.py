"""Loss over model and data together: how far too few data hold a model back.

    L(N, D) = [(Nc / N)^(alpha_N / alpha_D) + Dc / D]^alpha_D

Kaplan et al. 2020, arXiv 2001.08361, equation 1.5; N without embeddings, D the tokens of the data
set, each run stopped where its held-out loss is least.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.fits.projection import best_factors
from rote.analysis.laws.family import EXPONENT, Derived, Family, best_of, describe
from rote.analysis.laws.law import Chosen, Effort, Fitted, Floats, Law, Measured
from rote.analysis.laws.needs import require

GRID = np.geomspace(0.02, 1.0, 12)  # of each exponent
NUM_STARTS = 32  # of 60 random surfaces 8 lose two, 32 none
FORMULA = "L = [(Nc / N)^(alpha_N / alpha_D) + Dc / D]^alpha_D"
INPUTS = ("parameters", "unique_tokens")


@dataclass(frozen=True, kw_only=True)
class Kaplan:
    """The law with constants put in."""

    Nc: float
    Dc: float
    alpha_N: float
    alpha_D: float

    def predict(self, parameters: ArrayLike, unique_tokens: ArrayLike) -> Floats:
        """Loss in nats per token."""
        size = np.log(self.Nc) - np.log(np.asarray(parameters))
        data = np.log(self.Dc) - np.log(np.asarray(unique_tokens))
        return np.exp(self.alpha_D * np.logaddexp(self.alpha_N / self.alpha_D * size, data))

    def endless(self, parameters: ArrayLike) -> Floats:
        """Loss with endless data, L(N, inf)."""
        return (self.Nc / np.asarray(parameters, dtype=np.float64)) ** self.alpha_N

    def overfitting(self, parameters: ArrayLike, unique_tokens: ArrayLike) -> Floats:
        """delta L: the share of loss that more data would take away (equation 4.2)."""
        return self.predict(parameters, unique_tokens) / self.endless(parameters) - 1

    @property
    def ratio(self) -> float:
        """alpha_N / alpha_D: how data have to grow with size."""
        return self.alpha_N / self.alpha_D

    def factor(self, most: float) -> float:
        """k of D = k N^ratio at which delta L is ``most`` (equation 4.3 solved for D).

        Infinite where a fit left a constant at its bound and no float64 holds k.
        """
        room = np.expm1(np.log1p(most) / self.alpha_D)
        with np.errstate(over="ignore"):
            return float(np.exp(np.log(self.Dc) - self.ratio * np.log(self.Nc)) / room)


MEANINGS = {
    "Nc": "parameters at which endless data leave 1 nat",
    "Dc": "unique tokens at which an endless model is left with 1 nat",
    "alpha_N": "exponent of the parameters",
    "alpha_D": "exponent of the unique tokens",
}
PUBLISHED = {
    "Kaplan et al. 2020, arXiv 2001.08361": Kaplan(
        Nc=6.4e13, Dc=1.8e13, alpha_N=0.076, alpha_D=0.103
    )
}


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError below 5 runs, 2 sizes and 2 sizes of data set."""
    return fit_surface("kaplan", FORMULA, measured, effort, derived=())


def fit_surface(
    law: str, formula: str, measured: Measured, effort: Effort, *, derived: tuple[Derived, ...]
) -> Fitted:
    """The surface, whatever is read off it; raises ValueError as `fit` does."""
    measured["loss_nats"]
    require(law, measured, num_constants=4, distinct={"parameters": 2, "unique_tokens": 2})
    family = Family(
        law=law,
        formula=formula,
        method="least squares on ln L",
        inputs=INPUTS,
        output="loss_nats",
        curve=Kaplan,
        meanings=MEANINGS,
        bounds={
            "Nc": (1e-100, 1e200),
            "Dc": (1e-100, 1e200),
            "alpha_N": EXPONENT,
            "alpha_D": EXPONENT,
        },
        derived=derived,
    )
    return describe(family, measured, best_of(family, measured, _starts(measured)), effort)


def _starts(measured: Measured) -> Floats:
    """Log constants [R, 4]: L^(1 / alpha_D) is linear in what the exponents leave."""
    size, data, loss = measured["parameters"], measured["unique_tokens"], measured["loss_nats"]
    grid = [(alpha_n, alpha_d) for alpha_n in GRID for alpha_d in GRID]
    best = best_factors(
        (np.column_stack([size ** (-n / d), 1 / data]) for n, d in grid),
        (loss ** (1 / d) for _, d in grid),
        # A relative residual of L^(1 / alpha_D) is 1 / alpha_D times that of L.
        scales=(d for _, d in grid),
        num_best=NUM_STARTS,
    )
    return np.array([_logs(linear, *grid[place]) for place, linear in best])


def _logs(linear: Floats, alpha_n: float, alpha_d: float) -> Floats:
    size, data = np.log(np.maximum(linear, 1e-12))
    return np.array([size * alpha_d / alpha_n, data, np.log(alpha_n), np.log(alpha_d)])


LAW = Law(
    runs=Chosen.STOPPED,
    formula=FORMULA,
    source="Kaplan et al. 2020, arXiv 2001.08361, equation 1.5",
    inputs=INPUTS,
    output="loss_nats",
    fit=fit,
    published=PUBLISHED,
)
