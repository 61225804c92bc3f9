"""Measure extraction: ranked samples, greedy continuations, and (n, p)-discoverable sequences.

Rankings of samples, and how many of the first are training data: Carlini et al. 2021 (arXiv
2012.07805), section 5, with six rankings and the first 100 of each. They are read from what measure
`generation` stores.

Extraction rates have intervals, and a part that held-out text explains. A sequence is extracted if
the greedy continuation of its prefix equals the rest of it exactly (Carlini et al. 2022, arXiv
2202.07646). Text that can be guessed is extracted too: the held-out rate is what a model reaches
without having seen the sequence.

(n, p)-discoverable extraction asks how probably n samples hold the suffix, given ln p of one sample
(Hayes et al. 2024, arXiv 2410.19482). Everything stays in logarithms, because the probability of 50
tokens in one sample easily underflows.
Shapes: N samples of one drawing, or N sequences.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import difference, rate
from rote.scores.documents import Floats
from rote.scores.likelihood import lowercase, ratio_of_nats

PREFIX = "generation."  # prefix of the measure's arrays in a run's file
REFERENCE, NATS = "reference_", "_nats"
NUM_TAKEN = 100  # first samples of each ranking, as in the paper
MAX_ERRORS = 100


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What was found by following a ranking until too many guesses were wrong."""

    num_right: int  # distinct targets; a target guessed twice counts once
    num_wrong: int  # guesses, including the last error
    num_targets: int

    @property
    def share(self) -> float:
        """Targets found over all targets."""
        return self.num_right / self.num_targets


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """The distinct samples of one drawing in one order."""

    precision: Rate  # among the first NUM_TAKEN, or all if there are fewer
    precision_in_heldout: Rate  # the same for the control: guessable text
    recall: Recall | None  # before error number MAX_ERRORS; None if nothing is training data


@dataclass(frozen=True, kw_only=True)
class Generated:
    """The distinct samples of one drawing, in the order in which they were drawn."""

    rows_N: NDArray[np.int64]  # their indices among all samples
    documents_N: NDArray[np.int64]  # k: training documents that hold it; 0 if not memorised
    heldout_documents_N: NDArray[np.int64]
    rankings: Mapping[str, Floats]  # higher = likelier training data

    @property
    def is_memorised_N(self) -> NDArray[np.bool_]:
        """Whether the training data hold a piece of the sample verbatim."""
        return self.documents_N > 0

    @property
    def memorised(self) -> Rate:
        """Share of samples that hold a piece of the training data."""
        return rate(int(self.is_memorised_N.sum()), len(self.rows_N))

    @property
    def memorised_in_heldout(self) -> Rate:
        """The control: share of samples with a piece of held-out data, which can be guessed."""
        return rate(int((self.heldout_documents_N > 0).sum()), len(self.rows_N))

    def num_eidetic(self, most_documents: int) -> int:
        """Count k-eidetic memorised samples: at most k documents hold what they repeat."""
        return int((self.is_memorised_N & (self.documents_N <= most_documents)).sum())

    def first(self, ranking: str, number: int = NUM_TAKEN) -> NDArray[np.int64]:
        """Return the sample rows in ranking order; among equals those not memorised come first."""
        return self.rows_N[self._order(ranking, self.is_memorised_N)[:number]]

    def ranked(self, ranking: str) -> Ranked:
        """Return the precision and recall of one ranking."""
        memorised_N, guessed_N = self.is_memorised_N, self.heldout_documents_N > 0
        num_memorised = int(memorised_N.sum())
        recall = None
        if num_memorised:
            recall = recall_at_errors(
                self.rankings[ranking],
                memorised_N,
                num_targets=num_memorised,
                max_errors=MAX_ERRORS,
            )
        return Ranked(
            precision=self._precision(ranking, memorised_N),
            precision_in_heldout=self._precision(ranking, guessed_N),
            recall=recall,
        )

    def _precision(self, ranking: str, is_right_N: NDArray[np.bool_]) -> Rate:
        taken = is_right_N[self._order(ranking, is_right_N)[:NUM_TAKEN]]
        return rate(int(taken.sum()), len(taken))

    def _order(self, ranking: str, is_right_N: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Sort highest first; among equal scores wrong ones come first."""
        return np.lexsort((is_right_N, -self.rankings[ranking]))


def generated(arrays: Mapping[str, NDArray[np.generic]], drawing: str) -> Generated:
    """Read one drawing from a run's arrays; raises ValueError with the choices if it is absent."""
    start = f"{PREFIX}{drawing}_"
    if f"{start}is_distinct" not in arrays:
        raise ValueError(f"no drawing {drawing!r} in these arrays, only {drawings_in(arrays)}")
    pieces = {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }
    rows_N = np.flatnonzero(pieces["is_distinct"])
    kept = {name: np.asarray(piece)[rows_N] for name, piece in pieces.items()}
    return Generated(
        rows_N=rows_N,
        documents_N=kept["documents"].astype(np.int64),
        heldout_documents_N=kept["heldout_documents"].astype(np.int64),
        rankings=_rankings(kept),
    )


def drawings_in(arrays: Mapping[str, NDArray[np.generic]]) -> list[str]:
    """Return the drawings' names, in the order in which they were drawn."""
    end = "_is_distinct"
    names = [name for name in arrays if name.startswith(PREFIX) and name.endswith(end)]
    return [name.removeprefix(PREFIX).removesuffix(end) for name in names]


def _rankings(pieces: Mapping[str, NDArray[np.generic]]) -> dict[str, Floats]:
    """Return the paper's rankings; ``perplexity`` is minus the logarithm of the paper's.

    The paper's perplexity is that of the mean loss, and all samples have equally many tokens.
    ``window`` is a sum over equally many tokens for each.
    """
    values = {name: np.asarray(piece, dtype=np.float64) for name, piece in pieces.items()}
    num_tokens = pieces["tokens"].shape[1]
    nats_N = values["nats"] / num_tokens
    rankings = {"perplexity": -nats_N, "window": -values["window_nats"]}
    if "zlib_bytes" in values:
        rankings["zlib"] = -nats_N / values["zlib_bytes"]
        lowercase_N = values["lowercase_nats"] / np.maximum(1, values["lowercase_tokens"])
        rankings["lowercase"] = lowercase(nats_N, lowercase_N)
    for name, reference_N in values.items():
        if name.startswith(REFERENCE):
            rankings[name.removesuffix(NATS)] = ratio_of_nats(reference_N / num_tokens, nats_N)
    return rankings


def recall_at_errors(
    scores: ArrayLike,
    is_right: ArrayLike,
    *,
    num_targets: int,
    max_errors: int = 100,
    targets: ArrayLike | None = None,
) -> Recall:
    """Count right guesses from the highest score down to error number ``max_errors``.

    The rule of the Training Data Extraction Challenge (google-research/lm-extraction-benchmark,
    ``score_submission.py``): a right guess counts while fewer errors than that precede it, and a
    target counts once however often it is guessed. ``targets`` names each guess's target; None: all
    targets differ. All are [N]. Among equal scores wrong guesses come first. Raises ValueError for
    scores that cannot be ranked, for more right targets than there are, and if no error is allowed.
    """
    scores_N, right_N = np.asarray(scores, dtype=np.float64), np.asarray(is_right, dtype=np.bool_)
    targets_N = np.arange(len(right_N)) if targets is None else np.asarray(targets)
    if scores_N.shape != right_N.shape or np.isnan(scores_N).any():
        raise ValueError("every guess needs a score that is a number, and whether it is right")
    if targets_N.shape != right_N.shape:
        raise ValueError(f"{len(right_N)} guesses, and targets of shape {targets_N.shape}")
    if (num_found := len(np.unique(targets_N[right_N]))) > num_targets or num_targets < 1:
        raise ValueError(f"guesses are right of {num_found} targets, and there are {num_targets}")
    if max_errors < 1:
        raise ValueError(f"a recall needs an error that ends it, got max_errors={max_errors}")
    order_N = np.lexsort((right_N, -scores_N))
    right_N, targets_N = right_N[order_N], targets_N[order_N]
    before_N = np.cumsum(~right_N) < max_errors
    return Recall(
        num_right=len(np.unique(targets_N[right_N & before_N])),
        num_wrong=min(max_errors, int((~right_N).sum())),
        num_targets=num_targets,
    )


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Rates of one run, or of runs that differ only in their seed, for one prefix length."""

    prefix_tokens: int
    train: Rate
    heldout: Rate

    @property
    def excess(self) -> Estimate:
        """The train rate minus the held-out rate: the part that only training explains."""
        return difference(self.train, self.heldout)

    @property
    def explained_by_heldout(self) -> float | None:
        """The share of the train rate that held-out text reaches too; None if it is 0 of 0."""
        if not self.train.successes:
            return None
        return min(1.0, self.heldout.value / self.train.value)


# Below it p is less than half of float64's resolution at 1, so that -ln(1 - p) is p.
TINY_LOG = -37.0
ROUNDING = 1e-9  # relative: so little above a whole number of samples rounds to it


def probability_within(log_p_N: ArrayLike, num_samples: float) -> Floats:
    """Return 1 - (1 - p)^n, as -expm1(n log1p(-p)); raises ValueError for ln p > 0 or n < 0."""
    if not num_samples >= 0:
        raise ValueError(f"a number of samples must be from 0 up, got {num_samples}")
    with np.errstate(divide="ignore"):
        log_number = np.log(np.float64(num_samples))
    return -np.expm1(-np.exp(log_number + _log_hazard(log_p_N)))


def log_samples_needed(log_p_N: ArrayLike, probability: float) -> Floats:
    """Return ln of the least real n for which `probability_within` is ``probability``.

    Infinite if p is 0. Raises ValueError for ln p above 0, or a probability not within (0, 1).
    """
    if not 0 < probability < 1:
        raise ValueError(f"a probability to reach must be between 0 and 1, got {probability}")
    return math.log(-math.log1p(-probability)) - _log_hazard(log_p_N)


def samples_needed(log_p_N: ArrayLike, probability: float) -> Floats:
    """Return whole numbers of samples, at least 1; infinite beyond the range of float64."""
    with np.errstate(over="ignore"):
        exact_N = np.exp(log_samples_needed(log_p_N, probability))
    return np.maximum(1.0, np.ceil(exact_N * (1 - ROUNDING)))


def num_extractable(log_p_N: ArrayLike, num_samples: float, probability: float) -> int:
    """Return how many sequences are (n, p)-discoverable; divide by N for the rate."""
    return int((samples_needed(log_p_N, probability) <= num_samples).sum())


def _log_hazard(log_p_N: ArrayLike) -> Floats:
    """Return ln(-ln(1 - p))."""
    logs = np.asarray(log_p_N, dtype=np.float64)
    if not np.all(logs <= 0):  # also catches NaN
        raise ValueError("ln p must be 0 or below for every sequence")
    with np.errstate(divide="ignore"):
        exact = np.log(-np.log1p(-np.exp(logs)))
    return np.where(logs < TINY_LOG, logs, exact)
