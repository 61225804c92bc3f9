"""Word the findings of a size: which architecture memorises most, and what is left open."""

from collections.abc import Iterator, Sequence

from rote.analysis.estimate import Estimate, between, plural
from rote.analysis.metrics import METRICS
from rote.analysis.quantities.architectures import (
    REFERENCE,
    Point,
    Verdict,
    difference_over_seeds,
    difference_to_reference,
    reference_of,
    verdict,
)

PER_PARAMETER = METRICS["bits_per_parameter"]
LOWER_BOUND = "a lower bound: not converged, or data-limited"
CAPTION = (
    "Large marks are means over seeds with 95 % intervals, Student's t; small ones are single "
    "runs. Open marks are lower bounds: runs that had not converged, or that store nearly all of "
    "their data. Parameters are those that train: of LoRA the adapters, of a mixture all experts."
)
FLOPS_CAPTION = (
    "FLOPs are 2 for each parameter, as often as a token goes through it, frozen ones included; "
    "attention scores are left out. Models of one column spend equally many on a token. "
)
TABLE_NOTE = (
    f"Differences are paired by seed and less {REFERENCE}. Of several sizes of data set each row "
    "takes the one of which most is memorised. Stored is the share of all that can be memorised of "
    "it: an architecture that stores nearly all of its largest data set is data-limited, and its "
    "numbers are lower bounds, as are those of runs that had not converged."
)


def lines(points: Sequence[Point]) -> Iterator[str]:
    """Findings of one size."""
    size = points[0].size
    if not any(each.is_above_guess for each in points):
        yield f"{size}: no architecture memorises anything beyond doubt, so none can be compared"
        return
    yield f"{size}: {_most_words(points, 'per_parameter', 'per parameter')}"
    yield from (f"{size}: {words}" for words in _difference_words(points))
    yield f"{size}: {_most_words(points, 'per_flop', 'per forward FLOP of a token')}"
    for each in points:
        if each.active_parameters != each.parameters:
            yield (
                f"{size}: {each.name}: {_amount(each, 'per_active_parameter')} bits per active "
                f"parameter ({each.active_parameters:,}), {_amount(each, 'per_parameter')} per "
                "parameter"
            )
        if each.total_parameters != each.parameters:
            yield (
                f"{size}: {each.name}: {_amount(each, 'per_parameter')} bits per parameter that "
                f"trains, beside {each.total_parameters - each.parameters:,} that are frozen"
            )
    if limited := [each.name for each in points if each.is_data_limited]:
        yield (
            f"{size}: data-limited, nearly all of the largest data set is stored: "
            f"{', '.join(limited)}; how much more they can memorise is not known"
        )


def _most_words(points: Sequence[Point], column: str, words: str) -> str:
    """Which architecture memorises most, and which may equal it."""
    known = [each for each in points if each.is_above_guess]
    best, *others = sorted(known, key=lambda each: -_estimate(each, column).value)
    parts = [f"most memorised {words}: {best.name}, {_amount(best, column)} bits"]
    gaps = [(each, difference_over_seeds(best, each, column)) for each in others]
    alike = [each.name for each, gap in gaps if gap is None or gap.sign <= 0]
    may_be_more = [each.name for each, gap in gaps if gap and gap.sign > 0 and each.is_lower_bound]
    if alike:
        parts.append(f"no difference beyond doubt from {', '.join(alike)}")
    if may_be_more:
        parts.append(f"less in these runs, but a lower bound: {', '.join(may_be_more)}")
    return "; ".join(parts)


def _difference_words(points: Sequence[Point]) -> Iterator[str]:
    """A line for each verdict about bits per parameter."""
    judged: dict[Verdict, list[str]] = {}
    for each in points:
        reference, gap = reference_of(each, points), difference_to_reference(each, points)
        if reference and gap:
            amount = f"{each.name} {gap.words(PER_PARAMETER.signed)}"
            judged.setdefault(verdict(gap, each, reference), []).append(amount)
    for found in Verdict:
        if found in judged:
            yield f"against {REFERENCE}, bits per parameter, {found.value}: " + ", ".join(
                judged[found]
            )


def _estimate(point: Point, column: str) -> Estimate:
    found: Estimate = getattr(point, column)
    return found


def _amount(point: Point, column: str) -> str:
    start = "at least " if point.is_lower_bound else ""
    return start + _estimate(point, column).words(PER_PARAMETER.form)


def standing(point: Point) -> str:
    """Why the point is a lower bound."""
    open_runs = point.runs.height - point.num_converged
    parts = [f"{open_runs} of {plural(point.runs.height, 'run')} had not converged"]
    return ", ".join(parts[: bool(open_runs)] + ["data-limited"] * point.is_data_limited)


def title(sizes: Sequence[Sequence[Point]]) -> str:
    """State the span of all sizes and architectures."""
    points = [each for points in sizes for each in points if each.is_above_guess]
    if not points:
        return "No architecture memorises anything beyond doubt"
    values = [each.per_parameter.value for each in points]
    bounds = ", lower bounds among them" if any(each.is_lower_bound for each in points) else ""
    return f"Architectures memorise {between(values, '{:.2f}')} bits per parameter{bounds}"
