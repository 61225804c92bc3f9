"""Two sweeps run by run: what differs between them, and what came of it.

Runs are matched by every setting that both sweeps have, but for those in which the sweeps as wholes
differ. Differences are second less first, paired, with Student's 95 % interval over the pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import paired_difference
from rote.analysis.quantities.leakage import quick_leakage
from rote.analysis.quantities.losses import loss_quantities
from rote.analysis.results import Results

Floats = NDArray[np.float64]

GROUPS = ("task", "model", "size", "optim", "budget", "precision", "control", "seed", "measure")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A derived column, and how it is told."""

    column: str
    name: str
    unit: str
    form: str

    @property
    def title(self) -> str:
        """With its unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def signed(self) -> str:
        """The form of a difference."""
        return self.form.replace("{:", "{:+")


METRICS = (
    Metric(column="bits_per_parameter", name="memorised", unit="bits per parameter", form="{:.3f}"),
    Metric(
        column="train_bits_per_token", name="training loss", unit="bits per token", form="{:.3f}"
    ),
    Metric(
        column="heldout_bits_per_token", name="held-out loss", unit="bits per token", form="{:.3f}"
    ),
    Metric(column="f1", name="membership F1", unit="", form="{:.3f}"),
    Metric(column="exposure_bits", name="exposure", unit="bits", form="{:.2f}"),
    Metric(column="canaries_extracted", name="canaries extracted", unit="share", form="{:.3f}"),
    Metric(column="windows_excess", name="windows extracted", unit="share", form="{:.3f}"),
    Metric(column="training.steps", name="training", unit="steps", form="{:,.0f}"),
    Metric(
        column="train_tokens_per_second", name="speed", unit="tokens per second", form="{:,.0f}"
    ),
)


@dataclass(frozen=True, kw_only=True)
class Differing:
    """A setting that is one thing in the first sweep and another in the second."""

    key: str
    first: str
    second: str


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One metric over the matched runs that both measured."""

    metric: Metric
    first: Floats
    second: Floats

    @property
    def difference(self) -> Estimate:
        """Mean, second less first."""
        return paired_difference(self.second - self.first)

    @property
    def is_equal(self) -> bool:
        """Whether no pair differs at all."""
        return bool((self.first == self.second).all())

    @property
    def num_higher(self) -> int:
        """Pairs of which the second run is the higher one."""
        return int((self.second > self.first).sum())


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Names, what differs, and every metric that both have."""

    names: tuple[str, str]
    differing: tuple[Differing, ...]
    num_runs: tuple[int, int]
    compared: tuple[Compared, ...]
    pairs: pl.DataFrame  # point, run_id, run_id_second, and <column>.first, <column>.second
    alone: pl.DataFrame  # sweep, point, run_id of the runs that match none

    @property
    def moved(self) -> tuple[Compared, ...]:
        """Those that are not equal in every pair; all where nothing moved."""
        return tuple(each for each in self.compared if not each.is_equal) or self.compared

    @property
    def num_pairs(self) -> int:
        """Runs of the first sweep that one of the second matches."""
        return self.pairs.height

    @property
    def num_shared(self) -> int:
        """Pairs that are one run, which both sweeps have."""
        return self.pairs.filter(pl.col("run_id") == pl.col("run_id_second")).height


def comparable(results: Results) -> pl.DataFrame:
    """The table with the columns of `METRICS` that its runs can tell."""
    table = results.table
    if "cost.heldout_code_bits" in table.columns:
        memorised = pl.col("entropy_bits") - pl.col("cost.train_code_bits")
        table = loss_quantities(table, results.alphas).with_columns(
            bits_per_parameter=memorised / pl.col("parameters")
        )
    if (told := quick_leakage(results)) is not None:
        names = ["run_id", *(metric.column for metric in METRICS if metric.column in told.columns)]
        kinds = [name for name in names if name not in table.columns]
        table = table.join(told.select("run_id", *kinds), on="run_id", how="left")
    return table


def compare(names: tuple[str, str], first: pl.DataFrame, second: pl.DataFrame) -> Comparison:
    """Tables as `comparable` makes them; raises ValueError where no runs match, or match twice."""
    if names[0] == names[1]:
        raise ValueError(f"{names[0]} is one sweep: name another to compare it with")
    settings = [sorted(filter(_is_setting, table.columns)) for table in (first, second)]
    differing = tuple(_differing(first, second, settings))
    apart = {each.key for each in differing}
    keys = [key for key in settings[0] if key in settings[1] and key not in apart]
    points = _keyed(names, (first, second), keys)
    left, right = (points.filter(sweep=name) for name in names)
    pairs = left.join(
        right.select("key", "run_id"), on="key", suffix="_second", maintain_order="left"
    )
    if pairs.is_empty():
        raise ValueError(f"no run of {names[0]} matches one of {names[1]}: they share no point")
    if pairs["key"].n_unique() < pairs.height:
        raise ValueError(
            f"runs of {names[0]} and {names[1]} match more than once: both vary what only one "
            "of them says"
        )
    valued = _valued(pairs.select("point", "run_id", "run_id_second"), first, second)
    return Comparison(
        names=names,
        differing=differing,
        num_runs=(first.height, second.height),
        compared=tuple(found for metric in METRICS if (found := _compared(metric, valued))),
        pairs=valued,
        alone=points.join(pairs, on="key", how="anti", maintain_order="left").drop("key"),
    )


def comparison_json(found: Comparison) -> Mapping[str, Any]:
    """Plain numbers, with the runs behind them."""
    return {
        "sweeps": list(found.names),
        "runs": list(found.num_runs),
        "differing": {each.key: [each.first, each.second] for each in found.differing},
        "metrics": {
            each.metric.column: {
                "pairs": len(each.first),
                "first_mean": float(each.first.mean()),
                "second_mean": float(each.second.mean()),
                "difference": each.difference.value,
                "interval": each.difference.interval,
                "second_higher_in": each.num_higher,
            }
            for each in found.compared
        },
        "pairs": found.pairs.select("run_id", "run_id_second").rows(),
        "alone": {name: found.alone.filter(sweep=name)["run_id"].to_list() for name in found.names},
    }


def _is_setting(name: str) -> bool:
    return name.partition(".")[0] in GROUPS


def _differing(
    first: pl.DataFrame, second: pl.DataFrame, settings: list[list[str]]
) -> list[Differing]:
    """Settings of one value in each sweep, and not the same one; absent counts as a value."""
    found = []
    for key in sorted({*settings[0], *settings[1]}):
        values = [_values(table, key) for table in (first, second)]
        if values[0] != values[1] and all(len(each) == 1 for each in values):
            found.append(Differing(key=key, first=values[0][0], second=values[1][0]))
    return found


def _values(table: pl.DataFrame, key: str) -> list[str]:
    if key not in table.columns:
        return ["absent"]
    return sorted(str(value) for value in table[key].unique().to_list())


def _keyed(
    names: tuple[str, str], tables: tuple[pl.DataFrame, pl.DataFrame], keys: list[str]
) -> pl.DataFrame:
    """Runs of both by these settings as one text: nulls match nulls, 1 matches 1.0.

    A run's point is told by those of them that are not the same for all runs.
    """
    rows = [
        (name, row["run_id"], [_plain(row[key]) for key in keys])
        for name, table in zip(names, tables, strict=True)
        for row in table.iter_rows(named=True)
    ]
    varying = [at for at in range(len(keys)) if len({str(values[at]) for *_, values in rows}) > 1]
    points = [
        # Once where several keys say the same: width of a size and of what is derived of it.
        " ".join(dict.fromkeys(f"{keys[at].rpartition('.')[2]}={values[at]}" for at in varying))
        for *_, values in rows
    ]
    return pl.DataFrame(
        {
            "sweep": [name for name, *_ in rows],
            "point": points,
            "run_id": [run_id for _, run_id, _ in rows],
            "key": [str(values) for *_, values in rows],
        }
    )


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _valued(pairs: pl.DataFrame, first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """With the metrics that both tables have, of both runs."""
    for metric in METRICS:
        if metric.column in first.columns and metric.column in second.columns:
            value = pl.col(metric.column).cast(pl.Float64)
            one = first.select("run_id", value.alias(f"{metric.column}.first"))
            other = second.select(
                pl.col("run_id").alias("run_id_second"), value.alias(f"{metric.column}.second")
            )
            pairs = pairs.join(one, on="run_id", maintain_order="left").join(
                other, on="run_id_second", maintain_order="left"
            )
    return pairs


def _compared(metric: Metric, pairs: pl.DataFrame) -> Compared | None:
    """Over the pairs of which both runs measured it."""
    sides = [f"{metric.column}.{side}" for side in ("first", "second")]
    if sides[0] not in pairs.columns:
        return None
    known = pairs.drop_nulls(sides)
    if known.is_empty():
        return None
    first, second = (known[name].to_numpy() for name in sides)
    return Compared(metric=metric, first=first, second=second)
