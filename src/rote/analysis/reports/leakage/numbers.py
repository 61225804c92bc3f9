"""List the numbers of the report on leakage for its manifest, each with the runs behind it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

import numpy as np

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import mean_of_estimates, mean_over_seeds, paired_difference
from rote.analysis.fits.membership_law import MembershipLaw
from rote.analysis.quantities.leakage import HEADLINE, SIZE
from rote.analysis.reports.leakage import law
from rote.analysis.reports.leakage.law import FittedReading
from rote.analysis.reports.leakage.sizes import Row
from rote.analysis.reports.leakage.study import Study

MIN_K_PLUS_PLUS = "min_k_plus_plus"
NORMAL = 1.96  # half a 95 % interval, in standard errors


def numbers(found: Study) -> dict[str, Any]:
    """Return the numbers for the manifest, by names that are unique within the report."""
    made = {f"membership law {each.reading.value}": _law_numbers(each) for each in found.laws}
    for rows, beside in ((found.scored, ""), (found.shadowed, " beside shadows")):
        for row in rows:
            if row["auroc"]:
                judged = row["qualities"].values()
                made[f"AUROC {row['score']}{beside}, {_place(row)}"] = _entry(
                    "auroc", row["auroc"], row["runs"],
                    f1_at_equal_errors=fmean(each.f1.value for each in judged),
                    balanced_accuracy=fmean(each.balanced_accuracy for each in judged),
                    largest_f1=fmean(each.largest_f1 for each in judged),
                )  # fmt: skip
    for row in found.private:
        made[f"privacy, {row['series']}, N = {row[SIZE]}, seed {row['seed']}"] = {
            "planned_epsilon": row["planned"],
            **{name: value for name, value in asdict(row["bounds"]).items() if name != "curve"},
            "runs": [row["run_id"]],
        }
    for row in found.planted:
        made[f"exposure, {_place(row)}, {row['repeats']} repeats"] = _entry(
            "mean_bits", row["exposure"], row["runs"], interval="interval_bits",
            extracted=row["extracted"] and row["extracted"].value,
        )  # fmt: skip
    for row in found.windows:
        name = f"windows extracted, {_place(row)}, prefix {row['prefix']}"
        made[name] = _entry("excess", row["excess"], row["runs"])
    for row in found.compared:
        where = "all N" if row["N"] is None else f"N = {row['N']}"
        made[f"largest less smallest, {row['kind'].label}, {where}"] = {
            "smaller": row["smaller"], "larger": row["larger"],
            **_entry("difference", row["apart"], row["runs"]),
        }  # fmt: skip
    return made | _trends(found)


def _place(row: Row) -> str:
    return f"{row['series']}, N = {row['N']}"


def _entry(
    name: str, estimate: Estimate, runs: Iterable[str], *, interval: str = "interval", **more: Any
) -> dict[str, Any]:
    return {name: estimate.value, interval: estimate.interval, **more, "runs": [*runs]}


def _law_numbers(fitted: FittedReading) -> dict[str, Any]:
    found, runs = fitted.law, list(fitted.runs["run_id"])
    if not isinstance(found, MembershipLaw):
        return {"height": None, "reason": found.reason, "runs": runs}
    errors = {name: getattr(found, f"{name}_error") for name in law.CONSTANTS}
    return {
        **{name: getattr(found.curve, name) for name in (*law.CONSTANTS, "limit")},
        **{f"{name}_error": errors[name] for name in law.CONSTANTS},
        **{  # a constant at a bound of the fit has no error
            f"{name}_interval": None
            if name in found.at_bounds
            else [getattr(found.curve, name) + way * NORMAL * errors[name] for way in (-1, 1)]
            for name in law.CONSTANTS
        },
        "noise": found.noise,
        "between_sizes": found.between_sizes,
        "at_bounds": list(found.at_bounds),
        "ratios": fitted.ratios,
        "runs": runs,
    }


def _trends(found: Study) -> dict[str, Any]:
    """Return what published claims are about: controls, repeats, sizes, one score against another.

    Intervals are over seeds, or over runs where a run has a value of its own.
    """
    made: dict[str, Any] = {}
    seeds = dict(found.runs.select("run_id", "seed").iter_rows())
    exposures = [(row, *each) for row in found.planted for each in row["exposure_by_run"].items()]
    controls = {run_id: bits for row, run_id, bits in exposures if row["repeats"] == 0}
    if controls:  # equal seeds have equal secrets: their runs are one draw
        draws = _grouped((seeds[run_id], bits) for run_id, bits in controls.items())
        made["exposure of controls"] = _trend("mean_bits", map(fmean, draws), controls)
    for series in found.series:
        points = _grouped(
            (run_id, (run_id, np.log2(row["repeats"]), bits))
            for row, run_id, bits in exposures
            if row["series"] == series and row["repeats"]
        )
        made |= _slopes(f"exposure by repeats, {series}", "bits_per_doubling", points)
    for prefix in dict.fromkeys(row["prefix"] for row in found.windows):
        points = _grouped(
            ((row["N"], seeds[run_id]), (run_id, np.log10(found.parameters[row["series"]]), share))
            for row in found.windows
            if row["prefix"] == prefix
            for run_id, share in row["singles"].items()
        )
        made |= _slopes(f"windows extracted per tenfold size, prefix {prefix}", "share", points)
    of_loss = [row for row in found.scored if row["score"] == HEADLINE]
    for row in sorted(of_loss, key=lambda row: row["N"]):
        f1 = mean_of_estimates([each.f1 for each in row["qualities"].values()])
        entry = _entry("f1", f1, row["runs"], interval="interval_f1", sequences=row["N"])
        made[f"membership F1, {_place(row)}"] = entry
        made[f"membership F1 at the largest N, {row['series']}"] = entry  # the last one stays
    losses = {run_id: auroc for row in of_loss for run_id, auroc in row["singles"].items()}
    apart = {
        run_id: auroc - losses[run_id]
        for row in found.scored
        if row["score"] == MIN_K_PLUS_PLUS
        for run_id, auroc in row["singles"].items()
    }
    if apart:
        name = f"AUROC {MIN_K_PLUS_PLUS} less {HEADLINE}"
        made[name] = _entry("difference", paired_difference([*apart.values()]), apart)
    return made


def _trend(name: str, values: Iterable[float], runs: Iterable[str]) -> dict[str, Any]:
    return _entry(name, mean_over_seeds([*values]), runs, interval=f"interval_{name}")


def _grouped(pairs: Iterable[tuple[Any, Any]]) -> list[list[Any]]:
    """Return the values of each key, in the order of the keys' first appearance."""
    groups: dict[Any, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return list(groups.values())


def _slopes(
    name: str, value: str, groups: Iterable[Sequence[tuple[str, float, float]]]
) -> dict[str, Any]:
    """Return the mean slope over groups of (run, x, y) with two x or more; empty without any."""
    runs: list[str] = []
    slopes = []
    for group in groups:
        of, x, y = zip(*group, strict=True)
        if len(set(x)) > 1:
            runs += dict.fromkeys(of)
            slopes.append(float(np.polyfit(x, y, 1)[0]))
    return {name: _trend(value, slopes, runs)} if slopes else {}
