"""Loss over model and optimiser steps, with data enough and any batch.

    L(N, S) = (Nc / N)^alpha_N + (Sc / S_min)^alpha_S,   S_min = S / (1 + B_crit(L) / B)
    B_crit(L) = B_star / L^(1 / alpha_B)

Kaplan et al. 2020, arXiv 2001.08361, equations 1.4 and 1.6 and section 5.1; N without embeddings,
batches in tokens. S_min is the number of steps that a batch far above the critical one would take.
B_crit depends on the loss that is being predicted: the equation is solved for it.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.fits.projection import best_factors
from rote.analysis.laws.family import EXPONENT, Family, best_of, describe
from rote.analysis.laws.law import Chosen, Effort, Fitted, Floats, Law, Measured
from rote.analysis.laws.needs import require

FEWEST_BATCHES = 3
GRID = np.geomspace(0.02, 2.0, 12)  # of each exponent
NUM_STARTS = 8
CRITICAL = (0.1, 1.0, 10.0)  # critical batch over the median one: where the search starts
ALPHAS_B = (0.15, 0.4)  # about Kaplan's 0.21
MOST_NEWTON = 50
FORMULA = "L = (Nc / N)^alpha_N + (Sc / S_min)^alpha_S"
BATCH_FORMULA = f"{FORMULA}; S_min = S / (1 + B_star / (B L^(1 / alpha_B)))"


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The law for steps taken as they are."""

    Nc: float
    Sc: float
    alpha_N: float
    alpha_S: float

    def predict(self, parameters: ArrayLike, steps: ArrayLike) -> Floats:
        """Loss in nats per token."""
        size = np.log(self.Nc) - np.log(np.asarray(parameters))
        time = np.log(self.Sc) - np.log(np.asarray(steps))
        return np.exp(self.alpha_N * size) + np.exp(self.alpha_S * time)


@dataclass(frozen=True, kw_only=True)
class BatchedSteps(Steps):
    """The law with its critical batch."""

    B_star: float  # tokens
    alpha_B: float

    def predict(
        self, parameters: ArrayLike, steps: ArrayLike, batch_tokens: ArrayLike = np.inf
    ) -> Floats:
        """Loss in nats per token; an endless batch takes the steps as S_min."""
        batch = np.asarray(batch_tokens, dtype=np.float64)
        floor = np.exp(self.alpha_N * (np.log(self.Nc) - np.log(np.asarray(parameters))))
        most = np.exp(self.alpha_S * (np.log(self.Sc) - np.log(np.asarray(steps))))
        log_loss = np.log(floor + most)
        # Newton on ln L - ln(floor + most (1 + B_crit / B)^alpha_S): its slope is 1 or more.
        for _ in range(MOST_NEWTON):
            extra = self.critical_batch(np.exp(log_loss)) / batch
            term = most * (1 + extra) ** self.alpha_S
            pull = term / (floor + term) * self.alpha_S * extra / (1 + extra) / self.alpha_B
            step = (log_loss - np.log(floor + term)) / (1 + pull)
            log_loss = log_loss - step
            if not (np.abs(step) > 1e-12).any():
                break
        return np.exp(log_loss)

    def critical_batch(self, loss_nats: ArrayLike) -> Floats:
        """Tokens a step at which half the steps' worth is lost to noise."""
        return np.exp(np.log(self.B_star) - np.log(np.asarray(loss_nats)) / self.alpha_B)


MEANINGS = {
    "Nc": "parameters at which endless training leaves 1 nat",
    "Sc": "steps at which the term of training is 1 nat",
    "alpha_N": "exponent of the parameters",
    "alpha_S": "exponent of the steps",
}
BATCH_MEANINGS = {
    "B_star": "critical batch at a loss of 1 nat, tokens",
    "alpha_B": "1 / alpha_B is the exponent of the loss in the critical batch",
}


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError below 5 runs, 2 sizes and 3 numbers of steps (7 runs with batches)."""
    measured["loss_nats"]
    batched = _num_batches(measured) >= FEWEST_BATCHES
    distinct = {"parameters": 2, "steps": 3}
    require("steps", measured, num_constants=6 if batched else 4, distinct=distinct)
    family = _family(batched=batched)
    starts = _starts(measured)
    if batched:
        starts = _batched_starts(measured, starts)
        return describe(family, measured, best_of(family, measured, starts), effort)
    said = (
        f"{_num_batches(measured)} different batch_tokens, and a critical batch takes "
        f"{FEWEST_BATCHES}: steps are taken as they are, not as S_min"
    )
    best = best_of(family, measured, starts)
    return describe(family, measured, best, effort, warnings=(said,))


def _num_batches(measured: Measured) -> int:
    if "batch_tokens" not in measured.columns:
        return 0
    return len(np.unique(measured["batch_tokens"]))


def _family(*, batched: bool) -> Family:
    bounds = {"Nc": (1e-100, 1e200), "Sc": (1e-20, 1e60), "alpha_N": EXPONENT, "alpha_S": EXPONENT}
    batch_bounds = {"B_star": (1e-6, 1e30), "alpha_B": (0.02, 10.0)}
    return Family(
        law="steps",
        formula=BATCH_FORMULA if batched else FORMULA,
        method="least squares on ln L",
        inputs=("parameters", "steps", "batch_tokens") if batched else ("parameters", "steps"),
        output="loss_nats",
        curve=BatchedSteps if batched else Steps,
        meanings=MEANINGS | BATCH_MEANINGS if batched else MEANINGS,
        bounds=bounds | batch_bounds if batched else bounds,
    )


def _starts(measured: Measured) -> Floats:
    """Log constants [R, 4] without a critical batch."""
    size, steps, loss = measured["parameters"], measured["steps"], measured["loss_nats"]
    grid = list(product(GRID, GRID))
    best = best_factors(
        (np.column_stack([size**-n, steps**-s]) for n, s in grid),
        (loss for _ in grid),
        num_best=NUM_STARTS,
    )
    return np.array([_logs(linear, *grid[place]) for place, linear in best])


def _logs(linear: Floats, alpha_n: float, alpha_s: float) -> Floats:
    size, time = np.log(np.maximum(linear, 1e-6))
    return np.array([size / alpha_n, time / alpha_s, np.log(alpha_n), np.log(alpha_s)])


def _batched_starts(measured: Measured, starts_R4: Floats) -> Floats:
    """[R, 6]: critical batches below, at and above the median one."""
    batch, loss = np.median(measured["batch_tokens"]), np.median(measured["loss_nats"])
    return np.array(
        [
            [*start, np.log(ratio * batch) + np.log(loss) / alpha, np.log(alpha)]
            for start, ratio, alpha in product(starts_R4, CRITICAL, ALPHAS_B)
        ]
    )


LAW = Law(
    runs=Chosen.FRESH,
    formula=BATCH_FORMULA,
    source="Kaplan et al. 2020, arXiv 2001.08361, equations 1.4 and 1.6",
    inputs=("parameters", "steps"),
    output="loss_nats",
    fit=fit,
    optional=("batch_tokens",),
    published={
        "Kaplan et al. 2020, arXiv 2001.08361": BatchedSteps(
            Nc=6.5e13, Sc=2.1e3, alpha_N=0.077, alpha_S=0.76, B_star=2e8, alpha_B=0.21
        )
    },
)
