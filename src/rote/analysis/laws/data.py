"""Loss over the size of the data set, for large models stopped before they overfit.

L(D) = (Dc / D)^alpha: Kaplan et al. 2020, arXiv 2001.08361, equation 1.2; D in tokens.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.laws.law import Chosen, Effort, Fitted, Floats, Law, Measured
from rote.analysis.laws.power import fit_power

FORMULA = "L = (Dc / D)^alpha"


@dataclass(frozen=True, kw_only=True)
class DataCurve:
    """The law with constants put in."""

    Dc: float
    alpha: float
    E: float = 0.0  # irreducible, nats per token; none in the published form

    def predict(self, unique_tokens: ArrayLike) -> Floats:
        """Loss in nats per token."""
        return self.E + np.exp(self.alpha * (np.log(self.Dc) - np.log(np.asarray(unique_tokens))))


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError below 3 runs and 2 sizes of data set."""
    return fit_power(
        measured,
        effort,
        law="data",
        column="unique_tokens",
        curve=DataCurve,
        scale="Dc",
        formula=FORMULA,
    )


LAW = Law(
    runs=Chosen.BEST_OF_DATA,
    formula=FORMULA,
    source="Kaplan et al. 2020, arXiv 2001.08361, equation 1.2",
    inputs=("unique_tokens",),
    output="loss_nats",
    fit=fit,
    published={"Kaplan et al. 2020, arXiv 2001.08361": DataCurve(Dc=5.4e13, alpha=0.095)},
)
