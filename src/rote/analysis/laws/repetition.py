"""Fit loss with repeated data: each further epoch is worth less, as is each surplus parameter.

    L = E + A / N'^alpha + B / D'^beta
    D' = U_D + U_D R_D (1 - exp(-r_D / R_D)),   r_D = D / U_D - 1
    N' = U_N + U_N R_N (1 - exp(-r_N / R_N)),   r_N = N / U_N - 1

Muennighoff et al. 2023, arXiv 2305.16264, section 3.1: U_D is the number of unique tokens seen, U_N
the number of parameters that would be optimal for them, at most N. They tie alpha to beta; here
both are free.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.fits.search import constant
from rote.analysis.laws import parametric
from rote.analysis.laws.law import Floats, Law, LawData, RunSelection

STARTS = (1.5, 5.0, 15.0)  # start values of R_D and R_N


@dataclass(frozen=True, kw_only=True)
class Repetition(parametric.Parametric):
    """The law with its constants."""

    R_D: float = constant("decay of repeated tokens' worth, in repetitions", 0.01, 1e4)
    R_N: float = constant(
        "decay of surplus parameters' worth, in multiples of the optimal number", 0.01, 1e4
    )

    def predict(
        self, parameters: ArrayLike, tokens: ArrayLike, unique_tokens: ArrayLike = np.inf
    ) -> Floats:
        """Return the loss in nats per token."""
        return super().predict(*self.worth(parameters, tokens, unique_tokens))

    def worth(
        self, parameters: ArrayLike, tokens: ArrayLike, unique_tokens: ArrayLike
    ) -> tuple[Floats, Floats]:
        """Return N' and D', the equivalent parameters and tokens without repetition."""
        size, seen = np.asarray(parameters, np.float64), np.asarray(tokens, np.float64)
        unique = np.minimum(seen, np.asarray(unique_tokens, dtype=np.float64))
        optimal = np.minimum(size, self.optimal_parameters(unique))
        return worth(size, optimal, self.R_N), worth(seen, unique, self.R_D)

    def optimal_parameters(self, tokens: ArrayLike) -> Floats:
        """Return the parameters for which so many tokens, none repeated, are compute-optimal."""
        scale = np.log(self.alpha * self.A / (self.beta * self.B))
        return np.exp((scale + self.beta * np.log(np.asarray(tokens))) / self.alpha)


def worth(total: Floats, unique: Floats, decay: float) -> Floats:
    """Return how many distinct items equal ``total`` items of which ``unique`` differ (equation 5).

    After ``decay`` repetitions one more is worth 1 / e of the first.
    """
    return unique * (1 - decay * np.expm1(-(total / unique - 1) / decay))


def _starts(measured: LawData) -> Floats:
    """Return start log constants [R, 7]: those of `parametric`, with tokens worth what R_D implies.

    Raises ValueError if no run repeats data.
    """
    seen, unique = measured["tokens"], measured["unique_tokens"]
    if (seen <= unique).all():
        raise ValueError("law repetition takes runs that repeat their data: tokens > unique_tokens")
    rows = []
    for decay in STARTS:
        columns = {**measured.columns, "tokens": worth(seen, np.minimum(seen, unique), decay)}
        fresh = parametric.starts(replace(measured, columns=columns))
        rows += [[*row, np.log(decay), np.log(decay)] for row in fresh]
    return np.array(rows)


MUENNIGHOFF = Repetition(
    E=float(np.exp(0.6254804)),
    A=float(np.exp(6.255414)),
    B=float(np.exp(7.3049974)),
    alpha=0.3526596,
    beta=0.3526596,
    R_D=15.387756,
    R_N=5.309743,
)
REPETITION = Law(
    name="repetition",
    runs=RunSelection.UNSPOILT,
    formula="L = E + A / N'^alpha + B / D'^beta, N' and D' worth N and D were nothing repeated",
    source="Muennighoff et al. 2023, arXiv 2305.16264, section 3.1",
    inputs=("parameters", "tokens", "unique_tokens"),
    output="loss_nats",
    method=parametric.PARAMETRIC.method,
    curve=Repetition,
    search=replace(
        parametric.SURFACE,
        distinct={"parameters": 3, "tokens": 3, "unique_tokens": 1},
        starts=_starts,
        derived=(),
    ),
    published={"Muennighoff et al. 2023, arXiv 2305.16264": MUENNIGHOFF},
)
