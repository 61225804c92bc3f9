"""Compare two sweeps run by run: the settings that differ, and the differences in results.

Runs are matched by every setting that both sweeps have, except those in which the whole sweeps
differ. If a sweep derived a setting from the number of parameters, and more runs match by that
setting divided by it, they are matched so. Differences are second minus first, paired, with
Student's 95 % interval over the pairs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import paired_difference
from rote.analysis.metrics import METRICS, Metric, derive
from rote.analysis.quantities.leakage import quick_leakage
from rote.analysis.results import Results
from rote.config.names import short_names
from rote.core.arrays import Floats

GROUPS = ("task", "model", "size", "optim", "budget", "precision", "control", "seed", "measure")
COMPARED = tuple(name for name, metric in METRICS.items() if metric.is_compared)
SAME_RATIO = 1.1  # settings derived from equal shares of two sizes differ by rounding


@dataclass(frozen=True, kw_only=True)
class Differing:
    """A setting with one value in the first sweep and another in the second."""

    key: str
    first: str
    second: str


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One metric over the matched runs in which both measured it."""

    metric: Metric
    first: Floats
    second: Floats

    @cached_property
    def difference(self) -> Estimate:
        """Mean of second minus first."""
        return paired_difference(self.second - self.first)

    @property
    def is_equal(self) -> bool:
        """Whether all pairs are equal."""
        return bool((self.first == self.second).all())

    @property
    def is_open(self) -> bool:
        """Whether the difference has an interval that holds 0."""
        return self.difference.interval is not None and not self.difference.sign

    @property
    def num_higher(self) -> int:
        """Number of pairs whose second run is higher."""
        return int((self.second > self.first).sum())


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Names, differing settings, and every metric that both sweeps have."""

    names: tuple[str, str]
    differing: tuple[Differing, ...]
    derived: str  # the setting matched per parameter; "": none
    num_runs: tuple[int, int]
    num_unconverged: int  # among the matched runs, each counted once
    compared: tuple[Compared, ...]
    pairs: pl.DataFrame  # point, run_id, run_id_second, and <column>.first, <column>.second
    alone: pl.DataFrame  # sweep, point, run_id of the unmatched runs

    @property
    def moved(self) -> tuple[Compared, ...]:
        """Metrics that are not equal in every pair; all metrics if none moved."""
        return tuple(each for each in self.compared if not each.is_equal) or self.compared

    @property
    def num_shared(self) -> int:
        """Number of pairs that are one run, which both sweeps have."""
        return self.pairs.filter(pl.col("run_id") == pl.col("run_id_second")).height


def comparable(results: Results) -> pl.DataFrame:
    """Return the table with those columns of `COMPARED` that its runs have."""
    table = derive(results.table, COMPARED)
    if (measured := quick_leakage(results)) is not None:
        new = [name for name in COMPARED if name in {*measured.columns} - {*table.columns}]
        table = table.join(measured.select("run_id", *new), on="run_id", how="left")
    return table


def compare(names: tuple[str, str], first: pl.DataFrame, second: pl.DataFrame) -> Comparison:
    """Compare tables from `comparable`; raises ValueError if no runs match, or match twice."""
    if names[0] == names[1]:
        raise ValueError(f"{names[0]} is one sweep: name another to compare it with")
    tables = (first, second)
    differing = tuple(_differing(first, second))
    apart = {each.key for each in differing}
    keys = [key for key in _settings(first) if key in second.columns and key not in apart]
    ways = _ways_to_match(names, tables, keys)
    derived, points = max(ways, key=lambda way: _paired(names, way[1]).height)
    pairs = _paired(names, points)
    if pairs.is_empty():
        raise ValueError(_why_none(names, tables, keys))
    if pairs["key"].n_unique() < pairs.height:
        raise ValueError(
            f"runs of {names[0]} and {names[1]} match more than once: both vary what only one "
            "of them says"
        )
    valued = _valued(pairs.select("point", "run_id", "run_id_second"), first, second)
    return Comparison(
        names=names,
        differing=differing,
        derived=derived,
        num_runs=(first.height, second.height),
        num_unconverged=len(
            {*pairs["run_id"], *pairs["run_id_second"]} & {*_open(first), *_open(second)}
        ),
        compared=tuple(_compared(valued)),
        pairs=valued,
        alone=points.join(pairs, on="key", how="anti", maintain_order="left").drop("key"),
    )


def comparison_json(found: Comparison) -> Mapping[str, Any]:
    """Return the comparison as plain numbers, with the runs behind them."""
    return {
        "sweeps": list(found.names),
        "runs": list(found.num_runs),
        "differing": {each.key: [each.first, each.second] for each in found.differing},
        "metrics": {
            each.metric.name: {
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


def _settings(table: pl.DataFrame) -> list[str]:
    return sorted(name for name in table.columns if name.partition(".")[0] in GROUPS)


def _differing(first: pl.DataFrame, second: pl.DataFrame) -> Iterator[Differing]:
    """Yield settings with one value per sweep that differs between them; absent is a value too."""
    for key in sorted({*_settings(first), *_settings(second)}):
        values = [_values(table, key) for table in (first, second)]
        if values[0] != values[1] and all(len(each) == 1 for each in values):
            yield Differing(key=key, first=values[0][0], second=values[1][0])


def _values(table: pl.DataFrame, key: str) -> list[str]:
    if key not in table.columns:
        return ["absent"]
    return sorted({str(_plain(value)) for value in table[key].unique()})


def _ways_to_match(
    names: tuple[str, str], tables: tuple[pl.DataFrame, pl.DataFrame], keys: list[str]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the runs keyed by all settings, and by each task setting divided by the parameters."""
    yield "", _keyed(names, tables, keys)
    for key in keys:
        is_number = all(table.schema[key].is_numeric() for table in tables)
        differs = _values(tables[0], key) != _values(tables[1], key)
        if key.startswith("task.") and is_number and differs:
            points = _keyed(names, _divided(tables, key), keys, divided=key)
            if all(points.filter(sweep=name)["key"].is_unique().all() for name in names):
                yield key, points


def _divided(
    tables: tuple[pl.DataFrame, pl.DataFrame], key: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Divide by the number of parameters; ratios equal up to rounding become the first of them."""
    ratio = pl.col(key) / pl.col("parameters")
    both = pl.concat([table.select(ratio) for table in tables])[key].drop_nulls().unique().sort()
    first_of: dict[float, float] = {}
    start = 0.0
    for value in both:
        start = start if value < SAME_RATIO * start else value
        first_of[value] = float(f"{start:.3g}")
    one, other = (table.with_columns(ratio.replace(first_of).alias(key)) for table in tables)
    return one, other


def _keyed(
    names: tuple[str, str],
    tables: tuple[pl.DataFrame, pl.DataFrame],
    keys: list[str],
    divided: str = "",
) -> pl.DataFrame:
    """Return the runs of both sweeps with these settings as one text: null = null, 1 = 1.0.

    A run's point names the settings that vary, without those that vary together with an earlier
    one; ``divided`` is the setting that was divided by the number of parameters.
    """
    runs = [
        (name, row["run_id"], {key: _plain(row[key]) for key in keys})
        for name, table in zip(names, tables, strict=True)
        for row in table.iter_rows(named=True)
    ]
    naming: dict[tuple[int, ...], str] = {}  # a key by how it divides the runs
    for key in keys:
        values = [str(settings[key]) for *_, settings in runs]
        first_with = {value: place for place, value in reversed(list(enumerate(values)))}
        division = tuple(first_with[value] for value in values)
        if len(first_with) > 1:
            naming.setdefault(division, key)
    words = short_names(naming.values())
    if divided in words:
        words[divided] += "/parameters"
    rows = [
        (
            name,
            " ".join(f"{word}={settings[key]}" for key, word in words.items()),
            run_id,
            str(list(settings.values())),
        )
        for name, run_id, settings in runs
    ]
    return pl.DataFrame(rows, schema=["sweep", "point", "run_id", "key"], orient="row")


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _paired(names: tuple[str, str], points: pl.DataFrame) -> pl.DataFrame:
    left, right = (points.filter(sweep=name) for name in names)
    return left.join(
        right.select("key", "run_id"), on="key", suffix="_second", maintain_order="left"
    )


def _why_none(
    names: tuple[str, str], tables: tuple[pl.DataFrame, pl.DataFrame], keys: list[str]
) -> str:
    """Explain why no run matches, with the settings for which the sweeps share no value."""
    values = {key: [_values(table, key) for table in tables] for key in keys}
    apart = [
        f"{key} is {' or '.join(one[:3])} in {names[0]} and {' or '.join(other[:3])} in {names[1]}"
        for key, (one, other) in values.items()
        if not set(one) & set(other)
    ]
    reason = "; ".join(apart) or "they share no point"
    return f"no run of {names[0]} matches one of {names[1]}: {reason}"


def _open(table: pl.DataFrame) -> list[str]:
    """Return the runs that had not converged."""
    if "training.converged" not in table.columns:
        return []
    return table.filter(~pl.col("training.converged").cast(pl.Boolean))["run_id"].to_list()


def _valued(pairs: pl.DataFrame, first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Add the metrics that both tables have, for both runs of each pair."""
    columns = [name for name in COMPARED if name in first.columns and name in second.columns]
    for table, key, side in ((first, "run_id", "first"), (second, "run_id_second", "second")):
        values = [pl.col(name).cast(pl.Float64).alias(f"{name}.{side}") for name in columns]
        own = table.select(pl.col("run_id").alias(key), *values)
        pairs = pairs.join(own, on=key, maintain_order="left")
    return pairs


def _compared(pairs: pl.DataFrame) -> Iterator[Compared]:
    """Yield each metric over the pairs in which both runs measured it."""
    for column in COMPARED:
        sides = [f"{column}.{side}" for side in ("first", "second")]
        known = pairs.drop_nulls(sides) if sides[0] in pairs.columns else pairs.clear()
        if not known.is_empty():
            first, second = (known[name].to_numpy() for name in sides)
            yield Compared(metric=METRICS[column], first=first, second=second)
