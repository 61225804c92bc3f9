"""Put findings on capacity into sentences for the terminal, the page and the figures."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rote.analysis.estimate import between, extent, plural
from rote.analysis.estimators import difference as apart
from rote.analysis.fits.budget import Limit
from rote.analysis.fits.plateau import Plateau
from rote.analysis.published import PublishedAlpha, is_comparable, other_data, published_mean
from rote.analysis.quantities.convergence import converged
from rote.analysis.reports.capacity.differences import Difference
from rote.analysis.reports.capacity.study import Alpha, CapacityOfSize, Study

EVALUATIONS = "training.finish.evaluations"
NUM_NAMED = 4  # formats that a title names one by one
NOTHING = "No run memorised anything"


def headlines(study: Study, compared: Sequence[Difference]) -> tuple[str, ...]:
    """Return terminal lines: formats, convergence, unlimited budgets, and differences."""
    limits = [limit(each) for each in study.best if each.budgets][:NUM_NAMED]
    of_formats = map(difference, compared[: NUM_NAMED - 1])
    return (*map(headline, study.alphas), converged(study.longest), *limits, *of_formats)


def headline(alpha: Alpha) -> str:
    """State value, interval and published value."""
    if alpha.maximum_bits_per_parameter <= 0:
        return f"{alpha.format}: no run memorised anything"
    mean, others = published(alpha)
    beside = f"; published {mean.bits_per_parameter:.2f} {others}".rstrip() if mean else ""
    return f"{alpha.format}: {value(alpha)} bits per parameter ({basis(alpha)}{beside})"


def published(alpha: Alpha) -> tuple[PublishedAlpha | None, str]:
    """Return the published mean comparable with all sizes, and how its data differ."""
    runs = alpha.runs.to_dicts()
    mean = published_mean(alpha.precision) if all(map(is_comparable, runs)) else None
    return mean, next(filter(None, map(other_data, runs)), "")


def difference(found: Difference) -> str:
    """State the difference of two formats, and whether it is significant."""
    bits = found.bits_per_parameter
    spanned = f"95 % interval {bits.span('{:+.3f}')}" if bits.interval else bits.why_none
    return (
        f"{found.formats}: {bits.value:+.3f} bits per parameter ({spanned}, {found.pairs}): "
        f"{verdict(found)}"
    )


def verdict(found: Difference) -> str:
    """Judge by the interval of the difference alone."""
    if found.bits_per_parameter.interval is None:
        return "no interval, no verdict"
    if not found.bits_per_parameter.sign:
        return "no difference is shown"
    return "they differ" + (", in runs that had not converged" if found.is_of_bounds else "")


def value(alpha: Alpha) -> str:
    """Format bits per parameter; if runs had not converged, the most that one run stored."""
    most = alpha.maximum_bits_per_parameter
    if most <= 0:
        return "none"
    if alpha.is_lower_bound:
        return f"at least {floored(most)}"
    return f"{alpha.bits_per_parameter.value:.2f}"


def floored(bits_per_parameter: float) -> str:
    """Round a stored amount > 0 down, so that it stays a bound; small ones to two digits."""
    digits = max(2, 1 - math.floor(math.log10(bits_per_parameter)))
    return f"{math.floor(bits_per_parameter * 10**digits) / 10**digits:.{digits}f}"


def basis(alpha: Alpha) -> str:
    """State the interval and the sizes behind a value."""
    if alpha.slope is None:
        parts = ["the largest maximum: no size reached a plateau"]
    else:
        mean, spread = alpha.bits_per_parameter, alpha.slope.between
        bound = f"most that one run stored; plateau {mean.value:.2f}, "
        parts = [
            f"{bound if alpha.is_lower_bound else ''}95 % interval {mean.span('{:.2f}')}",
            plural(len(alpha.fitted), "size"),
        ]
        if spread is not None:
            parts.append(f"spread between sizes {spread.value:.2f}")
    if alpha.num_data_limited:
        parts.append(f"{plural(alpha.num_data_limited, 'size')} data-limited")
    return ", ".join([*parts, *_heads(alpha)])


def _heads(alpha: Alpha) -> list[str]:
    """State the heads behind a value: the best of each size, or those that all sizes have."""
    names = [each.model for each in alpha.capacities]
    if alpha.has_chosen_heads:
        named = names if len(names) <= NUM_NAMED else [names[0], "...", names[-1]]
        return [f"the best heads of each size: {'; '.join(named)}"]
    heads = sorted({each.num_heads for each in alpha.capacities if each.num_heads})
    if len(heads) <= 1:
        return [plural(number, "head") for number in heads]
    return [f"{heads[0]} to {heads[-1]} heads"]


def standing(capacity: CapacityOfSize) -> str:
    """State briefly whether a capacity is a plateau, data-limited, or only a maximum."""
    words = ["not converged"] if capacity.num_unconverged else []
    if capacity.is_data_limited:
        words.append("data-limited")
    elif not isinstance(capacity.plateau, Plateau):
        words.append("maximum, no plateau")
    return ", ".join(words) or "plateau of converged runs"


def all_hold(study: Study) -> str:
    """State the range of the plateaus of all sizes whose runs had converged.

    Without such plateaus, state the most that one run stored.
    """
    best = study.best
    most = max(each.maximum_bits_per_parameter for each in best)
    settled = [each for each in best if not each.num_unconverged]
    fitted = [each for each in settled if isinstance(each.plateau, Plateau)]
    if most <= 0:
        return NOTHING
    if fitted:
        where = "" if len(fitted) == len(best) else f", in {len(fitted)} of {len(best)} models"
        return f"Memory fills up at {_range(fitted)} bits per parameter{where}"
    if settled and all(each.is_data_limited for each in best):
        return f"All data sets are stored: {_range(settled)} bits per parameter (data-limited)"
    why = "no model shows a plateau" if settled else "longer training may store more"
    return f"One run stored {floored(most)} bits per parameter; {why}"


def limit(capacity: CapacityOfSize) -> str:
    """State the bits of its best run at an unlimited budget, beside the stored bits."""
    budgets, parameters = capacity.budgets, capacity.parameters
    assert budgets is not None
    stored = f"{budgets.stored_bits / parameters:.2f} stored"
    start = f"{capacity.model} in {capacity.format}, unlimited {budgets.unit}"
    found = budgets.most.limit
    if not isinstance(found, Limit):
        return f"{start}: no limit can be given ({found.reason}); {stored}"
    value, low, high = (bits / parameters for bits in (found.bits, *found.interval_bits))
    predicted = ""
    if isinstance(budgets.held_back, Limit):
        least, most = (bits / parameters for bits in budgets.held_back.interval_bits)
        predicted = f", {least:.2f} to {most:.2f} predicted from shorter budgets"
    return (
        f"{start}: {value:.2f} bits per parameter (95 % interval {low:.2f} to {high:.2f}); "
        f"{stored}{predicted}"
    )


def limits_found(capacities: Sequence[CapacityOfSize]) -> str:
    """State, over budgets, what an unlimited one would add."""
    if len(capacities) == 1:
        return limit(capacities[0])
    gains = [each.limit.gain_bits / each.parameters for each in capacities if each.limit]
    if not gains:
        return f"No limit can be given for any of {len(capacities)} models"
    more = f"{between(gains, '{:.2f}')} bits per parameter more"
    return f"Unlimited budgets would store {more}, in {len(gains)} of {len(capacities)} models"


def heads_compared(capacities: Sequence[CapacityOfSize]) -> str:
    """State the size for which heads matter most, if the difference is significant."""
    by_size: dict[Any, list[CapacityOfSize]] = {}
    for each in sorted(capacities, key=lambda each: each.bits_per_parameter.value):
        by_size.setdefault((each.size, each.format), []).append(each)
    gaps = [
        (apart(same[-1].bits_per_parameter, same[0].bits_per_parameter), same[-1], same[0])
        for same in by_size.values()
    ]
    gap, best, least = max(gaps, key=lambda each: each[0].value)
    most, fewest = best.bits_per_parameter, least.bits_per_parameter
    amounts = (
        f"{most.value:.2f} bits per parameter with {plural(best.num_heads or 0, 'head')}, "
        f"{fewest.value:.2f} with {plural(least.num_heads or 0, 'head')} "
        f"({best.shape}, {best.format})"
    )
    if not (most.interval and fewest.interval) or gap.sign <= 0:
        return f"No difference between heads is shown at equal parameters: {amounts}"
    is_bound = best.num_unconverged or least.num_unconverged
    return f"At equal parameters heads matter{' in this training' if is_bound else ''}: {amounts}"


def alphas_compared(study: Study) -> str:
    """State each format's value, or the least and the largest of many."""
    ordered = sorted(study.alphas, key=lambda alpha: alpha.bits_per_parameter.value)
    if max(alpha.maximum_bits_per_parameter for alpha in ordered) <= 0:
        return NOTHING
    if len(ordered) <= NUM_NAMED:
        comma = "; " if any("," in alpha.format for alpha in ordered) else ", "
        values = comma.join(f"{value(alpha)} in {alpha.format}" for alpha in study.alphas)
        return f"Bits per parameter: {values}"
    least, most = ordered[0], ordered[-1]
    return (
        f"Bits per parameter: from {value(least)} ({least.format}) to {value(most)} "
        f"({most.format}) in {len(ordered)} formats"
    )


def setting(study: Study) -> str:
    """State the conditions of all numbers: models, data and training length."""
    runs, finish = study.runs, ""
    if EVALUATIONS in runs.columns and runs[EVALUATIONS].count():
        finish = f", then {extent(runs[EVALUATIONS].drop_nulls())} full-batch evaluations"
    return (
        f"{extent(runs['task.num_sequences'])} sequences of {extent(runs['task.length'])} tokens, "
        f"each token uniform over {extent(runs['task.vocab_size'])} symbols; models of "
        f"{extent(runs['parameters'])} parameters; {extent(runs['training.steps'])} optimiser "
        f"steps{finish}; {plural(runs['seed'].n_unique(), 'seed')}."
    )


def _range(capacities: Iterable[CapacityOfSize]) -> str:
    return between((each.bits_per_parameter.value for each in capacities), "{:.2f}")
