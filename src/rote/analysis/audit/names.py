"""What scores are called on a page, and where each comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Named:
    """A score in words."""

    name: str
    meaning: str
    source: str


SCORES = {
    "loss": Named(
        name="Loss",
        meaning="mean log-likelihood of a token",
        source="Yeom et al. 2018, arXiv 1709.01604",
    ),
    "zlib": Named(
        name="zlib",
        meaning="mean log-likelihood of a token over compressed bytes",
        source="Carlini et al. 2021, arXiv 2012.07805",
    ),
    "min_k": Named(
        name="Min-K%",
        meaning="mean of the least likely 20 % of tokens",
        source="Shi et al. 2023, arXiv 2310.16789",
    ),
    "min_k_plus_plus": Named(
        name="Min-K%++",
        meaning="the same of standardised log-probabilities",
        source="Zhang et al. 2024, arXiv 2404.02936",
    ),
    "lowercase": Named(
        name="Lower case",
        meaning="log-perplexity in lower case over its own",
        source="Carlini et al. 2021, arXiv 2012.07805",
    ),
    "recall": Named(
        name="ReCaLL",
        meaning="log-likelihood behind non-members over its own",
        source="Xie et al. 2024, arXiv 2406.15968",
    ),
    "neighbourhood": Named(
        name="Neighbourhood, drawn tokens",
        meaning="loss of neighbours, tokens drawn anew, less its own",
        source="after Mattern et al. 2023, arXiv 2305.18462",
    ),
    "gradient_norm": Named(
        name="Gradient norm",
        meaning="minus the norm of the loss's gradient",
        source="Nasr et al. 2019, arXiv 1812.00910",
    ),
    "reference": Named(
        name="Reference",
        meaning="mean log-likelihood of a token less that under the reference",
        source="Watson et al. 2022, arXiv 2111.08440",
    ),
    "rmia": Named(
        name="RMIA",
        meaning="share of a population that it exceeds, offline",
        source="Zarifzadeh et al. 2024, arXiv 2312.03262",
    ),
    "lira": Named(
        name="LiRA",
        meaning="confidence against the references', offline, one variance",
        source="Carlini et al. 2022, arXiv 2112.03570",
    ),
}
EXTRACTION = "extraction"


def named(score: str, facts: Mapping[str, Any]) -> Named:
    """Also of one of several references."""
    known = SCORES.get(score) or SCORES["reference"]
    if score in SCORES or score == EXTRACTION:
        return known
    models = {each["score"]: each["name"] for each in facts["references"]}
    return Named(name=f"Reference {models[score]}", meaning=known.meaning, source=known.source)
