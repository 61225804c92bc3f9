"""How many data keep a model from overfitting, read off the surface of `kaplan`.

    delta L(N, D) = L(N, D) / L(N, inf) - 1,   D >= k N^a for delta L <= 0.02

Kaplan et al. 2020, arXiv 2001.08361, equations 4.2 to 4.4, with 0.02 the spread of their seeds;
they print k = 5e3 and a = 0.74. The curve predicts loss; `Kaplan.overfitting` is delta L.
"""

from rote.analysis.laws.family import Derived
from rote.analysis.laws.kaplan import INPUTS, PUBLISHED, fit_surface
from rote.analysis.laws.law import Chosen, Effort, Fitted, Law, Measured

MOST = 0.02
FORMULA = "delta L = L(N, D) / L(N, inf) - 1; D >= k N^a for delta L <= 0.02"
DERIVED = (
    Derived(
        name="k",
        meaning="unique tokens that keep delta L at 0.02 for one parameter",
        value=lambda curve: curve.factor(MOST),
    ),
    Derived(
        name="a",
        meaning="exponent of the parameters in those tokens, alpha_N / alpha_D",
        value=lambda curve: curve.ratio,
    ),
)


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError below 5 runs, 2 sizes and 2 sizes of data set."""
    return fit_surface("overfitting", FORMULA, measured, effort, derived=DERIVED)


LAW = Law(
    runs=Chosen.STOPPED,
    formula=FORMULA,
    source="Kaplan et al. 2020, arXiv 2001.08361, equations 4.2 to 4.4",
    inputs=INPUTS,
    output="loss_nats",
    fit=fit,
    published=PUBLISHED,
)
