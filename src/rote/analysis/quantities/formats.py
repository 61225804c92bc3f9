"""What runs memorise in each number format, and how many bits that format stores.

A point is one format of one model over seeds: trained in, rounded after training, or rounded by
GPTQ. Runs that differ in anything else, their number format among it, are never pooled.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import mean_over_seeds
from rote.analysis.metrics import derive
from rote.analysis.quantities.settings import with_setting

TRAINED, NEAREST, GPTQ = "trained in it", "rounded after training", "GPTQ after training"
METHODS = (TRAINED, NEAREST, GPTQ)
CODE = "quantised.train_code_bits_"
# Formats that are trained in, and those that round the same matrices alike after training.
SAME = {"qat_int8": "int8", "qat_int4": "int4_g32", "qat_ternary": "ternary"}
REFERENCE = "fp32"  # what formats that are trained in are compared with
DATA = "task.num_sequences"
GROUP = ("model", "base", "setting", "format", "method")
DERIVED = (
    "model", "memorised_bits", "stored_bits_per_parameter", "bits_per_parameter",
    "heldout_bits_per_token",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Point:
    """One format of one model; per parameter, over the seeds of one data set."""

    model: str
    parameters: int
    num_sequences: int  # of the data set of which most is memorised
    base: str  # precision that was trained in
    setting: str  # in words what else differs; "" where nothing does
    format: str
    method: str  # one of `METHODS`
    stored: float  # bits per parameter
    memorised: Estimate  # bits per parameter
    per_bit: Estimate  # bits memorised over bits stored
    kept: Estimate | None  # share of what the seed memorises unrounded, or in `REFERENCE`
    heldout: Estimate | None  # bits per token
    num_converged: int
    runs: pl.DataFrame  # a row a run, of this format

    @property
    def name(self) -> str:
        """With what else tells it apart from others of its model."""
        after = f" of {self.base}" if self.method != TRAINED and self.base != REFERENCE else ""
        return f"{self.format}{after}{', ' if self.setting else ''}{self.setting}"

    @property
    def has_converged(self) -> bool:
        """All of its runs."""
        return self.num_converged == self.runs.height


def format_points(table: pl.DataFrame) -> tuple[pl.DataFrame, list[Point]]:
    """Runs with derived columns, and a point for each format of each model, as it is stored.

    Of several sizes of data set a point takes the one of which most is memorised on average. Raises
    ValueError where no run memorised data of known entropy.
    """
    runs = _usable(table)
    rows = pl.DataFrame(
        [row for run in runs.iter_rows(named=True) for row in _rows(run)], infer_schema_length=None
    )
    rows = _with_kept(rows)
    points = [_best(part) for part in rows.partition_by(GROUP, maintain_order=True)]
    order = {method: place for place, method in enumerate(METHODS)}
    return runs, sorted(
        points, key=lambda each: (each.parameters, each.model, -each.stored, order[each.method])
    )


def difference_over_seeds(one: Point, other: Point, column: str) -> Estimate | None:
    """Of the first less the second, seed by seed; None where they have no seed in common."""
    theirs = dict(other.runs.select("seed", column).iter_rows())
    values = [
        value - theirs[seed]
        for seed, value in one.runs.select("seed", column).iter_rows()
        if seed in theirs
    ]
    return mean_over_seeds(values) if values else None


def _usable(table: pl.DataFrame) -> pl.DataFrame:
    if table.is_empty():
        raise ValueError("no finished run to report on")
    runs = derive(table, DERIVED)
    needed = ("memorised_bits", "stored_bits_per_parameter", "model")
    if all(name in runs.columns for name in needed):
        runs = runs.filter(pl.all_horizontal(pl.col(needed).is_not_null()))
        if not runs.is_empty():
            return with_setting(
                runs, at=("model", "precision.name", "seed", DATA), apart_from=("precision.",)
            )
    raise ValueError(
        "no run whose memorised bits are known: add cost to measure, and train on data of known "
        "entropy (task=uniform)"
    )


def _rows(run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Of one run: as it was trained, then in each format that it was measured in besides."""
    precision, parameters = run["precision.name"], run["parameters"]
    common = {
        "run_id": run["run_id"], "model": run["model"], "parameters": parameters,
        "seed": run["seed"], DATA: run[DATA], "base": precision, "setting": run["setting"],
        "converged": run["training.converged"],
    }  # fmt: skip
    stored = run["stored_bits_per_parameter"]
    yield (
        common
        | _amounts(run["memorised_bits"], stored * parameters, parameters)
        | {
            "format": precision,
            "method": TRAINED,
            "heldout": run.get("heldout_bits_per_token"),
        }
    )
    for column in run:
        if column.startswith(CODE) and run[column] is not None and precision not in SAME:
            name = column.removeprefix(CODE)
            bits, heldout = run["entropy_bits"] - run[column], _heldout(run, name)
            yield (
                common
                | _amounts(bits, run[f"quantised.stored_bits_{name}"], parameters)
                | {
                    "format": name.removesuffix("_gptq"),
                    "method": GPTQ if name.endswith("_gptq") else NEAREST,
                    "heldout": heldout,
                }
            )


def _amounts(memorised_bits: float, stored_bits: float, parameters: int) -> dict[str, float]:
    return {
        "memorised": memorised_bits / parameters,
        "counted": max(memorised_bits, 0.0) / parameters,  # no less than by a guess
        "stored": stored_bits / parameters,
        "per_bit": memorised_bits / stored_bits,
    }


def _heldout(run: Mapping[str, Any], name: str) -> float | None:
    bits, tokens = run.get(f"quantised.heldout_code_bits_{name}"), run["quantised.heldout_tokens"]
    return None if bits is None else bits / tokens


def _with_kept(rows: pl.DataFrame) -> pl.DataFrame:
    """Column ``kept``: a share of what the run itself memorises, or of `REFERENCE`'s most.

    Nothing is kept by who codes worse than a guesser.
    """
    own = rows.filter(pl.col("method") == TRAINED)
    of_run = dict(own.select("run_id", "memorised").iter_rows())
    plain = own.filter(pl.col("format") == REFERENCE)
    most = plain.group_by("model", DATA, "seed").agg(pl.col("memorised").max())
    of_seed = {row[:-1]: row[-1] for row in most.iter_rows()}
    kept = []
    for row in rows.iter_rows(named=True):
        is_own = row["method"] == TRAINED
        seed = (row["model"], row[DATA], row["seed"])
        whole = of_seed.get(seed) if is_own else of_run[row["run_id"]]
        is_known = whole is not None and whole > 0 and row["format"] != REFERENCE
        kept.append(row["counted"] / whole if is_known else None)
    return rows.with_columns(pl.Series("kept", kept, dtype=pl.Float64))


def _best(rows: pl.DataFrame) -> Point:
    """Of the data set of which most is memorised."""
    parts = rows.partition_by(DATA, maintain_order=True)
    runs = max(parts, key=lambda part: float(part["memorised"].mean()))  # type: ignore[arg-type]
    first = runs.row(0, named=True)
    return Point(
        model=first["model"],
        parameters=first["parameters"],
        num_sequences=first[DATA],
        base=first["base"],
        setting=first["setting"],
        format=first["format"],
        method=first["method"],
        stored=first["stored"],
        memorised=mean_over_seeds(runs["memorised"].to_list()),
        per_bit=mean_over_seeds(runs["per_bit"].to_list()),
        kept=_mean(runs["kept"]),
        heldout=_mean(runs["heldout"]),
        num_converged=runs.filter("converged").height,
        runs=runs,
    )


def _mean(values: pl.Series) -> Estimate | None:
    known: Sequence[float] = values.drop_nulls().to_list()
    return mean_over_seeds(known) if known else None
