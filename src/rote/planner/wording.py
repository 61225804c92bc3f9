"""A plan in words: columns, notes, and the lines that a stranger reads first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log

from rote.planner.amounts import duration, short
from rote.planner.belief import Belief, Interval, Repeats
from rote.planner.plan import Plan
from rote.planner.projection import Projection, Value

H100 = "H100 time"
SYMBOLS = {
    "parameters": "N",
    "tokens": "D",
    "unique_tokens": "U",
    "windows_per_parameter": "|D|/N",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the table; ``interval`` stands below its values."""

    name: str
    unit: str
    cell: Callable[[Projection], str]
    interval: Callable[[Projection], str] = lambda row: ""
    is_main: bool = True  # others are left out where a screen is narrow


def columns(plan: Plan) -> list[Column]:
    """Those that this plan knows something of."""
    told = [
        Column(name="parameters", unit="N", cell=lambda row: short(row.parameters)),
        Column(name="tokens", unit="D", cell=lambda row: short(row.tokens)),
        Column(
            name="D/N",
            unit="tokens a parameter",
            cell=lambda row: f"{_ratio(row):.3g}",
            is_main=False,
        ),
        Column(name="FLOPs", unit="6 N D", cell=lambda row: f"{row.flops:.2g}"),
        Column(
            name=H100,
            unit="one, at 40 %",
            cell=lambda row: duration(row.device_seconds),
            is_main=False,
        ),
        _valued("loss", "nats/token", lambda row: row.loss_nats, "{:.3f}"),
    ]
    if plan.question.tokens is not None:
        epochs = Column(name="epochs", unit="", cell=lambda row: f"{row.epochs:.3g}")
        told.insert(2, epochs)
    beliefs = plan.beliefs
    if beliefs.membership:
        told.append(_valued("F1", "membership", lambda row: row.f1, "{:.3f}"))
    if beliefs.exposure:
        told.append(_valued("exposure", "bits", lambda row: row.exposure_bits, "{:.2f}"))
    if beliefs.extraction:
        told.append(_valued("extracted", "of windows", lambda row: row.extracted, "{:.1%}"))
    told.append(
        Column(
            name="storable",
            unit="of the data",
            cell=lambda row: share(row.stored_share),
            is_main=False,
        )
    )
    if plan.question.has_ceiling:
        told.append(Column(name="least data", unit="tokens", cell=_least))
    return told


def marks(plan: Plan, index: int) -> str:
    """What is to be said of a row."""
    row = plan.rows[index]
    told = ["best"] if index == plan.best else []
    if row.parameters == plan.optimum:
        told.append("least loss" if plan.question.flops else "least compute")
    if index in plan.pareto:
        told.append("Pareto")
    return ", ".join([*told, *row.breaks])


def answer(plan: Plan) -> Iterator[str]:
    """The first lines."""
    if plan.best is not None:
        row = plan.rows[plan.best]
        yield (
            f"{_asked(plan)}: {short(row.parameters)} parameters on {short(row.tokens)} tokens "
            f"({_ratio(row):.3g} a parameter) give {_value(row.loss_nats, '{:.3f}')} nats a token"
            f"{_leaks(row)}."
        )
    elif plan.question.has_ceiling and all(row.breaks for row in plan.rows):
        yield f"{_asked(plan)}: no size of this ladder keeps it."
    for row in plan.rows:
        if plan.question.has_ceiling and row.least_tokens and _is_of_ceiling(plan):
            windows = row.least_tokens / plan.beliefs.window_tokens
            yield (
                f"{_asked(plan)}, {short(row.parameters)} parameters: at least "
                f"{short(row.least_tokens)} distinct tokens, which are {windows:,.0f} windows of "
                f"{plan.beliefs.window_tokens}."
            )
    if plan.optimum_interval:
        low, high = plan.optimum_interval
        loss = plan.beliefs.loss_of(plan.question.tokens)
        yield (
            f"The best size by loss alone is {short(plan.optimum or 0)} parameters "
            f"({_meaning(loss)}: {short(low)} to {short(high)})."
        )


def notes(plan: Plan) -> Iterator[str]:
    """What every number rests on, how it is computed, and how far it can be trusted."""
    beliefs = plan.beliefs
    for belief in (beliefs.loss, *beliefs.leakage):
        yield f"{belief.name}: {belief.source}; intervals: {_meaning(belief)}."
        yield from (f"{belief.name}: {warning}." for warning in belief.warnings)
    yield (
        f"storable: the most that the model could hold of the data if it held nothing else, "
        f"{beliefs.capacity.bits_per_parameter:g} bits a parameter ({beliefs.capacity.source}) "
        "over the data's bits at the projected loss."
    )
    yield (
        f"Leakage is of training on |D| = tokens / {beliefs.window_tokens} windows until they are "
        "learnt: single passes over much data leak less. "
        f"Parameters are counted as {beliefs.count.value}."
    )
    is_whole = plan.question.tokens is not None and beliefs.repeats.law is not None
    if is_whole or any(row.epochs > 1 for row in plan.rows):
        yield from _of_repeats(beliefs.repeats)
    if numbers := sum(bool(row.beyond) for row in plan.rows):
        yield (
            f"EXTRAPOLATED, {numbers} of {len(plan.rows)} rows: beyond says how many times the "
            "most or the least that was measured; |D|/N is windows a parameter."
        )
    yield from (f"Left out: {reason}." for reason in plan.left_out)


def _of_repeats(repeats: Repeats) -> Iterator[str]:
    yield f"repetition: {repeats.source}; repeats are worth less, R_D = {repeats.R_D:.3g}."
    yield (
        "Excess parameters are not discounted."
        if repeats.R_N is None
        else f"Excess parameters are worth less too, R_N = {repeats.R_N:.3g}; this law takes the "
        "place of the one named loss in every row, since data are limited."
    )
    yield from (f"repetition: {warning}." for warning in repeats.warnings)


def beyond_briefly(row: Projection) -> str:
    """The furthest that any law is taken in each input: D x7.7, |D|/N x0.1."""
    furthest: dict[str, float] = {}
    for each in row.beyond:
        symbol = SYMBOLS[each.input]
        known = furthest.get(symbol, 1.0)
        furthest[symbol] = max(known, each.factor, key=lambda factor: abs(log(factor)))
    return "\n".join(f"{symbol} x{short(factor)}" for symbol, factor in furthest.items())


def beyond_in_full(row: Projection) -> str:
    """Every law and input."""
    return "; ".join(
        f"{each.law}: {each.input.replace('_', ' ')} x{short(each.factor)} of the "
        f"{'most' if each.factor > 1 else 'least'} measured"
        for each in row.beyond
    )


def share(value: float) -> str:
    """Per cent with two digits, however small."""
    return f"{value:.2g}" if value < 1e-4 else f"{value:.2%}" if value < 0.1 else f"{value:.0%}"


def _valued(name: str, unit: str, of: Callable[[Projection], Value | None], form: str) -> Column:
    def cell(row: Projection) -> str:
        value = of(row)
        return "" if value is None else form.format(value.value)

    def interval(row: Projection) -> str:
        value = of(row)
        return "" if value is None else _span(value.interval, form)

    return Column(name=name, unit=unit, cell=cell, interval=interval)


def _span(interval: Interval | None, form: str) -> str:
    return f"{form.format(interval[0])}-{form.format(interval[1])}" if interval else ""


def _value(value: Value, form: str) -> str:
    span = _span(value.interval, form)
    return form.format(value.value) + (f" ({span})" if span else "")


def _leaks(row: Projection) -> str:
    told = []
    if row.f1:
        told.append(f"a membership F1 of {_value(row.f1, '{:.3f}')}")
    if row.exposure_bits:
        told.append(f"{_value(row.exposure_bits, '{:.2f}')} bits of exposure")
    if row.extracted:
        told.append(f"{_value(row.extracted, '{:.1%}')} of windows extracted")
    return f", {', '.join(told)}" if told else ""


def _least(row: Projection) -> str:
    return short(row.least_tokens) if row.least_tokens else "never"


def _ratio(row: Projection) -> float:
    return row.tokens_per_parameter


def _meaning(belief: Belief) -> str:
    if belief.misses:
        return belief.misses.source
    if not belief.rivals:
        return "none, there is one fit"
    return "95 %" if belief.is_resampled else f"span of {len(belief.rivals)} published fits"


def _is_of_ceiling(plan: Plan) -> bool:
    """Nothing but the ceiling says how much data there is."""
    asked = plan.question
    return asked.flops is None and asked.loss_nats is None and asked.tokens is None


def _asked(plan: Plan) -> str:
    asked = plan.question
    parts = [
        ("{:.3g} FLOPs", asked.flops),
        ("a loss of {:g} nats", asked.loss_nats),
        ("{:.3g} tokens", asked.tokens),
        ("F1 at most {:g}", asked.max_f1),
        ("exposure at most {:g} bits", asked.max_exposure_bits),
        ("extraction at most {:g}", asked.max_extracted),
    ]
    told = ", ".join(form.format(value) for form, value in parts if value is not None)
    return f"For {told}"
