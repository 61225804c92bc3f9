"""Bound a model's differential privacy from below, by scores of members and non-members.

(epsilon, delta)-differential privacy bounds every attack: 1 - FNR <= e^epsilon FPR + delta, and the
same with both errors exchanged. So an attack with few errors refutes a small epsilon. All bounds
hold in `LEVEL` of cases, and are 0 where an attack shows nothing.

The trade-off of FPR against FNR is bounded at fixed ranks of the non-members and of the members, so
that the thresholds depend on one class alone; each rate has Clopper and Pearson's upper end, with
Bonferroni's correction over all thresholds and both errors. From it follow epsilon (Jagielski et
al. 2020, arXiv 2006.07709) and mu of Gaussian differential privacy (Nasr et al. 2023, arXiv
2302.07956; Dong et al. 2019, arXiv 1905.02383). Both take scores as independent; those of one model
are so only about.

The bound from one run (Steinke et al. 2023, arXiv 2305.08846) takes no such assumption. It needs
inclusion by coins: here a member and a non-member, drawn alike, are a pair of which a coin chose
one, and the attack guesses which. Its neighbours differ by replacing a document. An algorithm that
is epsilon-private when a document is added or removed is 2 epsilon-private when one is replaced.

Shapes: M members, N non-members, P pairs, K thresholds.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaincinv
from scipy.stats import binom, norm

from rote.analysis.estimate import LEVEL
from rote.analysis.quantities.roc import Floats, checked_scores

DELTA = 1e-5  # where a model names none: the default of conf/control/dp_sgd.yaml
NUM_RANKS = 32  # thresholds of each class: more cost more by the correction than they find
GUESSED_SHARES = (1.0, 0.5, 0.25, 0.125)  # of the pairs, those whose scores differ most
MOST_PAIRS = 10_000  # more hardly raise the bound
MOST_EPSILON = 100.0  # no number of documents refutes as much


@dataclass(frozen=True, kw_only=True)
class PrivacyBounds:
    """Lower bounds on the privacy that one score leaves; each holds by itself."""

    delta: float
    epsilon: float  # by the two error rates
    mu: float  # of Gaussian differential privacy
    epsilon_by_mu: float  # at the same delta, if the model's privacy is Gaussian
    epsilon_one_run: float  # a document is replaced
    curve: list[list[float]]  # [K, 2], rising FPR: upper ends of (FPR, FNR), all at once


def privacy_bounds(
    member_scores: Floats, nonmember_scores: Floats, *, delta: float = DELTA, seed: int = 0
) -> PrivacyBounds:
    """Return all bounds; ``seed`` draws the pairs.

    Raises ValueError for an empty class, for scores that are not finite, and for a delta that is
    not from 0 to 1.
    """
    if not 0 <= delta < 1:
        raise ValueError(f"delta must be from 0 to 1, got {delta!r}")
    members, others = checked_scores(member_scores, nonmember_scores)
    curve_K2 = tradeoff_bound(members, others)
    mu = max(0.0, float((norm.isf(curve_K2[:, 0]) - norm.ppf(curve_K2[:, 1])).max()))
    return PrivacyBounds(
        delta=delta,
        epsilon=_epsilon(curve_K2, delta),
        mu=mu,
        epsilon_by_mu=epsilon_of_mu(mu, delta),
        epsilon_one_run=_epsilon_of_pairs(members, others, delta, seed),
        curve=curve_K2.tolist(),
    )


def tradeoff_bound(members: Floats, others: Floats) -> NDArray[np.float64]:
    """Return upper ends of (FPR, FNR), [K, 2], that hold together; scores above are accused.

    By a threshold at a rank of the non-members few of them are accused, by one at a rank of the
    members few of these are missed.
    """
    level = (1 - LEVEL) / (4 * NUM_RANKS)
    accused_K2 = _bounded(others, members, level)
    missed_K2 = _bounded(-members, -others, level)[:, ::-1]
    curve_K2 = np.concatenate([accused_K2, missed_K2])
    return curve_K2[np.lexsort((curve_K2[:, 1], curve_K2[:, 0]))]


def _bounded(others: Floats, members: Floats, level: float) -> NDArray[np.float64]:
    """Return upper ends of the share of others above a threshold, and of members not above it."""
    descending, number = np.sort(others)[::-1], len(others)
    ranks = np.unique(np.rint(np.geomspace(1, (number + 1) / 2, NUM_RANKS)).astype(int))
    missed = np.searchsorted(np.sort(members), descending[ranks - 1], side="right")
    # Where scores are equal fewer than rank - 1 lie above: the end holds all the more.
    return np.column_stack(
        [_upper_end(ranks - 1, number, level), _upper_end(missed, len(members), level)]
    )


def _upper_end(count_K: NDArray[np.int64], number: int, level: float) -> Floats:
    """Return Clopper and Pearson's upper end, which a rate exceeds with chance ``level``."""
    ends_K = betaincinv(count_K + 1, np.maximum(number - count_K, 1), 1 - level)
    return np.asarray(np.where(count_K < number, ends_K, 1.0))


def _epsilon(curve_K2: NDArray[np.float64], delta: float) -> float:
    with np.errstate(divide="ignore"):
        found = [
            np.log(np.maximum(1 - delta - one_K, 0) / other_K)
            for one_K, other_K in (curve_K2.T, curve_K2.T[::-1])
        ]
    return max(0.0, float(np.max(found)))


def epsilon_of_mu(mu: float, delta: float) -> float:
    """Return the least epsilon at which mu-Gaussian privacy has this delta; infinite at 0.

    Dong et al. 2019, corollary 2.13: delta = Phi(-e / mu + mu / 2) - exp(e) Phi(-e / mu - mu / 2).
    """

    def excess(epsilon: float) -> float:
        near, far = -epsilon / mu + mu / 2, -epsilon / mu - mu / 2
        return float(norm.cdf(near) - math.exp(epsilon + norm.logcdf(far))) - delta

    if mu == 0 or excess(0.0) <= 0:
        return 0.0
    if delta == 0:
        return math.inf
    most = mu * (mu / 2 + float(norm.isf(delta)))  # the first term alone is delta there
    return float(brentq(excess, 0.0, most)) if excess(most) < 0 else most


def _epsilon_of_pairs(members: Floats, others: Floats, delta: float, seed: int) -> float:
    """Return the largest bound over the shares guessed, with Bonferroni's correction."""
    number = min(len(members), len(others), MOST_PAIRS)
    random = np.random.default_rng(seed)
    lead_P = random.permutation(members)[:number] - random.permutation(others)[:number]
    coin_P = random.random(number) < 0.5  # equal scores are guessed by a coin
    surest_P = lead_P[np.argsort(-np.abs(lead_P), kind="stable")]
    is_right_P = (surest_P > 0) | ((surest_P == 0) & coin_P)
    level = (1 - LEVEL) / len(GUESSED_SHARES)
    return max(
        one_run_epsilon(number, guessed, int(is_right_P[:guessed].sum()), delta, level=level)
        for guessed in (max(1, round(share * number)) for share in GUESSED_SHARES)
    )


def one_run_epsilon(
    num_coins: int, num_guesses: int, num_right: int, delta: float, *, level: float = 1 - LEVEL
) -> float:
    """Return the largest epsilon that so many right guesses of coins refute, or 0.

    ``num_guesses`` of the ``num_coins`` are guessed, the rest passed over; a true epsilon is
    refuted with chance ``level`` at most.
    """

    def kept(epsilon: float) -> float:
        return one_run_p_value(num_coins, num_guesses, num_right, epsilon, delta) - level

    if kept(0.0) >= 0:
        return 0.0
    return float(brentq(kept, 0.0, MOST_EPSILON)) if kept(MOST_EPSILON) > 0 else MOST_EPSILON


def one_run_p_value(
    num_coins: int, num_guesses: int, num_right: int, epsilon: float, delta: float
) -> float:
    """Return the most that so many right guesses or more can be likely under (epsilon, delta).

    Steinke et al. 2023, appendix D: beta + 2 m delta alpha. beta is the chance that a binomial of r
    guesses, each right with chance 1 / (1 + exp(-epsilon)), reaches the v that are right; alpha is
    the largest of its chances to lie from v - i to v - 1, each divided by i.
    """
    accuracy = 1 / (1 + math.exp(-epsilon))
    short = np.arange(1, num_right + 1)
    beta = float(binom.sf(num_right - 1, num_guesses, accuracy))
    nearly = binom.sf(num_right - 1 - short, num_guesses, accuracy) - beta
    alpha = float((nearly / short).max(initial=0.0))
    return min(1.0, beta + 2 * num_coins * delta * alpha)
