"""What runs memorise in each number format, and how many bits that format stores.

A point is one format of one model over seeds: trained in, rounded after training, or rounded by
GPTQ. Runs that differ in anything else, their number format among it, are never pooled.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import mean_over_seeds
from rote.analysis.quantities.points import DATA, OverSeeds, over_best_data, usable_runs
from rote.analysis.quantities.settings import with_setting

TRAINED, NEAREST, GPTQ = "trained in it", "rounded after training", "GPTQ after training"
METHODS = (TRAINED, NEAREST, GPTQ)
CODE = "quantised.train_code_bits_"
# Formats that are trained in, and those that round the same matrices alike after training.
SAME = {"qat_int8": "int8", "qat_int4": "int4_g32", "qat_ternary": "ternary"}
REFERENCE = "fp32"  # what formats that are trained in are compared with
GROUP = ("model", "base", "setting", "format", "method")
OF_RUN = ("run_id", "model", "parameters", "seed", DATA, "setting", "training.converged")
DERIVED = (
    "model", "memorised_bits", "stored_bits_per_parameter", "bits_per_parameter",
    "heldout_bits_per_token",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Point(OverSeeds):
    """One format of one model; per parameter, over the seeds of one data set."""

    base: str  # precision that was trained in
    format: str
    method: str  # one of `METHODS`
    stored: float  # bits per parameter
    memorised: Estimate  # bits per parameter
    per_bit: Estimate  # bits memorised over bits stored
    kept: Estimate | None  # share of what the seed memorises unrounded, or in `REFERENCE`
    heldout: Estimate | None  # bits per token

    @property
    def name(self) -> str:
        """With what else tells it apart from others of its model."""
        after = f" of {self.base}" if self.method != TRAINED and self.base != REFERENCE else ""
        return self.named(f"{self.format}{after}")


def format_points(table: pl.DataFrame) -> tuple[pl.DataFrame, list[Point]]:
    """Runs with derived columns, and a point for each format of each model, as it is stored.

    Of several sizes of data set a point takes the one of which most is memorised on average. Raises
    ValueError where no run memorised data of known entropy.
    """
    needed = ("memorised_bits", "stored_bits_per_parameter", "model")
    runs = with_setting(
        usable_runs(table, DERIVED, needed), at=("model", "precision.name", "seed", DATA),
        apart_from=("precision.",),
    )  # fmt: skip
    rows = pl.DataFrame(
        [row for run in runs.iter_rows(named=True) for row in _rows(run)], infer_schema_length=None
    )
    same, means = ("parameters", "stored", *GROUP), ("memorised", "per_bit", "kept", "heldout")
    points = [
        Point(**over_best_data(part, "memorised", same=same, means=means))
        for part in _with_kept(rows).partition_by(GROUP, maintain_order=True)
    ]
    order = {method: place for place, method in enumerate(METHODS)}
    return runs, sorted(
        points, key=lambda each: (each.parameters, each.model, -each.stored, order[each.method])
    )


def difference_over_seeds(one: Point, other: Point, column: str) -> Estimate | None:
    """Of the first less the second, seed by seed; None where they have no seed in common."""
    values = one.less(other, column)
    return mean_over_seeds(values) if values else None


def _rows(run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Of one run: as it was trained, then in each format that it was measured in besides."""
    precision, parameters = run["precision.name"], run["parameters"]
    common = {name: run[name] for name in OF_RUN} | {"base": precision}
    stored = run["stored_bits_per_parameter"]
    yield {
        **common, **_amounts(run["memorised_bits"], stored * parameters, parameters),
        "format": precision, "method": TRAINED, "heldout": run.get("heldout_bits_per_token"),
    }  # fmt: skip
    for column in run:
        if column.startswith(CODE) and run[column] is not None and precision not in SAME:
            name = column.removeprefix(CODE)
            bits, code = run["entropy_bits"] - run[column], f"quantised.heldout_code_bits_{name}"
            tokens = run["quantised.heldout_tokens"]
            yield {
                **common, **_amounts(bits, run[f"quantised.stored_bits_{name}"], parameters),
                "format": name.removesuffix("_gptq"),
                "method": GPTQ if name.endswith("_gptq") else NEAREST,
                "heldout": None if run.get(code) is None else run[code] / tokens,
            }  # fmt: skip


def _amounts(memorised_bits: float, stored_bits: float, parameters: int) -> dict[str, float]:
    return {
        "memorised": memorised_bits / parameters,
        "counted": max(memorised_bits, 0.0) / parameters,  # no less than by a guess
        "stored": stored_bits / parameters,
        "per_bit": memorised_bits / stored_bits,
    }


def _with_kept(rows: pl.DataFrame) -> pl.DataFrame:
    """Column ``kept``: a share of what the run itself memorises, or of `REFERENCE`'s most.

    Nothing is kept by who codes worse than a guesser.
    """
    is_own = pl.col("method") == TRAINED
    is_plain = is_own & (pl.col("format") == REFERENCE)
    of_run = pl.when(is_own).then("memorised").max().over("run_id")
    of_seed = pl.when(is_plain).then("memorised").max().over("model", DATA, "seed")
    whole = pl.when(is_own).then(of_seed).otherwise(of_run)
    kept = pl.when(whole > 0, pl.col("format") != REFERENCE).then(pl.col("counted") / whole)
    return rows.with_columns(kept=kept)
