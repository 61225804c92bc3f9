"""Findings of the report on text in words, shared by the terminal, the page and the figures."""

from typing import Any

import polars as pl

from rote.analysis.elements import extent
from rote.analysis.estimate import Estimate
from rote.analysis.quantities.convergence import converged
from rote.analysis.reports.text.study import REFERENCE_NAMES, Study

COVARIATE_NAMES = {
    "tf_idf": "TF-IDF",
    "compressed_bytes": "length under zlib",
    "text_bytes": "length in bytes",
    "rare_token_share": "rare tokens",
    "non_ascii_share": "non-ASCII signs",
    "digit_share": "digits",
    "code_sign_share": "signs of code",
    "reference_bits": "code length, reference",
}
CAPTIONS = {
    "unintended": (
        "mem_U of a sample is its code length under the reference less that under the better of "
        "reference and model (max code, &ge; 0); the mixture code spends at most one bit a sample "
        "on not knowing which is better. Whole sequences, all tokens scored. Every mark is a run "
        "(hollow: not converged), lines join means over seeds. The reference of "
        "the same size was trained on the most of the train pool and so, as a rule, on the "
        "samples too: it shows what it takes more data to forget. The oracle saw none of them. "
        "Dashed: alpha times parameters, which the sum cannot exceed. A mixture code "
        "that loses in all is not drawn. Published: Morris et al. "
        "2025, section 4, on FineWeb with models of 1.71M to 19.2M parameters."
    ),
    "oracle_quality": (
        "One run of each size, the one with the most mem_U, held against every run that can serve "
        "as a reference, ordered by held-out loss: a worse reference calls more of what is mere "
        "skill memorised. Only samples that the reference never trained on are averaged; "
        "intervals are 95 %, over samples."
    ),
    "extraction": (
        "A sequence is extracted where greedy continuation of its prefix equals the rest exactly. "
        "Bars are 95 % intervals of Clopper and Pearson, seeds pooled, held-out "
        "windows counted once. What is extracted of "
        "held-out text was not memorised but guessed: the train rate says nothing beyond it. "
        "Published: Morris et al. 2025, section 4: all is extractable where N is tiny; where N is "
        "large the train rate comes down to the test rate."
    ),
    "covariates": (
        "Among samples with mem_U > 0, of each size in the run with the most mem_U (filled) and in "
        "that with the most data (hollow). Where everything is memorised mem_U is what the "
        "reference needs, whatever the text; what a model chooses to remember shows where data "
        "exceed capacity. TF-IDF(d; D) is the mean over words w of log(|D| / tf(w, D)), D all of "
        "the train pool that the reference scored: large for texts of rare "
        "words. Rare tokens are those outside the commonest that make up 99 % of all. "
        "Intervals are Bonett and Wright's (2000). The code length under the reference bounds "
        "mem_U from above, so some of its correlation is there by construction. Published: Morris "
        "et al. 2025, section 4: TF-IDF and mem_U correlate."
    ),
}


def headlines(found: Study) -> tuple[str, ...]:
    """Lines for the terminal, but for those on descents."""
    lines = [_most(run, kind) for kind in found.references for run in most_runs(found, kind)]
    lines += [_extraction_line(found, series) for series in found.series if found.extracted]
    lines += [
        f"{each.name}: TF-IDF against mem_U, {correlation_words(each.correlations['tf_idf'])}"
        for each in found.remembered
    ]
    return (*lines, check(found), convergence(found))


def most_runs(found: Study, kind: str) -> list[dict[str, Any]]:
    """Of each series the run with the largest sum under this reference."""
    name = f"{kind}.max_code_bits"
    ordered = found.targets.filter(pl.col(name).is_not_null()).sort(-pl.col(name), "run_id")
    first = ordered.unique("series", keep="first", maintain_order=True)
    return first.sort("parameters", "series").to_dicts()


def _most(run: dict[str, Any], kind: str) -> str:
    return (
        f"{run['series']} against {REFERENCE_NAMES[kind]}: {total(run, kind)} at N = "
        f"{run['task.num_sequences']:,}, {run[f'{kind}.max_code_bits'] / run['capacity_bits']:.0%} "
        f"of capacity{_trained_on(run, kind)}{'' if run['training.converged'] else ', unconverged'}"
    )


def total(run: dict[str, Any], kind: str) -> str:
    """mem_U by both codes."""
    low_bits, high_bits = run[f"{kind}.max_code_low_bits"], run[f"{kind}.max_code_high_bits"]
    return (
        f"mem_U {run[f'{kind}.max_code_bits']:,.0f} bits (95 % interval over samples "
        f"{low_bits:,.0f} to {high_bits:,.0f}; mixture code "
        f"{run[f'{kind}.mixture_code_bits']:,.0f})"
    )


def _trained_on(run: dict[str, Any], kind: str) -> str:
    inside, samples = run[f"{kind}.samples_in_reference"], run[f"{kind}.samples"]
    return f", the reference trained on {inside:,} of {samples:,}" if inside else ""


def _extraction_line(found: Study, series: str) -> str:
    points = [each for each in found.extracted if each.series == series]
    longest = max((each.extraction.prefix_tokens for each in points), default=0)
    ends = [each for each in points if each.extraction.prefix_tokens == longest]
    if not ends:
        return f"{series}: extraction was not measured"
    smallest, largest = ends[0], ends[-1]
    excess = smallest.extraction.excess.span("{:.1%}")
    return (
        f"{series}: from {longest} tokens {smallest.extraction.train.value:.1%} of train and "
        f"{smallest.extraction.heldout.value:.1%} of held-out extracted at N = "
        f"{smallest.num_sequences:,} (difference, 95 % interval {excess}); "
        f"{largest.extraction.train.value:.1%} and {largest.extraction.heldout.value:.1%} at N = "
        f"{largest.num_sequences:,}"
    )


def correlation_words(correlation: Estimate | None) -> str:
    """Rho with its interval."""
    if correlation is None:
        return "too few memorised samples to correlate"
    samples = f", {correlation.n:,} samples"
    told = correlation.words("{:+.2f}", label="95 % interval", after=samples)
    return f"Spearman's rho {told}"


def over_capacity(found: Study) -> int:
    """Runs whose mem_U is more than their capacity under any reference."""
    beyond = [
        (pl.col(f"{kind}.max_code_bits") > pl.col("capacity_bits")).fill_null(value=False)
        for kind in found.references
    ]
    return found.targets.filter(pl.any_horizontal(beyond)).height


def check(found: Study) -> str:
    """Whether sums stay below capacity."""
    beyond = over_capacity(found)
    alpha, source = found.targets["alpha"][0], found.targets["alpha_source"][0]
    verdict = "No sum of mem_U exceeds" if not beyond else f"{beyond} sum(s) of mem_U exceed"
    return f"{verdict} capacity at {alpha:.2f} bits per parameter ({source})"


def convergence(found: Study) -> str:
    """How many runs had converged, and by which rule."""
    return converged(found.runs)


def unintended(found: Study) -> str:
    """The title of the figure: the range of the largest sums, under the best reference."""
    kind = found.references[-1]
    shares = [run[f"{kind}.max_code_bits"] / run["capacity_bits"] for run in most_runs(found, kind)]
    where = f"{shares[0]:.0%}" if len(shares) == 1 else f"{min(shares):.0%} to {max(shares):.0%}"
    return f"Unintended memorisation reaches {where} of capacity against the {_short(kind)}"


def quality(found: Study) -> str:
    """The title of the figure: how far mem_U moves from the best to the worst oracle."""
    series = found.series[-1]
    outside = [
        each
        for each in found.qualities
        if each.series == series and each.reference_pool == "reference"
    ]
    if len(outside) < 2:
        return "mem_U depends on how good its reference is"
    return (
        f"{series}: mean mem_U goes from {outside[0].mean_bits.value:.1f} to "
        f"{outside[-1].mean_bits.value:.1f} bits from the best oracle to the worst"
    )


def extraction(found: Study) -> str:
    """The title of the figure."""
    first = _ends(found)[0].extraction
    last = _ends(found)[-1].extraction
    return (
        f"Extraction comes down from {first.train.value:.0%} to {last.train.value:.0%} with more "
        f"data; held-out text gives {last.heldout.value:.0%}"
    )


def _ends(found: Study) -> list[Any]:
    longest = max(each.extraction.prefix_tokens for each in found.extracted)
    return [
        each
        for each in found.extracted
        if each.series == found.series[-1] and each.extraction.prefix_tokens == longest
    ]


def covariates(found: Study) -> str:
    """The title of the figure."""
    largest = found.remembered[-1]
    correlation = largest.correlations["tf_idf"]
    if correlation is None:
        return "Too few memorised samples to correlate"
    return f"Rank correlation of TF-IDF and mem_U in {largest.name}: {correlation.value:+.2f}"


def setting(found: Study) -> str:
    """What was trained, on what, for how long."""
    runs, targets = found.runs, found.targets
    return (
        f"{extent(targets['task.num_sequences'])} windows of {runs['task.length'][0]} tokens of "
        f"text; models of {extent(runs['parameters'])} parameters; "
        f"{extent(runs['training.steps'])} optimiser steps; {targets['seed'].n_unique()} seed(s)."
    )


def _short(kind: str) -> str:
    return {"same_size": "same size on all data", "oracle": "oracle"}[kind]
