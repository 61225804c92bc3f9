"""List the numbers of the report on leakage for its manifest, each with the runs behind it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from statistics import fmean
from typing import Any

import numpy as np

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import mean_of_estimates, mean_over_seeds, paired_difference
from rote.analysis.fits.membership_law import MembershipLaw
from rote.analysis.quantities.leakage import SIZE
from rote.analysis.reports.leakage import law
from rote.analysis.reports.leakage.law import FittedReading
from rote.analysis.reports.leakage.sizes import Row
from rote.analysis.reports.leakage.study import Study

LOSS, MIN_K_PLUS_PLUS = "loss", "min_k_plus_plus"
NORMAL = 1.96  # half a 95 % interval, in standard errors
FEWEST_SIZES = 2  # through which a slope over sizes is taken


def numbers(found: Study) -> dict[str, Any]:
    """Return the numbers for the manifest, by names that are unique within the report."""
    made = {f"membership law {each.reading.value}": _law_numbers(each) for each in found.laws}
    for rows, beside in ((found.scored, ""), (found.shadowed, " beside shadows")):
        for row in rows:
            if auroc := row["auroc"]:
                name = f"AUROC {row['score']}{beside}, {_place(row)}"
                made[name] = _score_numbers(row, auroc)
    for row in found.private:
        made[f"privacy, {row['series']}, N = {row[SIZE]}, seed {row['seed']}"] = {
            "planned_epsilon": row["planned"],
            **{name: value for name, value in asdict(row["bounds"]).items() if name != "curve"},
            "runs": [row["run_id"]],
        }
    for row in found.planted:
        exposure, extracted = row["exposure"], row["extracted"]
        made[f"exposure, {_place(row)}, {row['repeats']} repeats"] = {
            "mean_bits": exposure.value, "interval_bits": exposure.interval,
            "extracted": extracted and extracted.value, "runs": row["runs"],
        }  # fmt: skip
    for row in found.windows:
        excess = row["excess"]
        made[f"windows extracted, {_place(row)}, prefix {row['prefix']}"] = {
            "excess": excess.value, "interval": excess.interval, "runs": row["runs"],
        }  # fmt: skip
    for row in found.compared:
        where, apart = "all N" if row["N"] is None else f"N = {row['N']}", row["apart"]
        made[f"largest less smallest, {row['kind'].label}, {where}"] = {
            "smaller": row["smaller"], "larger": row["larger"], "difference": apart.value,
            "interval": apart.interval, "runs": row["runs"],
        }  # fmt: skip
    return made | _trends(found)


def _law_numbers(fitted: FittedReading) -> dict[str, Any]:
    found, runs = fitted.law, list(fitted.runs["run_id"])
    if not isinstance(found, MembershipLaw):
        return {"height": None, "reason": found.reason, "runs": runs}
    return {
        **{name: getattr(found.curve, name) for name in (*law.CONSTANTS, "limit")},
        **{f"{name}_error": getattr(found, f"{name}_error") for name in law.CONSTANTS},
        **{f"{name}_interval": _normal_interval(found, name) for name in law.CONSTANTS},
        "noise": found.noise,
        "between_sizes": found.between_sizes,
        "at_bounds": list(found.at_bounds),
        "ratios": fitted.ratios,
        "runs": runs,
    }


def _normal_interval(found: MembershipLaw, name: str) -> list[float] | None:
    """Return the constant's 95 % interval; None at a bound of the fit, where it has no error."""
    if name in found.at_bounds:
        return None
    value, error = getattr(found.curve, name), getattr(found, f"{name}_error")
    return [value - NORMAL * error, value + NORMAL * error]


def _score_numbers(row: Row, auroc: Estimate) -> dict[str, Any]:
    judged = row["qualities"].values()
    return {
        "auroc": auroc.value,
        "interval": auroc.interval,
        "f1_at_equal_errors": fmean(each.f1.value for each in judged),
        "balanced_accuracy": fmean(each.balanced_accuracy for each in judged),
        "largest_f1": fmean(each.largest_f1 for each in judged),
        "runs": row["runs"],
    }


def _place(row: Row) -> str:
    return f"{row['series']}, N = {row['N']}"


def _trends(found: Study) -> dict[str, Any]:
    """Return what published claims are about: controls, repeats, sizes, one score against another.

    Intervals are over seeds, or over runs where a run has a value of its own.
    """
    made: dict[str, Any] = {}
    controls = {
        run_id: bits
        for row in found.planted
        if row["repeats"] == 0
        for run_id, bits in row["exposure_by_run"].items()
    }
    if controls:  # equal seeds have equal secrets: their runs are one draw
        made["exposure of controls"] = _trend("mean_bits", _by_seed(found, controls), controls)
    for series in found.series:
        slopes = dict(_bits_per_doubling(found, series))
        if slopes:
            made[f"exposure by repeats, {series}"] = _trend(
                "bits_per_doubling", list(slopes.values()), slopes
            )
    for prefix in dict.fromkeys(row["prefix"] for row in found.windows):
        by_size = dict(_share_per_tenfold(found, prefix))
        if by_size:
            made[f"windows extracted per tenfold size, prefix {prefix}"] = _trend(
                "share", list(by_size.values()), [run for runs in by_size for run in runs]
            )
    of_loss = [row for row in found.scored if row["score"] == LOSS]
    for row in sorted(of_loss, key=lambda row: row["N"]):
        f1 = mean_of_estimates([each.f1 for each in row["qualities"].values()])
        entry = {
            "f1": f1.value, "interval_f1": f1.interval, "sequences": row["N"], "runs": row["runs"],
        }  # fmt: skip
        made[f"membership F1, {_place(row)}"] = entry
        made[f"membership F1 at the largest N, {row['series']}"] = entry  # the last one stays
    apart = _apart(found, MIN_K_PLUS_PLUS, LOSS)
    if apart:
        estimate = paired_difference(list(apart.values()))
        made[f"AUROC {MIN_K_PLUS_PLUS} less {LOSS}"] = {
            "difference": estimate.value, "interval": estimate.interval, "runs": list(apart),
        }  # fmt: skip
    return made


def _trend(name: str, values: list[float], runs: Iterable[str]) -> dict[str, Any]:
    estimate = mean_over_seeds(values)
    return {name: estimate.value, f"interval_{name}": estimate.interval, "runs": [*runs]}


def _by_seed(found: Study, of_runs: dict[str, float]) -> list[float]:
    seeds = dict(found.runs.select("run_id", "seed").iter_rows())
    groups: dict[int, list[float]] = {}
    for run_id, value in of_runs.items():
        groups.setdefault(seeds[run_id], []).append(value)
    return [fmean(values) for values in groups.values()]


def _bits_per_doubling(found: Study, series: str) -> Iterator[tuple[str, float]]:
    """Yield for each run the slope of its mean exposure over log2 of the repeats."""
    points: dict[str, list[tuple[float, float]]] = {}
    for row in found.planted:
        if row["series"] == series and row["repeats"]:
            for run_id, bits in row["exposure_by_run"].items():
                points.setdefault(run_id, []).append((np.log2(row["repeats"]), bits))
    yield from ((run_id, _slope(each)) for run_id, each in points.items() if len(each) > 1)


def _share_per_tenfold(found: Study, prefix: int) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield for each N and seed the slope of the extracted share over log10 of the parameters."""
    facts = {run["run_id"]: run for run in found.runs.iter_rows(named=True)}
    points: dict[tuple[int, int], dict[str, tuple[float, float]]] = {}
    for row in found.windows:
        for run_id, share in row["singles"].items() if row["prefix"] == prefix else ():
            run = facts[run_id]
            place = points.setdefault((run[SIZE], run["seed"]), {})
            place[run_id] = np.log10(run["parameters"]), share
    for place in points.values():
        if len({size for size, _ in place.values()}) >= FEWEST_SIZES:
            yield tuple(place), _slope(list(place.values()))


def _slope(points: list[tuple[float, float]]) -> float:
    x, y = np.array(points, dtype=np.float64).T
    return float(np.polyfit(x, y, 1)[0])


def _apart(found: Study, one: str, other: str) -> dict[str, float]:
    """Return for each run the AUROC of one score less that of another."""
    by_score: dict[str, dict[str, float]] = {one: {}, other: {}}
    for row in found.scored:
        if row["score"] in by_score:
            by_score[row["score"]] |= row["singles"]
    return {run: by_score[one][run] - by_score[other][run] for run in by_score[one]}
