"""Describe what a run remembers: its samples ordered by mem_U, their text, and covariates."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import rank_correlation
from rote.analysis.quantities.references import Pairing
from rote.analysis.quantities.unintended import Unintended, covariates_of, term_frequencies
from rote.analysis.results import Corpus, Results
from rote.analysis.table import Row
from rote.core.arrays import Arrays, Floats, Ints

SHOWN_CHARACTERS = 160  # longest text shown of a sample
NUM_EXTREMES = 12  # samples listed at each end
MAX_CORRELATED = 10_000  # samples, drawn at random, because their texts are read in full
FEWEST_CORRELATED = 10  # samples: with fewer, a rank correlation says nothing
SHOWN = (
    "target_bits", "reference_bits", "max_code_bits", "mixture_code_bits", "occurrences",
    "in_reference",
)  # fmt: skip
WINDOWS_AT_ONCE = 20_000  # while words are counted
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """One run under one reference; arrays are of samples with mem_U > 0, [n]."""

    series: str
    name: str  # unique within a report
    run_id: str
    reference: str  # "oracle" or "same_size"
    reference_id: str
    most: list[Row]  # samples, descending mem_U
    least: list[Row]  # ascending reference bits minus target bits
    covariates: Mapping[str, Floats]
    mem_u_bits: Floats
    correlations: Mapping[str, Estimate | None]


def name_of(run: Mapping[str, Any]) -> str:
    """Name a run (a row of the table), uniquely within a report."""
    return f"{run['series']}, N = {run['task.num_sequences']:,}, seed {run['seed']}"


def remembered(
    results: Results, pairing: Pairing, corpus: Corpus, runs: Iterable[Row]
) -> Iterator[Remembered]:
    """Describe runs on the corpus, each under its oracle, or else the same size.

    Words and tokens are counted in all of the train pool that the reference scored.
    """
    collections: dict[str, dict[str, Any]] = {}
    for run in runs:
        reference = "oracle" if run["oracle.run_id"] else "same_size"
        reference_id = run[f"{reference}.run_id"]
        if reference_id not in collections:
            collections[reference_id] = _counted(corpus, pairing.scored(reference_id).sample_ids)
        paired = pairing.unintended(run["run_id"], reference_id)
        order = np.argsort(paired.target_bits - paired.reference_bits, kind="stable")
        chosen = _chosen(np.flatnonzero(paired.max_code_bits > 0))
        ids = paired.sample_ids[chosen]
        made = covariates_of(corpus.text(ids), corpus.tokens(ids), **collections[reference_id])
        made["reference_bits"] = paired.reference_bits[chosen]
        bits = paired.max_code_bits[chosen]
        arrays = results.folders[run["run_id"]].arrays()
        is_enough = len(bits) >= FEWEST_CORRELATED
        yield Remembered(
            series=run["series"],
            name=name_of(run),
            run_id=run["run_id"],
            reference=reference,
            reference_id=reference_id,
            most=_samples(corpus, paired, order[:NUM_EXTREMES], arrays),
            least=_samples(corpus, paired, order[::-1][:NUM_EXTREMES], arrays),
            covariates=made,
            mem_u_bits=bits,
            correlations={
                name: rank_correlation(each, bits) if is_enough else None
                for name, each in made.items()
            },
        )


def _chosen(memorised: Ints) -> Ints:
    if len(memorised) <= MAX_CORRELATED:
        return memorised
    drawn = np.random.default_rng(SEED).choice(memorised, MAX_CORRELATED, replace=False)
    return np.sort(drawn)


def _counted(corpus: Corpus, sample_ids: Ints) -> dict[str, Any]:
    """Return the counts of a collection of texts for `covariates_of`."""
    frequencies: Counter[str] = Counter()
    token_counts_V = np.zeros(corpus.vocab_size, dtype=np.int64)
    for start in range(0, len(sample_ids), WINDOWS_AT_ONCE):
        ids = sample_ids[start : start + WINDOWS_AT_ONCE]
        frequencies.update(term_frequencies(corpus.text(ids)))
        token_counts_V += np.bincount(corpus.tokens(ids).ravel(), minlength=corpus.vocab_size)
    return {
        "frequencies": frequencies, "num_texts": len(sample_ids), "token_counts_V": token_counts_V,
    }  # fmt: skip


def _samples(corpus: Corpus, paired: Unintended, indices: Ints, arrays: Arrays) -> list[Row]:
    ids = paired.sample_ids[indices]
    columns = {name: getattr(paired, name) for name in SHOWN}
    return [
        {
            "sample_id": int(sample_id), "text": shortened(text),
            "extracted": _extracted(int(sample_id), arrays),
            **{name: column[index].item() for name, column in columns.items()},
        }
        for index, sample_id, text in zip(indices, ids, corpus.text(ids), strict=True)
    ]  # fmt: skip


def shortened(text: str) -> str:
    """Put text on one line, with invisible signs escaped, cut at `SHOWN_CHARACTERS`."""
    seen = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )
    return seen if len(seen) <= SHOWN_CHARACTERS else seen[: SHOWN_CHARACTERS - 3] + "..."


def _extracted(sample_id: int, arrays: Arrays) -> str:
    prefix = "extraction.train_extracted_"
    tried = arrays.get("extraction.train_sample_ids")
    if tried is None or not len(places := np.flatnonzero(tried == sample_id)):
        return "not tried"
    lengths = sorted(int(name[len(prefix) :]) for name in arrays if name.startswith(prefix))
    done = [str(tokens) for tokens in lengths if arrays[f"{prefix}{tokens}"][places[0]]]
    return ", ".join(done) or "no"
