"""Findings in words: the sentences that the terminal, the page and the figures share."""

import math
from collections.abc import Sequence

from rote.analysis.elements import extent
from rote.analysis.fits.budget import Limit
from rote.analysis.fits.plateau import Plateau
from rote.analysis.published import published_mean
from rote.analysis.quantities.convergence import converged
from rote.analysis.reports.capacity.budgets import Budgets
from rote.analysis.reports.capacity.differences import Difference
from rote.analysis.reports.capacity.summary import Alpha, Capacity, Summary

EVALUATIONS = "training.finish.evaluations"
NUM_NAMED = 4  # formats that a title names one by one
PRECISION_MEANINGS = {
    "fp32": "32-bit weights and products, TF32 off",
    "tf32": "32-bit weights, TF32 products",
    "bf16_mixed": "32-bit weights, bf16 autocast",
    "bf16_true": "bf16 weights",
}


def headlines(summary: Summary) -> tuple[str, ...]:
    """Lines for the terminal: each format, how far training had come, and unlimited budgets."""
    limits = [limit(each) for each in summary.best if each.budgets][:NUM_NAMED]
    return (*map(headline, summary.alphas), converged(summary.longest), *limits)


def headline(alpha: Alpha) -> str:
    """Value, interval, published value."""
    published = published_mean(alpha.precision)
    beside = f"; published {published.bits_per_parameter:.2f}" if published else ""
    return f"{alpha.format}: {value(alpha)} bits per parameter ({basis(alpha)}{beside})"


def differences(compared: Sequence[Difference]) -> tuple[str, ...]:
    """Lines for the terminal, of a few formats."""
    return tuple(map(difference, compared[: NUM_NAMED - 1]))


def difference(found: Difference) -> str:
    """Two formats, by how much they differ, and whether that is told."""
    apart = found.bits_per_parameter
    spanned = f"95 % interval {apart.span('{:+.3f}')}" if apart.interval else "no interval"
    return (
        f"{found.second} less {found.first}: {apart.value:+.3f} bits per parameter "
        f"({spanned}, {found.pairs}): {verdict(found)}"
    )


def verdict(found: Difference) -> str:
    """From the interval of the difference alone."""
    if found.bits_per_parameter.interval is None:
        return "one pair says nothing"
    return "they differ" if found.bits_per_parameter.sign else "no difference is shown"


def value(alpha: Alpha) -> str:
    """Bits per parameter; where runs had not converged, the most that one run stored."""
    if alpha.is_lower_bound:
        return at_least(alpha.maximum_bits_per_parameter)
    return f"{alpha.bits_per_parameter.value:.2f}"


def at_least(bits_per_parameter: float) -> str:
    """A bound, rounded down so that it stays one."""
    return f"at least {math.floor(bits_per_parameter * 100) / 100:.2f}"


def basis(alpha: Alpha) -> str:
    """The interval and the sizes behind a value."""
    if alpha.slope is None:
        parts = ["the largest maximum: no size reached a plateau"]
    else:
        mean, between = alpha.bits_per_parameter, alpha.slope.between_sizes_bits_per_parameter
        estimate = f"plateau {mean.value:.2f}, " if alpha.is_lower_bound else ""
        of = "most that one run stored; " if alpha.is_lower_bound else ""
        parts = [
            f"{of}{estimate}95 % interval {mean.span('{:.2f}')}",
            counted(len(alpha.models), "size"),
        ]
        if between is not None:
            parts.append(f"spread between sizes {between.value:.2f}")
    if alpha.num_data_limited:
        parts.append(f"{counted(alpha.num_data_limited, 'size')} data-limited")
    return ", ".join([*parts, *heads_of(alpha)])


def heads_of(alpha: Alpha) -> list[str]:
    """The heads behind a value: the best of each size, or those that all sizes have."""
    names = [each.model for each in alpha.capacities]
    if alpha.has_chosen_heads:
        named = names if len(names) <= NUM_NAMED else [names[0], "...", names[-1]]
        return [f"the best heads of each size: {'; '.join(named)}"]
    heads = sorted({each.num_heads for each in alpha.capacities if each.num_heads})
    if len(heads) <= 1:
        return [counted(number, "head") for number in heads]
    return [f"{heads[0]} to {heads[-1]} heads"]


def counted(number: int, noun: str) -> str:
    """ "1 size", "3 sizes"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def standing(capacity: Capacity) -> str:
    """In few words what a capacity is: a plateau, the data's limit, or less than that."""
    words = []
    if capacity.num_unconverged:
        words.append("not converged")
    if capacity.is_data_limited:
        words.append("data-limited")
    elif not isinstance(capacity.plateau, Plateau):
        words.append("maximum, no plateau")
    return ", ".join(words) or "plateau of converged runs"


def holds(capacity: Capacity) -> str:
    """The finding for one size."""
    bits = (
        at_least(capacity.maximum_bits / capacity.parameters)
        if capacity.num_unconverged
        else f"{capacity.bits_per_parameter.value:.2f}"
    )
    return (
        f"{capacity.model} in {capacity.format} holds {bits} bits per parameter"
        f"{' (data-limited)' if capacity.is_data_limited else ''}"
    )


def all_hold(summary: Summary) -> str:
    """The finding over all sizes: the range of the capacities whose runs had converged.

    Where none had, the most that one run stored.
    """
    if len(summary.best) == 1:
        return holds(summary.best[0])
    settled = [each for each in summary.best if not each.num_unconverged]
    if not settled:
        most = max(each.maximum_bits / each.parameters for each in summary.best)
        return f"One run stored {most:.2f} bits per parameter; longer training may store more"
    values = [each.bits_per_parameter.value for each in settled]
    between = _between(min(values), max(values))
    formats = dict.fromkeys(each.format for each in settled)
    has_others = len(settled) < len(summary.best)
    of = f" in {' and '.join(formats)}" if has_others and len(formats) <= NUM_NAMED else ""
    if all(each.is_data_limited for each in settled):
        return f"All data sets are stored: {between} bits per parameter{of} (data-limited)"
    return f"Memory fills up at {between} bits per parameter{of}"


def limit(capacity: Capacity) -> str:
    """What its best run would store at an unlimited budget, beside what it stored."""
    budgets = capacity.budgets
    assert budgets is not None
    stored = f"{budgets.most.curve.bits[-1] / capacity.parameters:.2f} stored"
    start = f"{capacity.model} in {capacity.format}, unlimited {budgets.unit}"
    found = budgets.best
    if not isinstance(found, Limit):
        return f"{start}: no limit can be told ({found.reason}); {stored}"
    value, low, high = (bits / capacity.parameters for bits in (found.bits, *found.interval_bits))
    told = f"{value:.2f} bits per parameter (95 % interval {low:.2f} to {high:.2f})"
    return f"{start}: {told}; {stored}{_predicted(budgets, capacity.parameters)}"


def _predicted(budgets: Budgets, parameters: int) -> str:
    """How well shorter budgets alone predict the longest, where there are enough of them."""
    if not isinstance(budgets.held_back, Limit):
        return ""
    low, high = (bits / parameters for bits in budgets.held_back.interval_bits)
    return f", {low:.2f} to {high:.2f} predicted from shorter budgets"


def limits_found(capacities: Sequence[Capacity]) -> str:
    """The finding over budgets: what an unlimited one would add."""
    if len(capacities) == 1:
        return limit(capacities[0])
    num_told = sum(each.limit is not None for each in capacities)
    gains = [each.limit.gain_bits / each.parameters for each in capacities if each.limit]
    told = f"A limit at an unlimited budget can be told for {num_told} of {len(capacities)} models"
    if not gains:
        return told
    return f"{told}: {_between(min(gains), max(gains))} bits per parameter more"


def heads_compared(capacities: Sequence[Capacity]) -> str:
    """The finding over heads: the size for which they matter most."""
    by_size: dict[tuple[str, str], list[Capacity]] = {}
    for each in capacities:
        by_size.setdefault((each.shape, each.format), []).append(each)
    most = max(by_size.values(), key=_apart)
    ordered = sorted(most, key=lambda each: each.bits_per_parameter.value)
    least, best = ordered[0], ordered[-1]
    return (
        f"At equal parameters {best.model} holds {best.bits_per_parameter.value:.2f} bits per "
        f"parameter, with {counted(least.num_heads or 0, 'head')} "
        f"{least.bits_per_parameter.value:.2f} "
        f"({best.format})"
    )


def _between(low: float, high: float) -> str:
    least, most = f"{low:.2f}", f"{high:.2f}"
    return least if least == most else f"{least} to {most}"


def _apart(capacities: Sequence[Capacity]) -> float:
    values = [each.bits_per_parameter.value for each in capacities]
    return max(values) - min(values)


def alphas_compared(summary: Summary) -> str:
    """The finding over formats: each, or of many the least and the most."""
    ordered = sorted(summary.alphas, key=lambda alpha: alpha.bits_per_parameter.value)
    if len(ordered) <= NUM_NAMED:
        between = "; " if any(alpha.setting for alpha in ordered) else ", "
        values = between.join(f"{value(alpha)} in {alpha.format}" for alpha in summary.alphas)
        return f"Bits per parameter: {values}"
    least, most = ordered[0], ordered[-1]
    return (
        f"Bits per parameter: from {value(least)} ({least.format}) to {value(most)} "
        f"({most.format}) in {len(ordered)} formats"
    )


def setting(summary: Summary) -> str:
    """What was trained, on what, for how long: the conditions every number holds under."""
    runs = summary.runs
    has_finish = EVALUATIONS in runs.columns and runs[EVALUATIONS].count() > 0
    finish = (
        f", then {extent(runs[EVALUATIONS].drop_nulls())} full-batch evaluations"
        if has_finish
        else ""
    )
    return (
        f"{extent(runs['task.num_sequences'])} sequences of {extent(runs['task.length'])} tokens, "
        f"each token uniform over {extent(runs['task.vocab_size'])} symbols; models of "
        f"{extent(runs['parameters'])} parameters; {extent(runs['training.steps'])} optimiser "
        f"steps{finish}; {counted(runs['seed'].n_unique(), 'seed')}."
    )
