"""Loss over the number of parameters, with data and training enough.

L(N) = (Nc / N)^alpha: Kaplan et al. 2020, arXiv 2001.08361, equation 1.1; N without embeddings.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.laws.law import Chosen, Effort, Fitted, Floats, Law, Measured
from rote.analysis.laws.power import fit_power

FORMULA = "L = (Nc / N)^alpha"


@dataclass(frozen=True, kw_only=True)
class SizeCurve:
    """The law with constants put in."""

    Nc: float
    alpha: float
    E: float = 0.0  # irreducible, nats per token; none in the published form

    def predict(self, parameters: ArrayLike) -> Floats:
        """Loss in nats per token."""
        return self.E + np.exp(self.alpha * (np.log(self.Nc) - np.log(np.asarray(parameters))))


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError below 3 runs and 2 sizes."""
    return fit_power(
        measured,
        effort,
        law="size",
        column="parameters",
        curve=SizeCurve,
        scale="Nc",
        formula=FORMULA,
    )


LAW = Law(
    runs=Chosen.BEST_OF_SIZE,
    formula=FORMULA,
    source="Kaplan et al. 2020, arXiv 2001.08361, equation 1.1",
    inputs=("parameters",),
    output="loss_nats",
    fit=fit,
    published={"Kaplan et al. 2020, arXiv 2001.08361": SizeCurve(Nc=8.8e13, alpha=0.076)},
)
