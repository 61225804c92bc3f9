"""Put findings on text into words."""

import polars as pl

from rote.analysis.estimate import Estimate, between, extent, models_words, plural, seeds_words
from rote.analysis.estimators import difference
from rote.analysis.quantities.convergence import converged
from rote.analysis.quantities.generations import PROBABILITY
from rote.analysis.reports.text.study import SIZE, Study
from rote.analysis.table import Row

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
SHORT_NAMES = {"same_size": "same size on all data", "oracle": "oracle"}
NOT_ABOVE = "no more than held-out text gives"
CONTROL_NOTE = (
    "The held-out control is mem_U of windows that neither model was trained on: it is what a "
    "difference in skill alone looks like, and no memorisation. A sample counts once however "
    "often it was repeated. A sum over capacity would mean that the reference is too weak, or "
    "that capacity was underestimated."
)
DISCOVERABLE_NOTE = (
    f"Windows whose rest stands among so many samples of the model, behind their prefix, with a "
    f"probability of {PROBABILITY:g} or more (Hayes et al. 2024, arXiv 2410.19482). In the beam: "
    "the rest is one of the hypotheses of a beam search. Intervals are Clopper and Pearson's."
)
DRAWN_NOTE = (
    "Samples that a model draws, without near-duplicates, after Carlini et al. 2021 "
    "(arXiv 2012.07805). A sample holds training text where measure.generation.match_tokens of its "
    "tokens in a row stand in a training sequence; the same of held-out text is what can be "
    "guessed. A ranking puts first what an attacker would take for training data: precision is of "
    "its first 100, recall is before its 100th error. Intervals are Clopper and Pearson's."
)
CAPTIONS = {
    "unintended": (
        "mem_U of a sample is its code length under the reference less that under the better of "
        "reference and model, the max code: 0 or more. Small marks are runs "
        "(hollow: not converged), large ones means over seeds with 95 % intervals, Student's t. "
        "Dashed: alpha times parameters, which the sum cannot exceed. Dotted: the mixture code, "
        "which spends at most one bit a sample on not knowing which model is better; one that "
        "loses in all is not drawn. Whole sequences, all tokens scored. The reference of "
        "the same size was trained on the most of the train pool and so, as a rule, on the "
        "samples too: it shows what it takes more data to forget. The oracle saw none of them. "
        "Published: Morris et al. "
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
        "Large marks pool seeds, small ones are single runs; bars are 95 % intervals of Clopper "
        "and Pearson, held-out windows counted once. What is extracted of "
        "held-out text was not memorised but guessed: the train rate says nothing beyond it. "
        "Published: Morris et al. 2025, section 4: all is extractable where N is tiny; where N is "
        "large the train rate comes down to the test rate."
    ),
    "covariates": (
        "Among samples with mem_U > 0, of each size in the run with the most mem_U (filled) and in "
        "that with the most data (hollow); 95 % intervals are Bonett and Wright's (2000). Where "
        "everything is memorised mem_U is what the "
        "reference needs, whatever the text; what a model chooses to remember shows where data "
        "exceed capacity. "
        "Rare tokens are those outside the commonest that make up 99 % of all. "
        "The code length under the reference bounds "
        "mem_U from above, so some of its correlation is there by construction. Published: Morris "
        "et al. 2025, section 4: TF-IDF and mem_U correlate."
    ),
    "tf_idf": (
        "Every mark is a sample of one run with mem_U > 0. TF-IDF(d; D) is the mean over words w "
        "of log(|D| / tf(w, D)), D all of the train pool that the reference scored: large for "
        "texts of rare words."
    ),
}


def headlines(found: Study) -> tuple[str, ...]:
    """Return the lines for the terminal, except those on descents."""
    return (
        *(_most(run) for kind in found.references for run in found.fullest(kind)),
        *(_extraction_line(found, series) for series in found.series if found.extracted),
        *(
            f"{each.name}: TF-IDF against mem_U, {correlation_words(each.correlations['tf_idf'])}"
            for each in found.remembered
        ),
        *map(_drawn_line, found.drawn),
        check(found),
        converged(found.runs),
    )


def _most(run: Row) -> str:
    inside = run["samples_in_reference"]
    trained = f", the reference trained on {inside:,} of {run['samples']:,}" if inside else ""
    return (
        f"{run['series']} against {run['reference']}: mem_U {run['max_code_bits']:,.0f} bits "
        f"(95 % interval over samples {run['max_code_low_bits']:,.0f} to "
        f"{run['max_code_high_bits']:,.0f}; mixture code {run['mixture_code_bits']:,.0f}) at N = "
        f"{run[SIZE]:,}, {run['of_capacity']:.0%} of capacity{trained}"
        f"{'' if run['is_above'] else f', {NOT_ABOVE}'}"
        f"{'' if run['training.converged'] else ', unconverged'}"
    )


def _longest(found: Study, series: str) -> list[Row]:
    """Return the rates of one series at the longest prefix, by data size."""
    points = [each for each in found.extracted if each["series"] == series]
    return [each for each in points if each["prefix"] == max(one["prefix"] for one in points)]


def _extraction_line(found: Study, series: str) -> str:
    ends = _longest(found, series)
    if not ends:
        return f"{series}: extraction was not measured"
    first, last = ends[0], ends[-1]
    return (
        f"{series}: from {first['prefix']} tokens {first['train'].value:.1%} of train and "
        f"{first['heldout'].value:.1%} of held-out extracted at N = {first[SIZE]:,} "
        f"(difference, 95 % interval {first['excess'].span('{:.1%}')}); "
        f"{last['train'].value:.1%} and {last['heldout'].value:.1%} at N = {last[SIZE]:,}"
    )


def _drawn_line(each: Row) -> str:
    return (
        f"{each['name']}: {each['memorised'].words('{:.1%}')} of distinct samples hold training "
        f"text; {each['control'].words('{:.1%}')} hold held-out text"
    )


def correlation_words(correlation: Estimate | None) -> str:
    """Format rho with its interval."""
    if correlation is None:
        return "too few memorised samples to correlate"
    samples = f", {correlation.n:,} samples"
    rho = correlation.words("{:+.2f}", label="95 % interval", after=samples)
    return f"Spearman's rho {rho}"


def check(found: Study) -> str:
    """State whether sums stay below capacity."""
    beyond = found.pairs.filter(pl.col("of_capacity") > 1)["run_id"].n_unique()
    scales = found.targets.select("alpha", "alpha_source").unique(maintain_order=True)
    at = "; ".join(f"{alpha:.2f} bits per parameter ({source})" for alpha, source in scales.rows())
    verdict = (
        f"Sums of mem_U of {plural(beyond, 'run')} exceed" if beyond else "No sum of mem_U exceeds"
    )
    return f"{verdict} capacity at {at}"


def unintended(found: Study) -> str:
    """Return the figure's title: the range of the largest sums, under the best reference."""
    kind = found.references[-1]
    above = [run for run in found.fullest(kind) if run["is_above"]]
    if not above:
        return f"No sum of mem_U against the {SHORT_NAMES[kind]} is above what held-out text gives"
    shares = between((run["of_capacity"] for run in above), "{:.0%}")
    late = sum(not run["training.converged"] for run in above)
    doubt = f"; {late} of {plural(len(above), 'such run')} had not converged" if late else ""
    against = f"of capacity against the {SHORT_NAMES[kind]}"
    return f"Unintended memorisation reaches {shares} {against}{doubt}"


def quality(found: Study) -> str:
    """Return the figure's title: the change in mem_U from the best to the worst oracle."""
    series = found.series[-1]
    outside = [
        each["mean_bits"]
        for each in found.qualities
        if each["series"] == series and each["pool"] == "reference"
    ]
    if len(outside) < 2:
        return "mem_U of a sample against the held-out loss of its reference"
    best, worst = outside[0], outside[-1]
    if difference(worst, best).sign == 0:
        return (
            f"{series}: mean mem_U differs within intervals between the best oracle and the worst"
        )
    return (
        f"{series}: mean mem_U goes from {best.value:.1f} to {worst.value:.1f} bits from the best "
        "oracle to the worst"
    )


def extraction(found: Study) -> str:
    """Return the figure's title."""
    ends = _longest(found, found.series[-1]) or found.extracted
    first, last = ends[0], ends[-1]
    if first["excess"].sign <= 0:
        return "No more is extracted of training text than of held-out text, within intervals"
    if difference(first["train"], last["train"]).sign <= 0:
        return "Extraction does not come down with more data, within intervals"
    return (
        f"Extraction comes down from {first['train'].value:.0%} to {last['train'].value:.0%} with "
        f"more data; held-out text gives {last['heldout'].value:.0%}"
    )


def covariates(found: Study) -> str:
    """Return the figure's title."""
    largest = found.remembered[-1]
    correlation = largest.correlations["tf_idf"]
    if correlation is None:
        return "Too few memorised samples to correlate"
    doubt = "" if correlation.sign else ", which may be chance"
    return (
        f"Rank correlation of TF-IDF and mem_U in {largest.name}: {correlation.value:+.2f}{doubt}"
    )


def setting(found: Study) -> str:
    """State what was trained, on what, and for how long."""
    runs, targets = found.runs, found.targets
    return (
        f"{extent(targets['task.num_sequences'])} windows of {runs['task.length'][0]} tokens of "
        f"text ({found.duplicates.value:.1%} of all equalled earlier ones and were removed); "
        f"{models_words(runs)}; {seeds_words(targets)}."
    )
