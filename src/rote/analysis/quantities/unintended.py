"""Compute unintended memorisation of each sample, and text properties that may explain it.

    mem_U(x) = H(x | reference) - H(x | reference, target),    H = -log2 p of the whole sequence

Morris et al. 2025 (arXiv 2505.24832), section 2, from the code lengths of two runs. The joint code
length is that of the better model (max code, which is not normalised) or of an equal mixture of
both, at most one bit longer.

TF-IDF is as in section 4 of that paper, with natural logarithms:

    TF-IDF(d; D) = 1/|d| * sum over words w of d of log(|D| / tf(w, D))

where the text has |d| words, the collection |D| texts, and w occurs tf(w, D) times in all of them.
It is large for texts of rare words, negative for words that occur more than once per text.
Shapes: N sequences as trained on, M samples, each once.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import bounded_mean
from rote.core.arrays import Arrays, Flags, Floats, Ints

LEAST_BITS = 2.0**-20  # least code length assumed for the worst sample, so that a range has a width


@dataclass(frozen=True, kw_only=True)
class CodeLengths:
    """Code lengths of samples under one run, each once, in the order of their ids."""

    origin: str  # what sample ids index: ids name the same texts only if origins are equal
    sample_ids: Ints  # [M], ascending
    code_bits: Floats  # [M]
    occurrences: Ints  # [M], times in the run's own training set; 0 if never seen


@dataclass(frozen=True, kw_only=True)
class Unintended:
    """A target's samples under a reference; all arrays are [M] in the same order."""

    sample_ids: Ints
    target_bits: Floats
    reference_bits: Floats
    occurrences: Ints  # times in the target's training set
    in_reference: Flags  # the reference was trained on the sample too
    num_unpaired: int  # samples of the target that the reference did not score

    @property
    def max_code_bits(self) -> Floats:
        """mem_U by the max code, >= 0."""
        return max_code_bits(self.target_bits, self.reference_bits)

    @property
    def mixture_code_bits(self) -> Floats:
        """mem_U by the mixture code: at most one bit per sample below the max code's."""
        return mixture_code_bits(self.target_bits, self.reference_bits)

    def totals(self) -> dict[str, float | int]:
        """Return sums, counts, and one interval; repeated samples count once."""
        low_bits, high_bits = mean_max_code(self.max_code_bits, self.reference_bits).ends
        return {
            "max_code_low_bits": low_bits * len(self.sample_ids),
            "max_code_high_bits": high_bits * len(self.sample_ids),
            "max_code_bits": float(self.max_code_bits.sum()),
            "mixture_code_bits": float(self.mixture_code_bits.sum()),
            "target_bits": float(self.target_bits.sum()),
            "reference_bits": float(self.reference_bits.sum()),
            "samples": len(self.sample_ids),
            "samples_in_reference": int(self.in_reference.sum()),
            "samples_unpaired": self.num_unpaired,
            "samples_memorised": int((self.max_code_bits > 0).sum()),
        }


def max_code_bits(target_bits: ArrayLike, reference_bits: ArrayLike) -> Floats:
    """Return mem_U with the shorter of the two codes as the joint code."""
    difference_bits = np.asarray(reference_bits, np.float64) - np.asarray(target_bits, np.float64)
    return np.maximum(0.0, difference_bits)


def mean_max_code(max_code_bits_M: Floats, reference_bits_M: ArrayLike) -> Estimate:
    """Return the mean of mem_U by the max code, bits per sample, over other draws of samples.

    mem_U is 0 for many samples and at most the reference's code length: if 80 % of 20 samples are
    0, Student's t held the mean in 81 % of draws.
    """
    most = float(np.max(reference_bits_M))
    return bounded_mean(max_code_bits_M, least=0.0, most=max(most, LEAST_BITS))


def mixture_code_bits(target_bits: ArrayLike, reference_bits: ArrayLike) -> Floats:
    """Return mem_U with an equal mixture as the joint code: in [max - 1, max] bits, > -1."""
    target, reference = np.asarray(target_bits, np.float64), np.asarray(reference_bits, np.float64)
    return reference - (1.0 - np.logaddexp2(-reference, -target))


def trained_samples(arrays: Arrays, origin: str) -> CodeLengths:
    """Return the run's training set, from its ``cost.train_*`` arrays."""
    return _samples(arrays, "cost.train_", origin)


def heldout_samples(arrays: Arrays, origin: str) -> CodeLengths:
    """Return samples that no run was trained on, from the ``cost.heldout_*`` arrays."""
    return _samples(arrays, "cost.heldout_", origin)


def scored_samples(arrays: Arrays, origin: str) -> CodeLengths:
    """Return every train-pool sample for which the run can serve as a reference."""
    trained = trained_samples(arrays, origin)
    if "superset.sample_ids" not in arrays:
        return trained
    scored = _samples(arrays, "superset.", origin)
    both_ids = np.concatenate([trained.sample_ids, scored.sample_ids])
    sample_ids, first = np.unique(both_ids, return_index=True)  # its training set comes first
    return CodeLengths(
        origin=origin,
        sample_ids=sample_ids,
        code_bits=np.concatenate([trained.code_bits, scored.code_bits])[first],
        occurrences=np.concatenate([trained.occurrences, scored.occurrences])[first],
    )


def pair(target: CodeLengths, reference: CodeLengths) -> Unintended:
    """Match the target's samples with the reference's, by sample id.

    Raises ValueError if ids mean different texts, or the two runs share no sample.
    """
    if target.origin != reference.origin:
        raise ValueError(
            f"mem_U pairs runs of one corpus and one split, got {target.origin} and "
            f"{reference.origin}"
        )
    common, of_target, of_reference = np.intersect1d(
        target.sample_ids, reference.sample_ids, assume_unique=True, return_indices=True
    )
    if not len(common):
        raise ValueError("the reference scored none of the target's samples: add measure superset")
    return Unintended(
        sample_ids=common,
        target_bits=target.code_bits[of_target],
        reference_bits=reference.code_bits[of_reference],
        occurrences=target.occurrences[of_target],
        in_reference=reference.occurrences[of_reference] > 0,
        num_unpaired=len(target.sample_ids) - len(common),
    )


def _samples(arrays: Arrays, prefix: str, origin: str) -> CodeLengths:
    sample_ids, first, counts = np.unique(
        arrays[f"{prefix}sample_ids"], return_index=True, return_counts=True
    )
    is_trained = prefix == "cost.train_"
    return CodeLengths(
        origin=origin,
        sample_ids=sample_ids,
        code_bits=arrays[f"{prefix}code_bits"][first].astype(np.float64),
        occurrences=counts if is_trained else np.zeros_like(counts),
    )


WORD = re.compile(r"\w+|[^\w\s]")  # runs of letters, digits and underscores; every other sign alone
CODE_SIGNS = frozenset("{}[]()<>=_;:/\\|&*+#@$%^~`\"'")
COMMON_SHARE = 0.99  # share of all tokens: the tokens beyond it are called rare
ZLIB_LEVEL = 9


def words(text: str) -> list[str]:
    """Return lower-cased words and single signs; a window may begin or end inside a word."""
    return WORD.findall(text.lower())


def term_frequencies(texts: Iterable[str]) -> Counter[str]:
    """Return tf(w, D) of every word."""
    return Counter(word for text in texts for word in words(text))


def tf_idf(text: str, frequencies: Counter[str], num_texts: int) -> float:
    """Return (1 / |d|) sum over words of ln(|D| / tf(w, D)), nats a word (Morris et al. 2025).

    The text is one of the ``num_texts`` texts of the collection; 0 for a text without words.
    """
    found = words(text)
    if not found:
        return 0.0
    return sum(float(np.log(num_texts / frequencies[word])) for word in found) / len(found)


def character_shares(text: str) -> dict[str, float]:
    """Return the shares of character classes, a coarse look at script and code."""
    count = max(1, len(text))
    return {
        "non_ascii_share": sum(not sign.isascii() for sign in text) / count,
        "digit_share": sum(sign.isdigit() for sign in text) / count,
        "code_sign_share": sum(sign in CODE_SIGNS for sign in text) / count,
    }


def rare_token_shares(tokens_NL: Ints, counts_V: Ints) -> Floats:
    """Return each window's share of tokens outside the commonest that make up 99 % of all, [N]."""
    order = np.argsort(-counts_V, kind="stable")
    before = np.cumsum(counts_V[order]) - counts_V[order]
    is_rare_V = np.empty(len(counts_V), dtype=bool)
    is_rare_V[order] = before >= COMMON_SHARE * counts_V.sum()
    return is_rare_V[tokens_NL].mean(axis=1)


def covariates_of(
    texts: Sequence[str],
    tokens_NL: Ints,
    *,
    frequencies: Counter[str],
    num_texts: int,
    token_counts_V: Ints,
) -> dict[str, Floats]:
    """Return each covariate, [N]; word and token counts are those of the collection."""
    shares, raws = [character_shares(text) for text in texts], [text.encode() for text in texts]
    return {
        "tf_idf": np.array([tf_idf(text, frequencies, num_texts) for text in texts]),
        "compressed_bytes": np.array([len(zlib.compress(raw, ZLIB_LEVEL)) for raw in raws], float),
        "text_bytes": np.array([len(raw) for raw in raws], float),
        "rare_token_share": rare_token_shares(tokens_NL, token_counts_V),
        **{name: np.array([each[name] for each in shares]) for name in character_shares("")},
    }
