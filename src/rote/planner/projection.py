"""Project loss, leakage, storage and cost of one size trained on so many tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rote.analysis.derived import FLOPS_PER_PARAMETER_AND_TOKEN
from rote.analysis.estimate import Interval, span
from rote.core.units import bits_from_nats
from rote.planner.law_estimates import Extrapolation, LawEstimate, LawEstimates
from rote.planner.request import PlanRequest
from rote.planner.solving import least_data

SLACK = 1e-6  # relative: a row at exactly a ceiling keeps it


@dataclass(frozen=True, kw_only=True)
class Value:
    """A projected number and its interval; None without rivals."""

    value: float
    interval: Interval | None

    def words(self, form: str) -> str:
        """Return "0.12 (0.10 to 0.14)"."""
        ends = f" ({span(self.interval, form)})" if self.interval else ""
        return form.format(self.value) + ends


@dataclass(frozen=True, kw_only=True)
class Projection:
    """One row of a plan."""

    parameters: float
    tokens: float  # seen in training
    unique_tokens: float
    flops: float
    device_seconds: float
    loss_nats: Value
    f1: Value | None
    exposure_bits: Value | None
    extracted: Value | None
    p_z: Value | None
    capacity_bits: float
    data_bits: float  # bits of the unique tokens, at the projected loss
    least_tokens: float | None  # unique, for every ceiling on leakage; None: not asked, or never
    breaks: tuple[str, ...]  # requests that are not kept
    beyond: tuple[Extrapolation, ...]

    @property
    def tokens_per_parameter(self) -> float:
        """Tokens seen, with repeats, per parameter."""
        return self.tokens / self.parameters

    @property
    def epochs(self) -> float:
        """Passes over the data."""
        return self.tokens / self.unique_tokens

    @property
    def stored_share(self) -> float:
        """The largest share of the data that the model could hold, if it held nothing else."""
        return min(1.0, self.capacity_bits / self.data_bits)


def project(
    estimates: LawEstimates, question: PlanRequest, parameters: float, tokens: float
) -> Projection:
    """Project everything that the estimates give for one size and data set."""
    unique = min(tokens, question.tokens or tokens)
    samples = unique / estimates.window_tokens
    loss = _value(estimates.loss_of(question.tokens), parameters, tokens)
    leaks = [
        None if estimate is None else _value(estimate, parameters, samples)
        for estimate, _ in _leaks(estimates, question, tokens)
    ]
    flops = FLOPS_PER_PARAMETER_AND_TOKEN * parameters * tokens
    return Projection(
        parameters=parameters,
        tokens=tokens,
        unique_tokens=unique,
        flops=flops,
        device_seconds=flops / question.device_flops_per_second,
        loss_nats=loss,
        f1=leaks[0],
        exposure_bits=leaks[1],
        extracted=leaks[2],
        p_z=leaks[3],
        capacity_bits=estimates.capacity.bits_per_parameter * parameters,
        data_bits=unique * bits_from_nats(loss.value),
        least_tokens=least_tokens(estimates, question, parameters, tokens),
        breaks=tuple(_breaks(question, loss, leaks)),
        beyond=tuple(_beyond(estimates, question, parameters, tokens, unique)),
    )


def least_tokens(
    estimates: LawEstimates, question: PlanRequest, parameters: float, seen_tokens: float
) -> float | None:
    """Return the distinct tokens that keep all ceilings on leakage; None if none is set, or kept.

    If training sees more than these, ``seen_tokens``, it repeats them.
    """
    most = 0.0
    for estimate, ceiling in _leaks(estimates, question, seen_tokens):
        if estimate is None or ceiling is None:
            continue
        samples = least_data(estimate.best, ceiling, parameters)
        if samples is None:
            return None
        most = max(most, samples * estimates.window_tokens)
    return most or None


def _leaks(
    estimates: LawEstimates, question: PlanRequest, seen_tokens: float
) -> list[tuple[LawEstimate | None, float | None]]:
    """Return each kind with its ceiling: F1, bits of exposure, share extracted, p_z."""
    return [
        (estimates.membership, question.max_f1),
        (estimates.exposure, question.max_exposure_bits),
        (estimates.extraction, question.max_extracted),
        (estimates.p_z(question.repeats, seen_tokens), question.max_p_z),
    ]


def _value(estimate: LawEstimate, parameters: float, data: float) -> Value:
    return Value(
        value=estimate.best(parameters, data), interval=estimate.interval(parameters, data)
    )


def _breaks(question: PlanRequest, loss: Value, leaks: Sequence[Value | None]) -> Iterator[str]:
    asked = (
        ("loss in nats", question.loss_nats, loss),
        ("membership F1", question.max_f1, leaks[0]),
        ("exposure", question.max_exposure_bits, leaks[1]),
        ("extraction", question.max_extracted, leaks[2]),
        ("p_z", question.max_p_z, leaks[3]),
    )
    for name, most, projected in asked:
        if most is not None and projected is not None and projected.value > most * (1 + SLACK):
            yield f"{name} above {most:g}"


def _beyond(
    estimates: LawEstimates, question: PlanRequest, parameters: float, tokens: float, unique: float
) -> Iterator[Extrapolation]:
    loss = estimates.loss_of(question.tokens)
    yield from loss.beyond(parameters=parameters, tokens=tokens, unique_tokens=unique)
    windows_per_parameter = unique / estimates.window_tokens / parameters
    for estimate in estimates.leakage:
        yield from estimate.beyond(windows_per_parameter=windows_per_parameter)
    if estimates.suffix:
        inputs = {"parameters": parameters, "tokens": tokens, "epochs": tokens / unique}
        yield from estimates.suffix.estimate.beyond(**inputs, repeats=question.repeats)
