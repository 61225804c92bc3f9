"""Name the scores of a page with their sources, and compute how many documents certainty takes.

Enough documents narrow an interval, exclude chance or bound a rate. An interval's width falls with
the square root of the number of documents of the same kind. Numbers are of one set, both halves
together.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from rote.analysis.audit.verdicts import CHANCE
from rote.analysis.estimate import LEVEL, Estimate
from rote.analysis.quantities.membership import FALSE_POSITIVE_RATES, controls_needed


class ScoreName(NamedTuple):
    """A score in words."""

    name: str
    meaning: str
    source: str


SCORES = {
    name: ScoreName(*words)
    for name, *words in (
        ("loss", "Loss", "mean log-likelihood of a token", "Yeom et al. 2018, arXiv 1709.01604"),
        ("zlib", "zlib", "mean log-likelihood of a token over compressed bytes",
         "Carlini et al. 2021, arXiv 2012.07805"),
        ("min_k", "Min-K%", "mean of the least likely 20 % of tokens",
         "Shi et al. 2023, arXiv 2310.16789"),
        ("min_k_plus_plus", "Min-K%++", "the same of standardised log-probabilities",
         "Zhang et al. 2024, arXiv 2404.02936"),
        ("dc_pdd", "DC-PDD", "mean probability of different tokens, weighted by their rarity",
         "Zhang et al. 2024, arXiv 2409.14781"),
        ("lowercase", "Lower case", "log-perplexity in lower case over its own",
         "Carlini et al. 2021, arXiv 2012.07805"),
        ("recall", "ReCaLL", "log-likelihood behind non-members over its own",
         "Xie et al. 2024, arXiv 2406.15968"),
        ("neighbourhood", "Neighbourhood, drawn tokens",
         "loss of neighbours, tokens drawn anew, less its own",
         "after Mattern et al. 2023, arXiv 2305.18462"),
        ("gradient_norm", "Gradient norm", "minus the norm of the loss's gradient",
         "Nasr et al. 2019, arXiv 1812.00910"),
        ("reference", "Reference", "mean log-likelihood of a token less that under the reference",
         "Watson et al. 2022, arXiv 2111.08440"),
        ("ez", "EZ-MIA", "upward over downward shifts of ln p where greedy decoding errs",
         "Ilic et al. 2026, arXiv 2601.12104"),
        ("wbc", "WBC", "share of windows likelier than under the reference",
         "Chen et al. 2026, arXiv 2601.02751"),
        ("quantile", "Quantile", "log-likelihood above the 95 % quantile of non-members like it",
         "Bertran et al. 2023, arXiv 2307.03694"),
        ("rmia", "RMIA", "share of a population that it exceeds, offline",
         "Zarifzadeh et al. 2024, arXiv 2312.03262"),
        ("lira", "LiRA", "confidence against the references', offline, one variance",
         "Carlini et al. 2022, arXiv 2112.03570"),
    )
}  # fmt: skip
EXTRACTION = "extraction"


def named(score: str, facts: Mapping[str, Any]) -> ScoreName:
    """Name a score, one of several references, or extraction, which is skipped by that name."""
    if score == EXTRACTION:
        return ScoreName("Extraction", "", "")
    if score in SCORES:
        return SCORES[score]
    models = {each["score"]: each["name"] for each in facts["references"]}
    return SCORES["reference"]._replace(name=f"Reference {models[score]}")


NARROW = 0.01  # half the width of an AUROC's interval
BOUND = 0.001  # a rate of extraction
HALVES = 2


def to_narrow(estimate: Estimate, num_judged: int, *, reach: float = NARROW) -> int:
    """Return the documents needed until the interval reaches ``reach`` on each side."""
    low, high = estimate.ends
    half_width = (high - low) / 2
    return HALVES * math.ceil(num_judged * (half_width / reach) ** 2)


def to_exclude_chance(estimate: Estimate, num_judged: int) -> int | None:
    """Return the documents needed to exclude chance, if the effect is as large as measured.

    None if the effect is not above chance: no number of documents then excludes it.
    """
    effect = estimate.value - CHANCE
    return to_narrow(estimate, num_judged, reach=effect) if effect > 0 else None


def to_bound() -> int:
    """Return the documents, none extracted, that bound the exact interval below `BOUND`."""
    return math.ceil(math.log((1 - LEVEL) / 2) / math.log1p(-BOUND))


def controls_missing(num_nonmembers: int) -> int:
    """Return the non-members missing for the lowest false-positive rate; 0 if there are enough."""
    return max(0, controls_needed(min(FALSE_POSITIVE_RATES)) - num_nonmembers)
