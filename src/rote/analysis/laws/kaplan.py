"""Fit loss over model and data together, and how much data a model needs to avoid overfitting.

    L(N, D) = [(Nc / N)^(alpha_N / alpha_D) + Dc / D]^alpha_D
    delta L(N, D) = L(N, D) / L(N, inf) - 1,   D >= k N^a for delta L <= 0.02

Kaplan et al. 2020, arXiv 2001.08361, equations 1.5 and 4.2 to 4.4. N counts parameters without
embeddings, D the tokens of the data set; each run stops at its least held-out loss. 0.02 is the
spread of their seeds; they print k = 5e3 and a = 0.74. The curve of both laws predicts loss.
"""

from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.fits.search import EXPONENT, constant, grid_starts
from rote.analysis.laws.law import Floats, Law, LawData, RunSelection
from rote.analysis.laws.regression import Derived, Regression

GRID = np.geomspace(0.02, 1.0, 12)  # start values of each exponent
NUM_STARTS = 32  # of 60 random surfaces 8 starts miss two, 32 none
MOST = 0.02  # largest delta L


@dataclass(frozen=True, kw_only=True)
class Kaplan:
    """The law with its constants."""

    Nc: float = constant("parameters at which endless data leave 1 nat", 1e-100, 1e200)
    Dc: float = constant(
        "unique tokens at which an endless model is left with 1 nat", 1e-100, 1e200
    )
    alpha_N: float = constant("exponent of the parameters", *EXPONENT)
    alpha_D: float = constant("exponent of the unique tokens", *EXPONENT)

    def predict(self, parameters: ArrayLike, unique_tokens: ArrayLike) -> Floats:
        """Return the loss in nats per token."""
        size = np.log(self.Nc) - np.log(np.asarray(parameters))
        data = np.log(self.Dc) - np.log(np.asarray(unique_tokens))
        return np.exp(self.alpha_D * np.logaddexp(self.alpha_N / self.alpha_D * size, data))

    @property
    def ratio(self) -> float:
        """alpha_N / alpha_D, the exponent by which data must grow with size."""
        return self.alpha_N / self.alpha_D

    def factor(self, most: float) -> float:
        """Return k of D = k N^ratio at which delta L is ``most`` (equation 4.3 solved for D)."""
        room = np.expm1(np.log1p(most) / self.alpha_D)
        return float(np.exp(np.log(self.Dc) - self.ratio * np.log(self.Nc)) / room)


def _starts(measured: LawData) -> Floats:
    """Return start log constants [R, 4]; for given exponents L^(1 / alpha_D) is linear."""
    size, data, loss = measured["parameters"], measured["unique_tokens"], measured["loss_nats"]

    def linear(n: float, d: float) -> tuple[Floats, Floats, float]:
        # A relative residual of L^(1 / alpha_D) is 1 / alpha_D times that of L.
        return np.column_stack([size ** (-n / d), 1 / data]), loss ** (1 / d), d

    def row(factors: Floats, n: float, d: float) -> Floats:
        log_size, log_data = np.log(np.maximum(factors, 1e-12))
        return np.array([log_size * d / n, log_data, np.log(n), np.log(d)])

    return grid_starts(GRID, linear, row, num_starts=NUM_STARTS)


SURFACE = Regression(distinct={"parameters": 2, "unique_tokens": 2}, starts=_starts)
KAPLAN = Law(
    name="kaplan",
    runs=RunSelection.STOPPED,
    formula="L = [(Nc / N)^(alpha_N / alpha_D) + Dc / D]^alpha_D",
    source="Kaplan et al. 2020, arXiv 2001.08361, equation 1.5",
    inputs=("parameters", "unique_tokens"),
    output="loss_nats",
    method="least squares on ln L",
    curve=Kaplan,
    search=SURFACE,
    published={
        "Kaplan et al. 2020, arXiv 2001.08361": Kaplan(
            Nc=6.4e13, Dc=1.8e13, alpha_N=0.076, alpha_D=0.103
        )
    },
)
DERIVED = (
    Derived(
        "k",
        "unique tokens that keep delta L at 0.02 for one parameter",
        lambda curve: curve.factor(MOST),
    ),
    Derived(
        "a", "exponent of the parameters in those tokens, alpha_N / alpha_D", attrgetter("ratio")
    ),
)
OVERFITTING = replace(
    KAPLAN,
    name="overfitting",
    formula="delta L = L(N, D) / L(N, inf) - 1; D >= k N^a for delta L <= 0.02",
    source="Kaplan et al. 2020, arXiv 2001.08361, equations 4.2 to 4.4",
    search=replace(SURFACE, derived=DERIVED),
)
