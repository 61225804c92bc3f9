"""Fit loss over parameters alone, or over unique tokens alone, as a power law.

    L(N) = (Nc / N)^alpha,  L(D) = (Dc / D)^alpha

Kaplan et al. 2020, arXiv 2001.08361, equations 1.1 and 1.2. The law of N (parameters without
embeddings) is for sizes with enough data and training; the law of D (in tokens) is for data sets
with large models, stopped before they overfit.

The published laws have no irreducible term, because over their ranges loss was far above the
entropy of text. Near that entropy a pure power law bends, and its extrapolation falls below the
reachable loss. The term is therefore added if least squares with it is better than chance allows at
1 % (F test of one constant): rarely without reason, and never for an exact power law.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as f_distribution

from rote.analysis.fits.search import EXPONENT, constant, power
from rote.analysis.laws.law import FitEffort, FittedLaw, Floats, Law, LawData, RunSelection
from rote.analysis.laws.regression import Regression

CHANCE = 0.01
NO_NOISE = 1e-8  # relative residual below which a power law is exact and cannot be tested
SHARES = (0.2, 0.5, 0.8, 0.95)  # shares of the lowest loss: starts of the search for the term
FEWEST_RUNS, FEWEST_VALUES = 5, 4  # needed for a fit with the term
IRREDUCIBLE = "irreducible loss, nats per token"
PAPER = "Kaplan et al. 2020, arXiv 2001.08361"


@dataclass(frozen=True, kw_only=True)
class SizeCurve:
    """The law of sizes with its constants."""

    Nc: float = constant("parameters at which the power is 1 nat", 1e-100, 1e200)
    alpha: float = constant("exponent of the parameters", *EXPONENT)
    E: float = constant(IRREDUCIBLE, default=0.0)  # absent in the published form

    def predict(self, parameters: ArrayLike) -> Floats:
        """Return the loss in nats per token."""
        return self.E + power(self.Nc, parameters, self.alpha)


@dataclass(frozen=True, kw_only=True)
class DataCurve:
    """The law of data sets with its constants."""

    Dc: float = constant("unique tokens at which the power is 1 nat", 1e-100, 1e200)
    alpha: float = constant("exponent of the unique tokens", *EXPONENT)
    E: float = constant(IRREDUCIBLE, default=0.0)

    def predict(self, unique_tokens: ArrayLike) -> Floats:
        """Return the loss in nats per token."""
        return self.E + power(self.Dc, unique_tokens, self.alpha)


def _line(column: str, measured: LawData, share: float = 0.0) -> Floats:
    """Return (ln scale, ln alpha), [1, 2], of a log-log line after taking off a share of loss."""
    loss = measured["loss_nats"]
    slope, offset = np.polyfit(np.log(measured[column]), np.log(loss - share * loss.min()), 1)
    alpha = max(-slope, 1e-2)  # the bound on alpha rejects a loss that rises
    return np.array([[offset / alpha, np.log(alpha)]])


def _bent_starts(column: str, measured: LawData) -> Floats:
    terms = np.log(np.array(SHARES) * measured["loss_nats"].min())
    lines = [_line(column, measured, share) for share in SHARES]
    return np.column_stack([terms, np.concatenate(lines)])


def _search(plain: Regression, law: Law, measured: LawData, effort: FitEffort) -> FittedLaw:
    plain.require(law, measured)
    (column,) = law.inputs
    best = plain.best(law, measured)
    if len(measured) < FEWEST_RUNS or len(np.unique(measured[column])) < FEWEST_VALUES:
        return plain.describe(law, measured, best, effort)
    bent_law = replace(
        law,
        formula=law.formula.replace("= ", "= E + "),
        method=f"{law.method}; E is taken up as its F test is below {CHANCE:g}",
        only=("E", *law.only),
    )
    bent = replace(plain, starts=partial(_bent_starts, column))
    bent_best = bent.best(bent_law, measured)
    without, with_term = (  # the objective is half the squares
        2 * float(regression.problem(form, measured).objective(constants[None])[0])
        for regression, form, constants in ((plain, law, best), (bent, bent_law, bent_best))
    )
    degrees = len(measured) - 3
    if without > len(measured) * NO_NOISE**2:
        with np.errstate(divide="ignore"):
            ratio = np.divide(without - with_term, with_term / degrees)
        if f_distribution.sf(ratio, 1, degrees) < CHANCE:
            return bent.describe(bent_law, measured, bent_best, effort)
    return plain.describe(law, measured, best, effort)


def _law(name: str, column: str, curve: type, only: tuple[str, ...], **how: Any) -> Law:
    return Law(
        name=name,
        inputs=(column,),
        output="loss_nats",
        method="least squares on ln L",
        curve=curve,
        only=only,
        search=partial(_search, Regression(distinct={column: 2}, starts=partial(_line, column))),
        **how,
    )


SIZE = _law(
    "size", "parameters", SizeCurve, ("Nc", "alpha"),
    runs=RunSelection.BEST_OF_SIZE, formula="L = (Nc / N)^alpha",
    source=f"{PAPER}, equation 1.1", published={PAPER: SizeCurve(Nc=8.8e13, alpha=0.076)},
)  # fmt: skip
DATA = _law(
    "data", "unique_tokens", DataCurve, ("Dc", "alpha"),
    runs=RunSelection.BEST_OF_DATA, formula="L = (Dc / D)^alpha",
    source=f"{PAPER}, equation 1.2", published={PAPER: DataCurve(Dc=5.4e13, alpha=0.095)},
)  # fmt: skip
