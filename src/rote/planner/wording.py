"""Put a plan into words: its first lines, marks of a row, and notes."""

from collections.abc import Iterator
from dataclasses import replace
from math import log

from rote.analysis.quantities.exposure import CHANCE_BITS
from rote.core.units import bits_from_nats
from rote.planner.formatting import short
from rote.planner.law_estimates import LawEstimate, RepetitionLaw
from rote.planner.plan import TrainingPlan
from rote.planner.projection import Projection, Value

SYMBOLS = {
    "parameters": "N",
    "tokens": "D",
    "unique_tokens": "U",
    "windows_per_parameter": "|D|/N",
    "epochs": "epochs",
    "repeats": "repeats",
}
CHANCE_F1 = 0.5
AS_WRITTEN = 5e-4  # F1 has three digits


def marks(plan: TrainingPlan, index: int) -> str:
    """Return the remarks about a row."""
    row = plan.rows[index]
    words = ["best"] if index == plan.best else []
    if row.parameters == plan.optimum:
        words.append("least loss" if plan.question.flops else "least compute")
    if index in plan.pareto:
        words.append("Pareto")
    return ", ".join([*words, *row.breaks])


def answer(plan: TrainingPlan) -> Iterator[str]:
    """Yield the first lines."""
    asked = plan.question
    if plan.best is not None:
        row = plan.rows[plan.best]
        yield (
            f"{_asked(plan)}: {short(row.parameters)} parameters on {short(row.tokens)} tokens "
            f"({row.tokens_per_parameter:.3g} a parameter) give a held-out loss of "
            f"{loss_bits(row).words('{:.3f}')} bits per token{_leaks(row)}."
        )
    elif asked.has_ceiling and all(row.breaks for row in plan.rows):
        yield f"{_asked(plan)}: no size of this ladder keeps it."
    is_of_ceiling = asked.flops is None and asked.loss_nats is None and asked.tokens is None
    for row in plan.rows if is_of_ceiling else ():
        if row.least_tokens:
            windows = row.least_tokens / plan.estimates.window_tokens
            yield (
                f"{_asked(plan)}, {short(row.parameters)} parameters: at least "
                f"{short(row.least_tokens)} distinct tokens, which are {windows:,.0f} windows of "
                f"{plan.estimates.window_tokens}."
            )
    if plan.optimum_interval:
        low, high = plan.optimum_interval
        loss = plan.estimates.loss_of(asked.tokens)
        yield (
            f"The best size by loss alone is {short(plan.optimum or 0)} parameters "
            f"({_meaning(loss)}: {short(low)} to {short(high)})."
        )


def notes(plan: TrainingPlan) -> Iterator[str]:
    """Yield the sources of every number, how it is computed, and how reliable it is."""
    estimates = plan.estimates
    for estimate in (estimates.loss, *estimates.leakage):
        yield f"{estimate.name}: {estimate.source}; intervals: {_meaning(estimate)}."
        yield from (f"{estimate.name}: {warning}." for warning in estimate.warnings)
    yield (
        f"storable: the most that the model could hold of the data if it held nothing else, "
        f"{estimates.capacity.bits_per_parameter:g} bits a parameter ({estimates.capacity.source}) "
        "over the data's bits at the projected loss."
    )
    yield (
        f"Leakage is of training on |D| = tokens / {estimates.window_tokens} windows until they "
        "are learnt: single passes over much data leak less. "
        f"Parameters are counted as {estimates.count.value}."
    )
    if estimates.suffix:
        yield (
            "p_z is the probability that one sample is the last "
            f"{estimates.suffix.suffix_tokens:g} tokens of a training sequence, given the others; "
            f"it occurs {plan.question.repeats:g} times in the training set. "
            "It is a geometric mean: about half of the sequences have a higher one."
        )
    is_whole = plan.question.tokens is not None and estimates.repeats.law is not None
    if is_whole or any(row.epochs > 1 for row in plan.rows):
        yield from _of_repeats(estimates.repeats)
    if numbers := sum(bool(row.beyond) for row in plan.rows):
        yield (
            f"EXTRAPOLATED, {numbers} of {len(plan.rows)} rows: beyond says how many times the "
            "most or the least that was measured; |D|/N is windows a parameter."
        )
    yield from (f"Left out: {reason}." for reason in plan.left_out)


def _of_repeats(repeats: RepetitionLaw) -> Iterator[str]:
    yield f"repetition: {repeats.source}; repeats are worth less, R_D = {repeats.R_D:.3g}."
    yield (
        "Excess parameters are not discounted."
        if repeats.R_N is None
        else f"Excess parameters are worth less too, R_N = {repeats.R_N:.3g}; this law takes the "
        "place of the one named loss in every row, since data are limited."
    )
    yield from (f"repetition: {warning}." for warning in repeats.warnings)


def beyond_briefly(row: Projection) -> str:
    """Return the furthest extrapolation of any law in each input: D x7.7, |D|/N x0.1."""
    furthest: dict[str, float] = {}
    for each in row.beyond:
        symbol = SYMBOLS[each.input]
        known = furthest.get(symbol, 1.0)
        furthest[symbol] = max(known, each.factor, key=lambda factor: abs(log(factor)))
    return ", ".join(f"{symbol} x{short(factor)}" for symbol, factor in furthest.items())


def beyond_in_full(row: Projection) -> str:
    """Return the extrapolation of every law and input."""
    return "; ".join(
        f"{each.law}: {each.input.replace('_', ' ')} x{short(each.factor)} of the "
        f"{'most' if each.factor > 1 else 'least'} measured"
        for each in row.beyond
    )


def loss_bits(row: Projection) -> Value:
    """Return the projected held-out loss in bits per token."""
    value, interval = row.loss_nats.value, row.loss_nats.interval
    ends = interval and (bits_from_nats(interval[0]), bits_from_nats(interval[1]))
    return replace(row.loss_nats, value=bits_from_nats(value), interval=ends)


def _leaks(row: Projection) -> str:
    """Describe each kind of leakage, and whether a guess reaches it."""
    parts = []
    if row.f1:
        by_chance = ", that of a guess" if row.f1.value < CHANCE_F1 + AS_WRITTEN else ""
        parts.append(f"a membership F1 of {row.f1.words('{:.3f}')}{by_chance}")
    if row.exposure_bits:
        guess = f"{CHANCE_BITS:.2f} by a guess"
        parts.append(f"{row.exposure_bits.words('{:.2f}')} bits of exposure ({guess})")
    if row.extracted:
        parts.append(f"{row.extracted.words('{:.1%}')} of windows extracted")
    if row.p_z:
        parts.append(f"a p_z of {row.p_z.words('{:.2g}')}")
    return f", {', '.join(parts)}" if parts else ""


def _meaning(estimate: LawEstimate) -> str:
    if estimate.validation_errors:
        return estimate.validation_errors.source
    if not estimate.rivals:
        return "none, there is one fit"
    return "95 %" if estimate.is_resampled else f"span of {len(estimate.rivals)} published fits"


def _asked(plan: TrainingPlan) -> str:
    asked = plan.question
    parts = [
        f"{short(asked.flops)} FLOPs" if asked.flops else "",
        f"a loss of {asked.loss_nats:g} nats ({bits_from_nats(asked.loss_nats):.3f} bits) per token"
        if asked.loss_nats
        else "",
        f"{short(asked.tokens)} tokens" if asked.tokens else "",
        f"F1 at most {asked.max_f1:g}" if asked.max_f1 else "",
        f"exposure at most {asked.max_exposure_bits:g} bits" if asked.max_exposure_bits else "",
        f"extraction at most {asked.max_extracted:g}" if asked.max_extracted else "",
        f"p_z at most {asked.max_p_z:g}" if asked.max_p_z else "",
    ]
    return f"For {', '.join(filter(None, parts))}"
