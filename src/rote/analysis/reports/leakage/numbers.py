"""The numbers of the report on leakage for its manifest, each with the runs behind it."""

from collections.abc import Iterable, Iterator
from statistics import fmean
from typing import Any

from rote.analysis.fits.membership_law import MembershipLaw
from rote.analysis.reports.leakage.law import Fitted
from rote.analysis.reports.leakage.points import Place, Planted, Scored, Windows
from rote.analysis.reports.leakage.study import Study

Numbers = Iterator[tuple[str, dict[str, Any]]]


def numbers(found: Study) -> dict[str, dict[str, Any]]:
    """By a name that is unique within the report."""
    shadowed = [each for each in found.shadowed if isinstance(each, Scored)]
    return {
        **{f"membership law {fitted.reading.value}": _law(fitted) for fitted in found.laws},
        **dict(_scores(found.scored, "")),
        **dict(_scores(shadowed, " beside shadows")),
        **dict(map(_planted, found.planted)),
        **dict(map(_windows, found.windows)),
        **dict(_compared(found)),
    }


def _law(fitted: Fitted) -> dict[str, Any]:
    law, runs = fitted.law, list(fitted.runs["run_id"])
    if not isinstance(law, MembershipLaw):
        return {"height": None, "reason": law.reason, "runs": runs}
    return {
        "height": law.curve.height,
        "height_error": law.height_error,
        "slope": law.curve.slope,
        "slope_error": law.slope_error,
        "offset": law.curve.offset,
        "offset_error": law.offset_error,
        "limit": law.curve.limit,
        "noise": law.noise,
        "between_sizes": law.between_sizes,
        "at_bounds": list(law.at_bounds),
        "ratios": fitted.ratios,
        "runs": runs,
    }


def _scores(points: Iterable[Scored], beside: str) -> Numbers:
    for each in points:
        yield (
            f"AUROC {each.score}{beside}, {_told(each.place)}",
            {
                "auroc": each.auroc.value,
                "interval": each.auroc.interval,
                "f1_at_equal_errors": fmean(one.f1.value for one in each.qualities),
                "balanced_accuracy": fmean(one.balanced_accuracy for one in each.qualities),
                "largest_f1": fmean(one.largest_f1 for one in each.qualities),
                "runs": list(each.place.run_ids),
            },
        )


def _planted(point: Planted) -> tuple[str, dict[str, Any]]:
    return (
        f"exposure, {_told(point.place)}, {point.repeats} repeats",
        {
            "mean_bits": point.exposure_bits.value,
            "interval_bits": point.exposure_bits.interval,
            "extracted": point.extracted and point.extracted.value,
            "runs": list(point.place.run_ids),
        },
    )


def _windows(point: Windows) -> tuple[str, dict[str, Any]]:
    excess = point.extraction.excess
    return (
        f"windows extracted, {_told(point.place)}, prefix {point.extraction.prefix_tokens}",
        {
            "excess": excess.value,
            "interval": excess.interval,
            "runs": list(point.place.run_ids),
        },
    )


def _compared(found: Study) -> Numbers:
    for each in found.compared:
        where = "all N" if each.num_sequences is None else f"N = {each.num_sequences}"
        yield (
            f"largest less smallest, {each.kind.title}, {where}",
            {
                "difference": each.apart.value,
                "interval": each.apart.interval,
                "runs": list(each.run_ids),
            },
        )


def _told(place: Place) -> str:
    return f"{place.series}, N = {place.num_sequences}"
