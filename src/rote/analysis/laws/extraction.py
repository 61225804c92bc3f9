"""Fit how probable the true suffix of a training sequence is, over size, data and repetition.

    p_z = q^S,   q = exp(-X / (1 + K)),   K = A P^alpha n^gamma / U^beta

p_z is the probability that one sample after the prefix is the true suffix of S tokens (Hayes et al.
2024, arXiv 2410.19482), and q that of a token of it, a geometric mean. U is the tokens of one
epoch, n how often training saw the sequence: epochs times its repeats in the training set. X is the
surprisal, -ln q, of a suffix that the model has not memorised.

The form is ours. The logit of -ln q / X is linear in the logarithms of size, repeats and data:
those inputs in which Carlini et al. 2022 (arXiv 2202.07646) find log-linear growth of what greedy
decoding extracts. q stays between exp(-X) and 1 for any input, and a long suffix turns the smooth
rise of q into a steep one of p_z. Residuals are those of ln q, in nats per token.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from rote.analysis.fits.search import EXPONENT, constant
from rote.analysis.laws.law import Floats, Law, LawData
from rote.analysis.laws.regression import Regression

ABOVE = (1.01, 1.2, 2.0, 8.0)  # start values of X, over the largest surprisal of the runs
LEAST_NATS = 1e-3  # share of the largest: what is known by heart has a logit all the same
LEAST_SPREAD = 0.01  # of a logarithm: smaller differences are rounding


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """The law with its constants."""

    X: float = constant("surprisal where nothing is memorised, nats per token", 1e-3, 1e2)
    A: float = constant(
        "K at one parameter, for a sequence seen once among one token", 1e-100, 1e100
    )
    alpha: float = constant("exponent of the parameters", *EXPONENT)
    beta: float = constant("exponent of the tokens of an epoch", *EXPONENT)
    gamma: float = constant("exponent of how often the sequence was seen", *EXPONENT)

    def predict(
        self, parameters: ArrayLike, tokens: ArrayLike, epochs: ArrayLike, repeats: ArrayLike
    ) -> Floats:
        """Return q, a probability; ``tokens`` are all that training saw."""
        size, seen, passes, times = (
            np.log(np.asarray(each, dtype=np.float64))
            for each in (parameters, tokens, epochs, repeats)
        )
        grown = np.log(self.A) + self.alpha * size + self.gamma * (passes + times)  # ln K U^beta
        return np.exp(-self.X * expit(self.beta * (seen - passes) - grown))


def _starts(measured: LawData) -> Floats:
    """Return start log constants [R, 5]: for a given X, ln K is linear in the other four.

    Raises ValueError if runs do not differ in data, or in how often sequences were seen.
    """
    names = ("parameters", "tokens", "epochs", "repeats")
    size, seen, passes, times = (np.log(measured[name]) for name in names)
    for values, what in ((seen - passes, "tokens / epochs"), (passes + times, "epochs x repeats")):
        if np.ptp(values) < LEAST_SPREAD:
            raise ValueError(f"law extraction takes runs that differ in {what}")
    nats = -np.log(measured["suffix_token_p"])
    nats = np.maximum(nats, LEAST_NATS * nats.max())
    design = np.column_stack([np.ones_like(size), size, passes - seen, passes + times])
    rows = []
    for most in np.array(ABOVE) * nats.max():
        (log_a, *exponents), *_ = np.linalg.lstsq(design, np.log(most / nats - 1))
        rows.append([np.log(most), log_a, *np.log(np.maximum(exponents, EXPONENT[0]))])
    return np.array(rows)


EXTRACTION = Law(
    name="extraction",
    formula="p_z = q^S, q = exp(-X / (1 + K)), "
    "K = A P^alpha (epochs repeats)^gamma / (tokens / epochs)^beta",
    source="p_z of Hayes et al. 2024, arXiv 2410.19482; the form is ours",
    inputs=("parameters", "tokens", "epochs", "repeats"),
    output="suffix_token_p",
    method="least squares on ln q",
    curve=Extraction,
    search=Regression(
        distinct={"parameters": 2}, starts=_starts, held_back=("parameters", "repeats")
    ),
    optional=("run",),
)
