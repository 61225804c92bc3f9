"""Fit loss over model size and optimiser steps, with enough data and any batch.

    L(N, S) = (Nc / N)^alpha_N + (Sc / S_min)^alpha_S,   S_min = S / (1 + B_crit(L) / B)
    B_crit(L) = B_star / L^(1 / alpha_B)

Kaplan et al. 2020, arXiv 2001.08361, equations 1.4 and 1.6 and section 5.1; N excludes embeddings,
and batches are in tokens. S_min is the number of steps at a batch far above the critical one.
B_crit depends on the predicted loss itself, so the equation is solved for the loss.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.fits.search import EXPONENT, constant, grid_starts, power
from rote.analysis.laws.law import FitEffort, FittedLaw, Floats, Law, LawData, RunSelection
from rote.analysis.laws.regression import Regression

FEWEST_BATCHES = 3
GRID = np.geomspace(0.02, 2.0, 12)  # start values of each exponent
NUM_STARTS = 8
CRITICAL = (0.1, 1.0, 10.0)  # critical batch over the median one: starts of the search
ALPHAS_B = (0.15, 0.4)  # start values around Kaplan's 0.21
MOST_NEWTON = 50
FORMULA = "L = (Nc / N)^alpha_N + (Sc / S_min)^alpha_S"


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The law that takes steps as they are."""

    Nc: float = constant("parameters at which endless training leaves 1 nat", 1e-100, 1e200)
    Sc: float = constant("steps at which the term of training is 1 nat", 1e-20, 1e60)
    alpha_N: float = constant("exponent of the parameters", *EXPONENT)
    alpha_S: float = constant("exponent of the steps", *EXPONENT)

    def predict(self, parameters: ArrayLike, steps: ArrayLike) -> Floats:
        """Return the loss in nats per token."""
        return power(self.Nc, parameters, self.alpha_N) + power(self.Sc, steps, self.alpha_S)


@dataclass(frozen=True, kw_only=True)
class BatchedSteps(Steps):
    """The law with a critical batch."""

    B_star: float = constant("critical batch at a loss of 1 nat, tokens", 1e-6, 1e30)
    alpha_B: float = constant(
        "1 / alpha_B is the exponent of the loss in the critical batch", 0.02, 10.0
    )

    def predict(
        self, parameters: ArrayLike, steps: ArrayLike, batch_tokens: ArrayLike = np.inf
    ) -> Floats:
        """Return the loss in nats per token; with an endless batch, steps count as S_min."""
        batch = np.asarray(batch_tokens, dtype=np.float64)
        floor = power(self.Nc, parameters, self.alpha_N)
        most = power(self.Sc, steps, self.alpha_S)
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
        """Return the tokens per step at which noise wastes half of the steps."""
        return np.exp(np.log(self.B_star) - np.log(np.asarray(loss_nats)) / self.alpha_B)


def _starts(measured: LawData) -> Floats:
    """Return start log constants [R, 4] without a critical batch."""
    size, steps, loss = measured["parameters"], measured["steps"], measured["loss_nats"]

    def linear(n: float, s: float) -> tuple[Floats, Floats, float]:
        return np.column_stack([size**-n, steps**-s]), loss, 1.0

    def row(factors: Floats, n: float, s: float) -> Floats:
        log_size, log_time = np.log(np.maximum(factors, 1e-6))
        return np.array([log_size / n, log_time / s, np.log(n), np.log(s)])

    return grid_starts(GRID, linear, row, num_starts=NUM_STARTS)


def _batched_starts(measured: LawData) -> Floats:
    """Return starts [R, 6] with critical batches below, at and above the median batch."""
    batch, loss = np.median(measured["batch_tokens"]), np.median(measured["loss_nats"])
    return np.array(
        [
            [*start, np.log(ratio * batch) + np.log(loss) / alpha, np.log(alpha)]
            for start, ratio, alpha in product(_starts(measured), CRITICAL, ALPHAS_B)
        ]
    )


PLAIN = Regression(distinct={"parameters": 2, "steps": 3}, starts=_starts)
BATCHED = replace(PLAIN, starts=_batched_starts)


def _search(law: Law, measured: LawData, effort: FitEffort) -> FittedLaw:
    """Fit with a critical batch if there are enough different batches."""
    number = len(np.unique(measured.columns.get("batch_tokens", ())))
    if number >= FEWEST_BATCHES:
        law = replace(law, inputs=(*law.inputs, "batch_tokens"))
        return BATCHED(law, measured, effort)
    method = (
        f"{number} different batch_tokens, and a critical batch takes "
        f"{FEWEST_BATCHES}: steps are taken as they are, not as S_min"
    )
    return PLAIN(replace(law, formula=FORMULA, curve=Steps), measured, effort, method)


STEPS = Law(
    name="steps",
    runs=RunSelection.FRESH,
    formula=f"{FORMULA}; S_min = S / (1 + B_star / (B L^(1 / alpha_B)))",
    source="Kaplan et al. 2020, arXiv 2001.08361, equations 1.4 and 1.6",
    inputs=("parameters", "steps"),
    output="loss_nats",
    method="least squares on ln L",
    curve=BatchedSteps,
    search=_search,
    optional=("batch_tokens",),
    published={
        "Kaplan et al. 2020, arXiv 2001.08361": BatchedSteps(
            Nc=6.5e13, Sc=2.1e3, alpha_N=0.077, alpha_S=0.76, B_star=2e8, alpha_B=0.21
        )
    },
)
