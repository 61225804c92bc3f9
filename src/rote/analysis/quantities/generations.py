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

PREFIX, END = "generation.", "_is_distinct"  # around a drawing's name in a run's arrays
REFERENCE, NATS = "reference_", "_nats"
NUM_TAKEN = 100  # first samples of each ranking, as in the paper
MAX_ERRORS = 100
NUM_SAMPLES, PROBABILITY = (1, 10, 100, 1000), 0.5  # of (n, p)-discoverable sequences in reports


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """The distinct samples of one drawing in one order; among equal scores wrong ones come first.

    ``num_found`` follows the Training Data Extraction Challenge (google-research/
    lm-extraction-benchmark, ``score_submission.py``): a right guess counts while fewer than
    MAX_ERRORS errors precede it.
    """

    precision: Rate  # among the first NUM_TAKEN, or all if there are fewer
    precision_in_heldout: Rate  # the same for the control: guessable text
    num_found: int  # memorised samples before error number MAX_ERRORS
    num_memorised: int

    @property
    def recall(self) -> float | None:
        """Samples found over all that are memorised; None if there is none."""
        return self.num_found / self.num_memorised if self.num_memorised else None


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

    def ranked(self, ranking: str) -> Ranked:
        """Return the precision and recall of one ranking."""
        right_N = self._in_order(ranking, self.is_memorised_N)
        guessed_N = self._in_order(ranking, self.heldout_documents_N > 0)
        return Ranked(
            precision=_of_first(right_N),
            precision_in_heldout=_of_first(guessed_N),
            num_found=int((right_N & (np.cumsum(~right_N) < MAX_ERRORS)).sum()),
            num_memorised=int(right_N.sum()),
        )

    def _in_order(self, ranking: str, is_right_N: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return is_right_N[np.lexsort((is_right_N, -self.rankings[ranking]))]


def _of_first(is_right_N: NDArray[np.bool_]) -> Rate:
    taken = is_right_N[:NUM_TAKEN]
    return rate(int(taken.sum()), len(taken))


def generated(arrays: Mapping[str, NDArray[np.generic]], drawing: str) -> Generated:
    """Read one of `drawings_in` a run's arrays."""
    start = f"{PREFIX}{drawing}_"
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
    names = [name for name in arrays if name.startswith(PREFIX) and name.endswith(END)]
    return [name.removeprefix(PREFIX).removesuffix(END) for name in names]


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


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Rates of one run, or of runs that differ only in their seed, for one prefix length."""

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
ROUNDING = 1e-9  # relative: as many samples as that are enough, up to rounding


def num_extractable(log_p_N: ArrayLike, num_samples: float, probability: float) -> int:
    """Count sequences that n samples hold with this probability: 1 - (1 - p)^n reaches it.

    Divide by N for the rate. Raises ValueError for ln p above 0, a number of samples that is not
    above 0, or a probability not within (0, 1).
    """
    if not 0 < probability < 1:
        raise ValueError(f"a probability to reach must be between 0 and 1, got {probability}")
    if not num_samples > 0:
        raise ValueError(f"a number of samples must be above 0, got {num_samples}")
    log_needed_N = math.log(-math.log1p(-probability)) - _log_hazard(log_p_N)
    return int((log_needed_N <= math.log(num_samples) + ROUNDING).sum())


def rates_in_samples(log_p_N: ArrayLike) -> dict[str, Rate]:
    """Return the share of sequences that n samples hold with `PROBABILITY`, as "in 10" for n."""
    logs = np.asarray(log_p_N)
    return {
        f"in {number}": rate(num_extractable(logs, number, PROBABILITY), len(logs))
        for number in NUM_SAMPLES
    }


def _log_hazard(log_p_N: ArrayLike) -> Floats:
    """Return ln(-ln(1 - p))."""
    logs = np.asarray(log_p_N, dtype=np.float64)
    if not np.all(logs <= 0):  # also catches NaN
        raise ValueError("ln p must be 0 or below for every sequence")
    with np.errstate(divide="ignore"):
        exact = np.log(-np.log1p(-np.exp(logs)))
    return np.where(logs < TINY_LOG, logs, exact)
