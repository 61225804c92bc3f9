"""What scores are called on a page, and where each comes from."""

from collections.abc import Mapping
from typing import Any, NamedTuple


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
        ("rmia", "RMIA", "share of a population that it exceeds, offline",
         "Zarifzadeh et al. 2024, arXiv 2312.03262"),
        ("lira", "LiRA", "confidence against the references', offline, one variance",
         "Carlini et al. 2022, arXiv 2112.03570"),
    )
}  # fmt: skip
EXTRACTION = "extraction"


def named(score: str, facts: Mapping[str, Any]) -> ScoreName:
    """Also of one of several references, and of extraction, which is skipped by that name."""
    if score == EXTRACTION:
        return ScoreName("Extraction", "", "")
    if score in SCORES:
        return SCORES[score]
    models = {each["score"]: each["name"] for each in facts["references"]}
    return SCORES["reference"]._replace(name=f"Reference {models[score]}")
