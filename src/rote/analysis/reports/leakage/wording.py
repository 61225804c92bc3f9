"""Put findings on leakage into words for the terminal, the page and the figures.

No sentence claims leakage if the interval includes a guess.
"""

from collections.abc import Iterable, Mapping, Sequence

from rote.analysis.estimate import Estimate, extent, plural
from rote.analysis.estimators import mean_of_estimates
from rote.analysis.quantities.convergence import converged, num_converged
from rote.analysis.quantities.exposure import CHANCE_BITS
from rote.analysis.quantities.leakage import HEADLINE, SIZE
from rote.analysis.quantities.membership import FALSE_POSITIVE_RATES, TooFewControls
from rote.analysis.reports.leakage import law
from rote.analysis.reports.leakage.sizes import Row
from rote.analysis.reports.leakage.study import Study

SCORE_NAMES = {
    "loss": "loss",
    "zlib": "zlib",
    "lowercase": "lower case",
    "min_k": "Min-K%",
    "min_k_plus_plus": "Min-K%++",
    "dc_pdd": "DC-PDD",
    "reference": "reference (oracle)",
    "lira_online": "LiRA online, a variance each",
    "lira_online_fixed": "LiRA online, one variance",
    "lira_offline": "LiRA offline, a variance each",
    "lira_offline_fixed": "LiRA offline, one variance",
    "rmia_online": "RMIA online",
    "rmia_offline": "RMIA offline",
}
CHANCE_AUROC = 0.5
VERDICTS = {
    -1: "the larger leaks less",
    0: "no difference beyond doubt",
    1: "the larger leaks more",
}


def headlines(found: Study, titles: Mapping[str, str]) -> tuple[str, ...]:
    """Return the lines for the terminal: ``titles`` of figures, then differences, then the law."""
    further = {
        "scores": (rate_line,), "shadows": (), "exposure": (controls_line, fits_line),
        "canaries_extracted": (), "windows_extracted": (),
    }  # fmt: skip
    levels = [
        line
        for name, lines in further.items()
        if name in titles
        for line in (titles[name], *(each(found) for each in lines))
    ]
    apart = [compared_line(found, each) for each in found.compared if each["N"] is None]
    return (*levels, *apart, *map(law.line, found.laws), converged(found.runs))


def setting(found: Study) -> str:
    """State what was trained, on what, and for how long."""
    runs = found.runs
    sources = " and ".join(runs["source"].unique(maintain_order=True))
    return (
        f"{extent(runs[SIZE])} sequences of {extent(runs['task.length'])} tokens "
        f"({sources}); models of {extent(runs['parameters'])} parameters; "
        f"{extent(runs['training.steps'])} optimiser steps; "
        f"{plural(runs['seed'].n_unique(), 'seed')}."
    )


def cautions(found: Study) -> list[str]:
    """List what these runs cannot show."""
    missed = found.runs.height - num_converged(found.runs)
    lines = []
    if missed:
        lines.append(
            f"{missed} of {plural(found.runs.height, 'run')} had not converged: trained further, "
            "they may leak more."
        )
    if found.runs["seed"].n_unique() == 1:
        lines.append("All runs have one seed: nothing shows how far other seeds would differ.")
    return lines


def score_name(name: str) -> str:
    """Return a score in words, or its own name if it has none here."""
    return SCORE_NAMES.get(name, name)


def sentence(words: str) -> str:
    """Start the words with a capital."""
    return words[:1].upper() + words[1:]


def mean_aurocs(rows: Iterable[Row]) -> dict[str, Estimate]:
    """Return the mean of each score over the places that have all scores; the highest first."""
    rows = [row for row in rows if row["auroc"]]
    names = {row["score"] for row in rows}
    at: dict[tuple[str, int], dict[str, Estimate]] = {}
    for row in rows:
        at.setdefault((row["series"], row["N"]), {})[row["score"]] = row["auroc"]
    whole = [scores for scores in at.values() if len(scores) == len(names)]
    means = {name: mean_of_estimates([one[name] for one in whole]) for name in names if whole}
    return dict(sorted(means.items(), key=lambda item: (-item[1].value, item[0])))


def scores_title(found: Study) -> str:
    """State the highest score of single models, over all sizes and N that have every score."""
    means = mean_aurocs(found.scored)
    if not means:
        return "No size and N has all scores: their means do not compare"
    return f"{_highest(means)}, over sizes and N"


def shadows_title(found: Study) -> str:
    """State the highest score with shadow models, beside the loss on the same samples."""
    means = mean_aurocs(found.shadowed)
    if not means:
        return "No size and N has all scores beside shadow models: their means do not compare"
    numbers = sorted({len(row["runs"]) - 1 for row in found.shadowed})
    shadows = plural(numbers[-1], "shadow model")
    if len(numbers) > 1:
        shadows = f"{numbers[0]} to {shadows}"
    return f"With {shadows}: {_highest(means)}"


def _highest(means: dict[str, Estimate]) -> str:
    """Name all scores that are equal as printed, and the loss beside them."""
    top = next(iter(means.values()))
    if not top.exceeds(CHANCE_AUROC):
        return (
            f"No score separates members from others beyond chance: the highest mean AUROC is "
            f"{top.words('{:.3f}')}"
        )
    equal = [each for each, mean in means.items() if f"{mean.value:.3f}" == f"{top.value:.3f}"]
    names = sentence(" and ".join(map(score_name, equal)))
    is_beside = HEADLINE in means and HEADLINE not in equal
    beside = f"; loss {means[HEADLINE].value:.3f}" if is_beside else ""
    verb = "have" if len(equal) > 1 else "has"
    return f"{names} {verb} the highest mean AUROC, {top.words('{:.3f}')}{beside}"


def rate_line(found: Study) -> str:
    """State the members that the loss, or any score, finds where its AUROC is highest."""
    losses = [row for row in found.scored if row["score"] == HEADLINE]
    top = max(reversed(losses or found.scored), key=lambda row: row["auroc"].value)
    shares = "; ".join(
        f"at {100 * rate:g} % false positives "
        + (f"refused ({each.reason})" if isinstance(each, TooFewControls)
           else f"{each.value:.1%} of members")
        for rate, each in zip(FALSE_POSITIVE_RATES, top["found"], strict=True)
    )  # fmt: skip
    return (
        f"{sentence(score_name(top['score']))}, {top['series']} at N = {top['N']:,}: AUROC "
        f"{top['auroc'].value:.3f}; {shares}"
    )


def exposure_title(found: Study) -> str:
    """State exposure in the smallest and the largest size, over N and repeats."""
    inserted = [row for row in found.planted if row["repeats"]]
    if not inserted:
        return "No canary was inserted: controls alone"
    means = found.ends(inserted, "exposure")
    bits = _in_words(means, "{:.1f} bits")
    if not any(mean.exceeds(CHANCE_BITS) for mean in means.values()):
        return f"{_inserted(inserted)} cannot be distinguished from a guess (1.44 bits): {bits}"
    most = sum(row["most_bits"] for row in inserted) / len(inserted)
    return f"{_inserted(inserted)} are exposed by {bits}, of {most:.1f} (a guess: 1.44)"


def canaries_title(found: Study) -> str:
    """State recited canaries in the smallest and the largest size, over N and repeats."""
    tried = [row for row in found.planted if row["extracted"] and row["repeats"]]
    if not tried:
        return "No run tried to extract an inserted canary"
    if not any(row["extracted"].successes for row in tried):
        trials = sum(row["extracted"].trials for row in tried)
        return f"{_inserted(tried)} are never recited, in {plural(trials, 'trial')}"
    shares = _in_words(found.ends(tried, "extracted"), "{:.0%}")
    return f"{_inserted(tried)} are recited: {shares}"


def windows_title(found: Study) -> str:
    """State the excess at the longest prefix, in the smallest and the largest size."""
    longest = max(row["prefix"] for row in found.windows)
    means = found.ends([row for row in found.windows if row["prefix"] == longest], "excess")
    shares = _in_words(means, "{:.1%}")
    if not any(mean.sign > 0 for mean in means.values()):
        start = f"Windows extracted from {longest} tokens do not exceed held-out ones"
        return f"{start} beyond doubt: by {shares}"
    return f"Windows extracted from {longest} tokens, beyond held-out ones: {shares}"


def _inserted(rows: Sequence[Row]) -> str:
    repeats = {row["repeats"] for row in rows}
    least, most = min(repeats), max(repeats)
    times = {1: "once", 2: "twice"}.get(most, f"{most} times")
    return f"Canaries inserted {times if least == most else f'{least} to {times}'}"


def _in_words(means: dict[str, Estimate], form: str) -> str:
    return " and ".join(f"{form.format(mean.value)} in {series}" for series, mean in means.items())


def controls_line(found: Study) -> str:
    """State whether canaries that were never inserted look like a guess."""
    chances = [row["chance"] for row in found.controls]
    if not chances:
        return "No controls: nothing shows what a guess exposes here"
    outside, number = sum(not each.holds for each in chances), len(chances)
    mean = sum(each.mean_bits * each.num_controls for each in chances)
    mean /= sum(each.num_controls for each in chances)
    return (
        f"Controls are exposed by {mean:.2f} bits on average, a guess by 1.44; {outside} of "
        f"{plural(number, 'group')} lie outside chance's 95 % range, and {number / 20:.1f} are "
        "expected to; groups of one seed have the same secrets, and go astray together"
    )


def fits_line(found: Study) -> str:
    """State how many skew-normals the test rejects."""
    rejected, number = found.fits["fitted_bits"].null_count(), found.fits.height
    if not number:
        return (
            "No skew-normal could be fitted to references: exposures are by rank or sampling alone"
        )
    return (
        f"The Kolmogorov-Smirnov test warns of {rejected:,} of {number:,} skew-normal fits; "
        "exposures here are by rank or sampling and need none"
    )


def compared_line(found: Study, row: Row) -> str:
    """State both levels, then how much more the largest size leaks."""
    kind, small, large = row["kind"], found.series[0], found.series[-1]
    apart = row["apart"].words(kind.signed, label="95 % interval")
    return (
        f"{sentence(kind.label)} at equal N: {kind.form.format(row['smaller'])} in {small}, "
        f"{kind.form.format(row['larger'])} in {large}; difference {apart}: {verdict(row)}"
    )


def verdict(row: Row) -> str:
    """State the verdict of the interval."""
    return VERDICTS[row["apart"].sign]


def sizes_title(found: Study) -> str:
    """State in how many ways the largest size leaks more."""
    signs = [row["apart"].sign for row in found.compared if row["N"] is None]
    if not any(signs):
        return "At equal N no kind of leakage differs beyond doubt between the sizes"
    also = f", less in {signs.count(-1)}" if -1 in signs else ""
    return f"At equal N the largest model leaks more in {signs.count(1)} of {len(signs)} ways{also}"


def risk_title(found: Study) -> str:
    """State how many kinds of leakage correlate with held-out loss."""
    if not found.leaking:
        return "No kind of leakage exceeds a guess beyond doubt, at any held-out loss"
    rhos = [found.with_loss(kind, at_equal_n=True) for kind in found.leaking]
    signs = [rho.sign for rho in rhos if rho]
    if not signs:
        return "Too few runs differ to say whether leakage goes with held-out loss at equal N"
    if not any(signs):
        return "At equal N no kind of leakage goes with held-out loss beyond doubt"
    ways = [
        f"{signs.count(sign)} of {plural(len(signs), 'kind')} leak more {where}"
        for sign, where in ((-1, "at lower held-out loss"), (1, "at higher held-out loss"))
        if sign in signs
    ]
    return f"At equal N {' and '.join(ways)}"
