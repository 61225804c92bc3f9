"""Findings of the report on leakage in words, shared by the terminal, the page and the figures."""

from collections.abc import Sequence

from rote.analysis.elements import extent
from rote.analysis.estimate import Estimate
from rote.analysis.quantities.convergence import converged
from rote.analysis.reports.leakage.kinds import Compared
from rote.analysis.reports.leakage.membership_wording import (
    law_line,
    rate_line,
    scores_title,
    sentence,
    shadows_title,
)
from rote.analysis.reports.leakage.points import Place, Planted, Scored
from rote.analysis.reports.leakage.study import Study


def headlines(found: Study) -> tuple[str, ...]:
    """Lines for the terminal."""
    lines = [law_line(fitted) for fitted in found.laws]
    if found.scored:
        lines += [scores_title(found), rate_line(found)]
    if any(isinstance(each, Scored) for each in found.shadowed):
        lines.append(shadows_title(found))
    if found.planted:
        lines += [exposure_title(found), controls_line(found), fits_line(found)]
    if any(each.extracted for each in found.planted):
        lines.append(canaries_title(found))
    if found.windows:
        lines.append(windows_title(found))
    lines += [compared_line(found, each) for each in found.compared if each.num_sequences is None]
    return (*lines, convergence(found))


def exposure_title(found: Study) -> str:
    """Of the smallest and the largest size, over N and repeats."""
    inserted = [each for each in found.planted if each.repeats]
    if not inserted:
        return "No canary was inserted: controls alone"
    bits = _by_series(
        found, [(each.place, each.exposure_bits.value) for each in inserted], "{:.1f} bits"
    )
    most = sum(each.most_bits for each in inserted) / len(inserted)
    return f"{_inserted(inserted)} are exposed by {bits}, of {most:.1f}"


def _inserted(points: Sequence[Planted]) -> str:
    repeats = {each.repeats for each in points}
    least, most = min(repeats), max(repeats)
    return f"Canaries inserted {times(most) if least == most else f'{least} to {times(most)}'}"


def _by_series(found: Study, values: Sequence[tuple[Place, float]], form: str) -> str:
    """Means over N of the smallest and of the largest size that have any."""
    means = {}
    for series in found.series:
        own = [value for place, value in values if place.series == series]
        if own:
            means[series] = form.format(sum(own) / len(own))
    ends = dict.fromkeys([next(iter(means)), next(reversed(means))])
    return " and ".join(f"{means[series]} in {series}" for series in ends)


def times(number: int) -> str:
    """Once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def controls_line(found: Study) -> str:
    """Whether what was never inserted looks like a guess."""
    if not found.controls:
        return "No controls: nothing tells what a guess exposes here"
    outside = sum(not each.chance.holds for each in found.controls)
    number = len(found.controls)
    mean = sum(each.chance.mean_bits * each.chance.num_controls for each in found.controls)
    mean /= sum(each.chance.num_controls for each in found.controls)
    return (
        f"Controls are exposed by {mean:.2f} bits on average, a guess by 1.44; {outside} of "
        f"{number} groups lie outside chance's 95 % range, and {number / 20:.1f} are expected to"
    )


def fits_line(found: Study) -> str:
    """How many skew-normals are not to be trusted."""
    doubtful, number = found.doubtful_fits
    if not number:
        return (
            "No skew-normal could be fitted to references: exposures are by rank or sampling alone"
        )
    return (
        f"The Kolmogorov-Smirnov test warns of {doubtful:,} of {number:,} skew-normal fits; "
        "exposures here are by rank or sampling and need none"
    )


def canaries_title(found: Study) -> str:
    """Of the smallest and the largest size, over N and repeats."""
    tried = [each for each in found.planted if each.extracted and each.repeats]
    if not tried:
        return "No inserted canary was tried"
    rates = [(each.place, each.extracted.value) for each in tried if each.extracted]
    return f"{_inserted(tried)} are recited: {_by_series(found, rates, '{:.0%}')}"


def windows_title(found: Study) -> str:
    """The excess at the longest prefix, of the smallest and the largest size."""
    longest = max(each.extraction.prefix_tokens for each in found.windows)
    values = [
        (each.place, each.extraction.excess.value)
        for each in found.windows
        if each.extraction.prefix_tokens == longest
    ]
    shares = _by_series(found, values, "{:.1%}")
    return f"Windows extracted from {longest} tokens, beyond held-out ones: {shares}"


def compared_line(found: Study, each: Compared) -> str:
    """How much more the largest size leaks."""
    small, large = found.series[0], found.series[-1]
    apart = each.apart.words(each.kind.apart, label="95 % interval")
    return f"{sentence(each.kind.title)}: {large} less {small} at equal N, {apart}: {verdict(each)}"


def verdict(each: Compared) -> str:
    """What the interval says."""
    told = {-1: "the larger leaks less", 0: "no difference told", 1: "the larger leaks more"}
    return told[each.apart.sign]


def sizes_title(found: Study) -> str:
    """In how many ways the largest size leaks more."""
    overall = [each for each in found.compared if each.num_sequences is None]
    more = sum(each.apart.sign > 0 for each in overall)
    less = sum(each.apart.sign < 0 for each in overall)
    also = f", less in {less}" if less else ""
    return f"At equal N the largest model leaks more in {more} of {len(overall)} ways{also}"


def risk_title(found: Study) -> str:
    """How many kinds go with capacity."""
    rhos = [found.with_loss(kind, at_equal_n=True) for kind in found.kinds]
    known = [rho for rho in rhos if rho]
    if not known:
        return "Nothing tells whether leakage goes with held-out loss at equal N"
    better = sum(rho.sign < 0 for rho in known)
    worse = sum(rho.sign > 0 for rho in known)
    if not better + worse:
        return "At equal N, no kind of leakage is told to go with held-out loss"
    return (
        f"At equal N, {better} of {len(known)} kinds leak more where held-out loss is lower, "
        f"{worse} where it is higher"
    )


def rho_words(rho: Estimate | None) -> str:
    """With its interval."""
    if rho is None:
        return "not told: too few runs, or all alike"
    return rho.words("{:+.2f}", label="95 % interval")


def convergence(found: Study) -> str:
    """How many runs had converged, and by which rule."""
    return converged(found.runs)


def setting(found: Study) -> str:
    """What was trained, on what, for how long."""
    runs = found.runs
    sources = " and ".join(runs["source"].unique(maintain_order=True))
    return (
        f"{extent(runs['task.num_sequences'])} sequences of {extent(runs['task.length'])} tokens "
        f"({sources}); models of {extent(runs['parameters'])} parameters; "
        f"{extent(runs['training.steps'])} optimiser steps; {runs['seed'].n_unique()} seed(s)."
    )
