"""A fitted law in words and cells, the same for the terminal and the page."""

from dataclasses import dataclass

from rote.analysis.estimate import span
from rote.analysis.laws.law import Constant, Fitted, Law

FORM = "{:.4g}"
HEADLINED = ("R_D", "a", "alpha_N", "alpha", "slope")  # the first of these that a law has


@dataclass(frozen=True, kw_only=True)
class Line:
    """One constant as it is shown."""

    name: str
    meaning: str
    value: str
    standard_error: str
    profile: str
    bootstrap: str
    published: tuple[str, ...]  # by source, in the order of `Law.published`


def lines(law: Law, fitted: Fitted) -> list[Line]:
    """Constants first, then what follows from them."""
    return [_line(law, each) for each in (*fitted.constants, *fitted.derived)]


def headline(fitted: Fitted) -> str:
    """What the runs say, in the one constant that most is asked of."""
    named = {each.name: each for each in (*fitted.constants, *fitted.derived)}
    told = next((named[name] for name in HEADLINED if name in named), fitted.constants[-1])
    bounds = told.bootstrap_interval or told.profile_interval
    spanned = f" (95 %: {span(bounds, FORM)})" if bounds else ""
    points = f"{fitted.law}, {fitted.goodness.num_points} points"
    return f"{points}: {told.name} = {number(told.value)}{spanned}"


def goodness(fitted: Fitted) -> str:
    """One sentence."""
    good = fitted.goodness
    return (
        f"{good.num_points} points, {good.num_constants} constants; "
        f"residuals of ln {fitted.output}: {good.rms_log_residual:.2%} rms, "
        f"{good.largest_log_residual:.2%} at most; {good.explained:.2%} of its variance explained"
    )


def method(fitted: Fitted) -> str:
    """How, and in which convention."""
    count = fitted.count.value
    how = fitted.method[:1].upper() + fitted.method[1:]
    return f"{how}; parameters counted as {count}; intervals 95 %"


def _line(law: Law, constant: Constant) -> Line:
    name = constant.name
    return Line(
        name=name,
        meaning=constant.meaning,
        value=number(constant.value),
        standard_error="" if constant.standard_error is None else number(constant.standard_error),
        profile=span(constant.profile_interval, FORM),
        bootstrap=span(constant.bootstrap_interval, FORM),
        published=tuple(_published(curve, name) for curve in law.published.values()),
    )


def _published(curve: object, name: str) -> str:
    """A constant or a property of that name; most derived ones have none."""
    value = getattr(curve, name, None)
    return number(value) if isinstance(value, int | float) else ""


def number(value: float) -> str:
    """Four digits."""
    return FORM.format(value)
