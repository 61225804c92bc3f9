"""Findings in words: the sentences that the terminal, the page and the figures share."""

from rote.analysis.elements import extent
from rote.analysis.published import published_mean
from rote.analysis.reports.capacity.summary import Alpha, Capacity, Summary

NUM_NAMED = 4  # formats that a title names one by one
PRECISION_MEANINGS = {
    "fp32": "32-bit weights and products, TF32 off",
    "tf32": "32-bit weights, TF32 products",
    "bf16_mixed": "32-bit weights, bf16 autocast",
    "bf16_true": "bf16 weights",
}


def headline(alpha: Alpha) -> str:
    """One line for the terminal: value, interval, published value."""
    published = published_mean(alpha.precision)
    beside = f"; published {published.bits_per_parameter:.2f}" if published else ""
    return f"{alpha.format}: {value(alpha)} bits per parameter ({basis(alpha)}{beside})"


def value(alpha: Alpha) -> str:
    """Bits per parameter, with "at least" where that is all that is known."""
    return f"{'at least ' if alpha.is_lower_bound else ''}{alpha.bits_per_parameter:.2f}"


def basis(alpha: Alpha) -> str:
    """The interval and the sizes behind a value."""
    if alpha.slope is None:
        return "the largest maximum: no size reached a plateau"
    low, high = alpha.slope.interval_bits_per_parameter
    num_sizes = len(alpha.models)
    sizes = "1 size" if num_sizes == 1 else f"{num_sizes} sizes"
    return f"95 % interval {low:.2f} to {high:.2f}, {sizes}"


def holds(capacity: Capacity) -> str:
    """The finding for one size."""
    bound = "at least " if capacity.lower_bound_reason else ""
    return (
        f"{capacity.model} in {capacity.format} holds "
        f"{bound}{capacity.bits_per_parameter:.1f} bits per parameter"
    )


def all_hold(summary: Summary) -> str:
    """The finding over all sizes: the range that their capacities span."""
    if len(summary.capacities) == 1:
        return holds(summary.capacities[0])
    lowest = min(each.bits_per_parameter for each in summary.capacities)
    highest = max(each.bits_per_parameter for each in summary.capacities)
    bounded = any(each.lower_bound_reason for each in summary.capacities)
    between = f"{lowest:.2f}" if highest - lowest < 0.01 else f"{lowest:.1f} to {highest:.1f}"
    return f"Memory fills up at {'no less than ' if bounded else ''}{between} bits per parameter"


def alphas_compared(summary: Summary) -> str:
    """The finding over formats: each, or of many the least and the most."""
    ordered = sorted(summary.alphas, key=lambda alpha: alpha.bits_per_parameter)
    if len(ordered) <= NUM_NAMED:
        between = "; " if any(alpha.setting for alpha in ordered) else ", "
        values = between.join(f"{value(alpha)} in {alpha.format}" for alpha in summary.alphas)
        return f"Bits per parameter: {values}"
    least, most = ordered[0], ordered[-1]
    return (
        f"Bits per parameter: from {value(least)} ({least.format}) to {value(most)} "
        f"({most.format}) in {len(ordered)} formats"
    )


def convergence(summary: Summary) -> str:
    """The finding of the training curves."""
    num_converged = int(summary.runs["training.converged"].sum())
    if num_converged == summary.runs.height:
        return f"All {num_converged:,} runs had converged when training ended"
    return f"{num_converged:,} of {summary.runs.height:,} runs had converged when training ended"


def setting(summary: Summary) -> str:
    """What was trained, on what, for how long: the conditions every number holds under."""
    runs = summary.runs
    return (
        f"{extent(runs['task.num_sequences'])} sequences of {extent(runs['task.length'])} tokens, "
        f"each token uniform over {extent(runs['task.vocab_size'])} symbols; models of "
        f"{extent(runs['parameters'])} parameters; {extent(runs['training.steps'])} optimiser "
        f"steps; {runs['seed'].n_unique()} seed(s)."
    )
