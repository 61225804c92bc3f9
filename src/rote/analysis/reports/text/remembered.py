"""What one run remembers: its samples ordered by mem_U, their text, and what goes with it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.analysis.estimate import Estimate
from rote.analysis.pairing import Pairing
from rote.analysis.quantities.covariates import covariates_of, rank_correlation, term_frequencies
from rote.analysis.quantities.unintended import Unintended
from rote.analysis.results import Corpus, Results

NUM_EXTREMES = 12  # samples listed at each end
MAX_CORRELATED = 10_000  # samples, drawn at random: their texts are read whole
WINDOWS_AT_ONCE = 20_000  # while words are counted
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One window of text."""

    sample_id: int
    text: str
    target_bits: float
    reference_bits: float
    max_code_bits: float
    mixture_code_bits: float
    occurrences: int
    in_reference: bool
    extracted: Mapping[int, bool] | None  # by prefix tokens; None where it was not tried


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """One run under one reference; arrays are of samples with mem_U > 0, [n]."""

    series: str
    run_id: str
    num_sequences: int
    reference: str  # "oracle" or "same_size"
    reference_id: str
    most: tuple[Sample, ...]  # descending mem_U
    least: tuple[Sample, ...]  # ascending reference bits less target bits
    covariates: Mapping[str, NDArray[np.float64]]
    mem_u_bits: NDArray[np.float64]
    correlations: Mapping[str, Estimate | None]

    @property
    def name(self) -> str:
        """Unique within a report."""
        return f"{self.series}, N = {self.num_sequences:,}"


@dataclass(frozen=True, kw_only=True)
class Collection:
    """The texts that words and tokens are counted in."""

    frequencies: Counter[str]  # of words
    token_counts_V: NDArray[np.int64]
    num_texts: int


def remembered(
    results: Results, pairing: Pairing, runs: Sequence[dict[str, Any]]
) -> tuple[Remembered, ...]:
    """Of runs of one corpus, each under its oracle, or the same size where it has no oracle.

    Words are counted in all of the train pool that the reference scored.
    """
    corpus = results.open_corpus(runs[0]["task.corpus"])
    collections: dict[str, Collection] = {}
    found = []
    for run in runs:
        reference_id = run["oracle.run_id"] or run["same_size.run_id"]
        if reference_id not in collections:
            scored = pairing.scored(reference_id)
            collections[reference_id] = _collection(corpus, scored.sample_ids)
        arrays = results.folders[run["run_id"]].arrays()
        found.append(_of_run(pairing, run, corpus, collections[reference_id], arrays))
    return tuple(found)


def _of_run(
    pairing: Pairing,
    run: dict[str, Any],
    corpus: Corpus,
    collection: Collection,
    arrays: Mapping[str, Any],
) -> Remembered:
    reference = "oracle" if run["oracle.run_id"] else "same_size"
    reference_id = run[f"{reference}.run_id"]
    paired = pairing.unintended(run["run_id"], reference_id)
    order = np.argsort(paired.target_bits - paired.reference_bits, kind="stable")
    chosen = _chosen(np.flatnonzero(paired.max_code_bits > 0))
    made = _covariates(corpus, paired, chosen, collection)
    mem_u_bits = paired.max_code_bits[chosen]
    return Remembered(
        series=run["series"],
        run_id=run["run_id"],
        num_sequences=run["task.num_sequences"],
        reference=reference,
        reference_id=reference_id,
        most=_samples(corpus, paired, order[:NUM_EXTREMES], arrays),
        least=_samples(corpus, paired, order[::-1][:NUM_EXTREMES], arrays),
        covariates=made,
        mem_u_bits=mem_u_bits,
        correlations={name: rank_correlation(each, mem_u_bits) for name, each in made.items()},
    )


def _chosen(memorised: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(memorised) <= MAX_CORRELATED:
        return memorised
    drawn = np.random.default_rng(SEED).choice(memorised, MAX_CORRELATED, replace=False)
    return np.sort(drawn)


def _collection(corpus: Corpus, sample_ids: NDArray[np.int64]) -> Collection:
    frequencies: Counter[str] = Counter()
    token_counts_V = np.zeros(corpus.vocab_size, dtype=np.int64)
    for ids in _pieces(sample_ids):
        frequencies.update(term_frequencies(corpus.text(ids)))
        token_counts_V += np.bincount(corpus.tokens(ids).ravel(), minlength=corpus.vocab_size)
    return Collection(
        frequencies=frequencies, token_counts_V=token_counts_V, num_texts=len(sample_ids)
    )


def _covariates(
    corpus: Corpus, paired: Unintended, chosen: NDArray[np.int64], collection: Collection
) -> dict[str, NDArray[np.float64]]:
    ids = paired.sample_ids[chosen]
    made = covariates_of(
        corpus.text(ids),
        corpus.tokens(ids),
        frequencies=collection.frequencies,
        num_texts=collection.num_texts,
        token_counts_V=collection.token_counts_V,
    )
    return {**made, "reference_bits": paired.reference_bits[chosen]}


def _pieces(ids: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(ids), WINDOWS_AT_ONCE):
        yield ids[start : start + WINDOWS_AT_ONCE]


def _samples(
    corpus: Corpus, paired: Unintended, indices: NDArray[np.int64], arrays: Mapping[str, Any]
) -> tuple[Sample, ...]:
    ids = paired.sample_ids[indices]
    max_code_bits, mixture_code_bits = paired.max_code_bits, paired.mixture_code_bits
    return tuple(
        Sample(
            sample_id=int(sample_id),
            text=text,
            target_bits=float(paired.target_bits[index]),
            reference_bits=float(paired.reference_bits[index]),
            max_code_bits=float(max_code_bits[index]),
            mixture_code_bits=float(mixture_code_bits[index]),
            occurrences=int(paired.occurrences[index]),
            in_reference=bool(paired.in_reference[index]),
            extracted=_extracted(int(sample_id), arrays),
        )
        for index, sample_id, text in zip(indices, ids, corpus.text(ids), strict=True)
    )


def _extracted(sample_id: int, arrays: Mapping[str, Any]) -> dict[int, bool] | None:
    prefix = "extraction.train_extracted_"
    tried = arrays.get("extraction.train_sample_ids")
    if tried is None or not len(places := np.flatnonzero(tried == sample_id)):
        return None
    flags = {int(name[len(prefix) :]): name for name in arrays if name.startswith(prefix)}
    return {tokens: bool(arrays[flags[tokens]][places[0]]) for tokens in sorted(flags)}
