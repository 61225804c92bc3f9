"""List the numbers of the report on text for its manifest, each with the runs behind it."""

from typing import Any

import polars as pl

from rote.analysis.estimators import paired_difference
from rote.analysis.quantities.generations import NUM_SAMPLES
from rote.analysis.reports.double_descent import number
from rote.analysis.reports.text.study import SIZE, Study
from rote.analysis.table import Row


def numbers(found: Study) -> dict[str, Any]:
    """Return the numbers for the manifest, by names that are unique within the report."""
    names = ("max_code_bits", "mixture_code_bits", "samples_in_reference", "capacity_bits")
    sums = {
        f"mem_U {run['series']} against {kind}": {
            **{name: run[name] for name in names},
            "of_capacity": run["of_capacity"],
            "of_capacity_interval": [
                run[f"max_code_{end}_bits"] / run["capacity_bits"] for end in ("low", "high")
            ],
            "runs": [run["run_id"], run["reference_id"]],
        }
        for kind in found.references
        for run in found.fullest(kind)
    }
    correlations = {
        f"TF-IDF {each.name}": {
            "rho": correlation and correlation.value,
            "interval": correlation and correlation.interval,
            "runs": [each.run_id, each.reference_id],
        }
        for each in found.remembered
        for correlation in (each.correlations["tf_idf"],)
    }
    drawn = {
        f"drawn {each['name']}": {
            "memorised": each["memorised"].value,
            "interval": each["memorised"].interval,
            "in_heldout": each["control"].value,
            "runs": [each["run_id"]],
        }
        for each in found.drawn
    }
    discoverable = {
        f"discoverable {each['name']}, {each['sampler']} {each['prefix']}, {each['windows']}": {
            **{f"in {number}": each[f"in {number}"].value for number in NUM_SAMPLES},
            "runs": [each["run_id"]],
        }
        for each in found.discoverable
    }
    peaks = {f"peak {curve.name}": number(curve) for curve in found.descents}
    duplicates = {
        "duplicates after truncation": {
            "share": found.duplicates.value, "interval_share": found.duplicates.interval,
            "windows": found.duplicates.n, "runs": list(found.runs["run_id"]),
        }
    }  # fmt: skip
    trends = duplicates | _after_the_peak(found) | _extraction_at_the_ends(found)
    return sums | peaks | correlations | drawn | discoverable | trends


def _after_the_peak(found: Study) -> dict[str, Any]:
    """Return how far mem_U falls from its largest mean over seeds to the largest N, by seed."""
    made: dict[str, Any] = {}
    for (kind, series), part in found.pairs.group_by("kind", "series", maintain_order=True):
        means = part.group_by(SIZE, maintain_order=True).agg(pl.col("max_code_bits").mean())
        if means.height < 2:
            continue
        rising = means.sort("max_code_bits", maintain_order=True)
        peak, largest = rising[SIZE][-1], means[SIZE].max()
        ends = [part.filter(pl.col(SIZE) == size) for size in (peak, largest)]
        both = ends[0].join(ends[1], on="seed", suffix="_largest")
        name = f"mem_U after its peak, {series} against {kind}"
        if peak == largest:
            made[name] = {"difference": None, "reason": "it is largest at the largest N"}
        elif both.height:
            fall = both["max_code_bits_largest"] - both["max_code_bits"]
            estimate = paired_difference(fall.to_numpy())
            made[name] = {
                "difference": estimate.value, "interval": estimate.interval,
                "peak_sequences": peak, "largest_sequences": largest,
                "runs": [*both["run_id"], *both["run_id_largest"]],
            }  # fmt: skip
    return made


def _extraction_at_the_ends(found: Study) -> dict[str, Any]:
    """Return the rates of the smallest and the largest N of each series and prefix."""
    made: dict[str, Any] = {}
    by_prefix: dict[tuple[str, int], list[Row]] = {}
    for row in found.extracted:
        by_prefix.setdefault((row["series"], row["prefix"]), []).append(row)
    for (series, prefix), rows in by_prefix.items():
        for end, row in (("smallest", rows[0]), ("largest", rows[-1])):
            made[f"extraction at the {end} N, {series}, prefix {prefix}"] = {
                "train": row["train"].value, "heldout": row["heldout"].value,
                "difference": row["excess"].value, "interval": row["excess"].interval,
                "sequences": row[SIZE], "runs": row["run_ids"],
            }  # fmt: skip
    return made
