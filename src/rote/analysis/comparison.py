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

from rote.analysis.fits.mean import mean_interval
from rote.analysis.quantities.losses import loss_quantities
from rote.analysis.reports.leakage.kinds import with_kinds
from rote.analysis.reports.leakage.reading import read
from rote.analysis.reports.leakage.runs import MEASURES, has_measured, leakage_runs
from rote.analysis.results import Results

Floats = NDArray[np.float64]

GROUPS = ("task", "model", "size", "optim", "budget", "precision", "control", "seed", "measure")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A derived column, and how it is told."""

    column: str
    title: str
    form: str


METRICS = (
    Metric(column="bits_per_parameter", title="memorised bits per parameter", form="{:.3f}"),
    Metric(column="train_bits_per_token", title="training loss (bits per token)", form="{:.3f}"),
    Metric(column="heldout_bits_per_token", title="held-out loss (bits per token)", form="{:.3f}"),
    Metric(column="f1", title="membership F1", form="{:.3f}"),
    Metric(column="exposure_bits", title="exposure (bits)", form="{:.2f}"),
    Metric(column="canaries_extracted", title="canaries extracted (share)", form="{:.3f}"),
    Metric(column="windows_excess", title="windows extracted (share)", form="{:.3f}"),
    Metric(column="training.steps", title="steps", form="{:,.0f}"),
    Metric(column="train_tokens_per_second", title="tokens a second", form="{:,.0f}"),
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
    def difference(self) -> float:
        """Mean, second less first."""
        return float((self.second - self.first).mean())

    @property
    def interval(self) -> tuple[float, float] | None:
        """None for a single pair."""
        return mean_interval(self.second - self.first) if len(self.first) > 1 else None

    @property
    def is_told(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Names, what differs, and every metric that both have."""

    names: tuple[str, str]
    differing: tuple[Differing, ...]
    num_runs: tuple[int, int]
    num_pairs: int
    compared: tuple[Compared, ...]
    pairs: pl.DataFrame  # run_id of the first and of the second


def comparable(results: Results) -> pl.DataFrame:
    """The table with the columns of `METRICS` that its runs can tell."""
    table = results.table
    if "cost.heldout_code_bits" in table.columns:
        memorised = pl.col("entropy_bits") - pl.col("cost.train_code_bits")
        table = loss_quantities(table, results.alphas).with_columns(
            bits_per_parameter=memorised / pl.col("parameters")
        )
    if any(has_measured(table, measure) for measure in MEASURES):
        bare = leakage_runs(results)
        told = with_kinds(bare, read(results, bare, quick=True))
        names = ["run_id", *(metric.column for metric in METRICS if metric.column in told.columns)]
        kinds = [name for name in names if name not in table.columns]
        table = table.join(told.select("run_id", *kinds), on="run_id", how="left")
    return table


def compare(names: tuple[str, str], first: pl.DataFrame, second: pl.DataFrame) -> Comparison:
    """Tables as `comparable` makes them; raises ValueError where no runs match, or match twice."""
    settings = [sorted(filter(_is_setting, table.columns)) for table in (first, second)]
    differing = tuple(_differing(first, second, settings))
    apart = {each.key for each in differing}
    keys = [key for key in settings[0] if key in settings[1] and key not in apart]
    pairs = _keyed(first, keys).join(_keyed(second, keys), on="key", suffix="_second")
    if pairs.is_empty():
        raise ValueError(f"no run of {names[0]} matches one of {names[1]}: they share no point")
    if pairs["key"].n_unique() < pairs.height:
        raise ValueError(
            f"runs of {names[0]} and {names[1]} match more than once: both vary what only one "
            "of them says"
        )
    ids = pairs.select("run_id", "run_id_second")
    return Comparison(
        names=names,
        differing=differing,
        num_runs=(first.height, second.height),
        num_pairs=pairs.height,
        compared=tuple(
            found for metric in METRICS if (found := _compared(metric, ids, first, second))
        ),
        pairs=ids,
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
                "difference": each.difference,
                "interval": each.interval,
            }
            for each in found.compared
        },
        "pairs": found.pairs.rows(),
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


def _keyed(table: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Run ids by all their settings as one text: nulls match nulls, 1 matches 1.0."""
    texts = [str([_plain(row[key]) for key in keys]) for row in table.iter_rows(named=True)]
    return pl.DataFrame({"key": texts, "run_id": table["run_id"]})


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _compared(
    metric: Metric, ids: pl.DataFrame, first: pl.DataFrame, second: pl.DataFrame
) -> Compared | None:
    if metric.column not in first.columns or metric.column not in second.columns:
        return None
    told = ids.join(first.select("run_id", a=metric.column), on="run_id").join(
        second.select(run_id_second="run_id", b=metric.column), on="run_id_second"
    )
    known = told.drop_nulls(["a", "b"])
    if known.is_empty():
        return None
    values = (known[name].cast(pl.Float64).to_numpy() for name in ("a", "b"))
    return Compared(metric=metric, first=next(values), second=next(values))
