"""Loss when data are repeated: each further epoch is worth less, and so is each surplus parameter.

    L = E + A / N'^alpha + B / D'^beta
    D' = U_D + U_D R_D (1 - exp(-r_D / R_D)),   r_D = D / U_D - 1
    N' = U_N + U_N R_N (1 - exp(-r_N / R_N)),   r_N = N / U_N - 1

Muennighoff et al. 2023, arXiv 2305.16264, section 3.1: U_D are the unique tokens seen, U_N the
parameters that would be optimal for them, at most N. They tie alpha to beta; here both are free.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.laws import parametric
from rote.analysis.laws.family import Family, best_of, describe
from rote.analysis.laws.law import Chosen, Effort, Fitted, Floats, Law, Measured
from rote.analysis.laws.needs import require

FORMULA = "L = E + A / N'^alpha + B / D'^beta, N' and D' worth N and D were nothing repeated"
INPUTS = ("parameters", "tokens", "unique_tokens")
STARTS = (1.5, 5.0, 15.0)  # of R_D and R_N


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """The law with constants put in."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    R_D: float  # epochs after which repeating is worth 1 - 1 / e of what it ever is
    R_N: float

    def predict(self, parameters: ArrayLike, tokens: ArrayLike, unique_tokens: ArrayLike) -> Floats:
        """Loss in nats per token."""
        size, data = self.worth(parameters, tokens, unique_tokens)
        return np.asarray(
            self.E
            + np.exp(np.log(self.A) - self.alpha * np.log(size))
            + np.exp(np.log(self.B) - self.beta * np.log(data))
        )

    def worth(
        self, parameters: ArrayLike, tokens: ArrayLike, unique_tokens: ArrayLike
    ) -> tuple[Floats, Floats]:
        """N' and D': parameters and tokens as if nothing were repeated."""
        size, seen = np.asarray(parameters, np.float64), np.asarray(tokens, np.float64)
        unique = np.minimum(seen, np.asarray(unique_tokens, dtype=np.float64))
        optimal = np.minimum(size, self.optimal_parameters(unique))
        return worth(size, optimal, self.R_N), worth(seen, unique, self.R_D)

    def optimal_parameters(self, tokens: ArrayLike) -> Floats:
        """For which so many tokens, none repeated, are compute-optimal."""
        scale = np.log(self.alpha * self.A / (self.beta * self.B))
        return np.exp((scale + self.beta * np.log(np.asarray(tokens))) / self.alpha)


def worth(total: Floats, unique: Floats, decay: float) -> Floats:
    """What so many, ``unique`` of them distinct, are worth in distinct ones (equation 5).

    ``decay``: repetitions after which another is worth 1 / e of the first.
    """
    return unique * (1 - decay * np.expm1(-(total / unique - 1) / decay))


MEANINGS = parametric.MEANINGS | {
    "R_D": "decay of repeated tokens' worth, in repetitions",
    "R_N": "decay of surplus parameters' worth, in multiples of the optimal number",
}


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError below 8 runs, 3 sizes, 3 numbers of tokens, and where nothing repeats."""
    measured["loss_nats"]
    distinct = {"parameters": 3, "tokens": 3, "unique_tokens": 1}
    require("repetition", measured, num_constants=7, distinct=distinct)
    if (measured["tokens"] <= measured["unique_tokens"]).all():
        raise ValueError("law repetition takes runs that repeat their data: tokens > unique_tokens")
    family = Family(
        law="repetition",
        formula=FORMULA,
        method="Huber's objective on ln L with a reach of 1e-3, summed",
        inputs=INPUTS,
        output="loss_nats",
        curve=Repetition,
        meanings=MEANINGS,
        bounds=parametric.bounds(measured) | {"R_D": (0.01, 1e4), "R_N": (0.01, 1e4)},
        reach=parametric.REACH,
    )
    return describe(family, measured, best_of(family, measured, _starts(measured)), effort)


def _starts(measured: Measured) -> Floats:
    """Log constants [R, 7]: tokens worth what each R_D says, then as `parametric` starts."""
    size, seen = measured["parameters"], measured["tokens"]
    unique = np.minimum(seen, measured["unique_tokens"])
    rows = []
    for decay in STARTS:
        columns = {
            "parameters": size,
            "tokens": worth(seen, unique, decay),
            "loss_nats": measured["loss_nats"],
        }
        fresh = Measured(columns=columns, count=measured.count)
        rows += [[*row, np.log(decay), np.log(decay)] for row in parametric.starts(fresh)]
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

LAW = Law(
    runs=Chosen.UNSPOILT,
    formula=FORMULA,
    source="Muennighoff et al. 2023, arXiv 2305.16264, section 3.1",
    inputs=INPUTS,
    output="loss_nats",
    fit=fit,
    published={"Muennighoff et al. 2023, arXiv 2305.16264": MUENNIGHOFF},
)
