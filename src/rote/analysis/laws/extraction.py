"""Fit how probable the true suffix of a training sequence is, over size, data and repetition.

    x = X / (1 + K),   K = A P^alpha n^gamma / U^beta,   p_z = exp(-x S)

x is the surprisal of a suffix, nats per token: -ln p_z over its S tokens, where p_z is the
probability that one sample after the prefix is the true suffix (Hayes et al. 2024, arXiv
2410.19482). U is the tokens of one epoch, n how often training saw the sequence: epochs times its
repeats in the training set. X is the surprisal of a suffix that the model has not memorised.

The form is ours. ln(X / x - 1) is linear in the logarithms of size, repeats and data, the inputs in
which Carlini et al. 2022 (arXiv 2202.07646) find log-linear growth of what greedy decoding
extracts. x stays between 0 and X, so that p_z is a probability for any input, and a long suffix
turns the smooth fall of x into a steep rise of p_z.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from rote.analysis.fits.search import EXPONENT, constant
from rote.analysis.laws.law import Floats, Law, LawData
from rote.analysis.laws.regression import Regression

ABOVE = (1.01, 1.2, 2.0, 8.0)  # start values of X, over the largest surprisal of the runs
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
        """Return the surprisal in nats per token; ``tokens`` are all that training saw."""
        size, seen, passes, times = (
            np.log(np.asarray(each, dtype=np.float64))
            for each in (parameters, tokens, epochs, repeats)
        )
        log_k = (
            np.log(self.A)
            + self.alpha * size
            + self.gamma * (passes + times)
            - self.beta * (seen - passes)
        )
        return np.asarray(self.X * expit(-log_k))


def _starts(measured: LawData) -> Floats:
    """Return start log constants [R, 5]: for a given X, ln K is linear in the other four.

    Raises ValueError if runs do not differ in data, or in how often sequences were seen.
    """
    names = ("parameters", "tokens", "epochs", "repeats")
    size, seen, passes, times = (np.log(measured[name]) for name in names)
    for values, what in ((seen - passes, "tokens / epochs"), (passes + times, "epochs x repeats")):
        if np.ptp(values) < LEAST_SPREAD:
            raise ValueError(f"law extraction takes runs that differ in {what}")
    x = measured["suffix_nats"]
    design = np.column_stack([np.ones_like(size), size, passes - seen, passes + times])
    rows = []
    for most in np.array(ABOVE) * x.max():
        (log_a, *exponents), *_ = np.linalg.lstsq(design, np.log(most / x - 1))
        rows.append([np.log(most), log_a, *np.log(np.maximum(exponents, EXPONENT[0]))])
    return np.array(rows)


EXTRACTION = Law(
    name="extraction",
    formula="x = X / (1 + K), K = A P^alpha (epochs repeats)^gamma / (tokens / epochs)^beta; "
    "p_z = exp(-x suffix tokens)",
    source="p_z of Hayes et al. 2024, arXiv 2410.19482; the form is ours",
    inputs=("parameters", "tokens", "epochs", "repeats"),
    output="suffix_nats",
    method="least squares on ln x",
    curve=Extraction,
    search=Regression(
        distinct={"parameters": 2}, starts=_starts, held_back=("parameters", "repeats")
    ),
    optional=("run",),
)
