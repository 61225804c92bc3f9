"""Take points from runs: what models memorise of data of known entropy, over seeds.

Of several sizes of data set a point takes the one of which most is memorised on average.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from rote.analysis.estimators import mean_over_seeds
from rote.analysis.metrics import derive
from rote.analysis.quantities.convergence import num_converged

DATA = "task.num_sequences"


@dataclass(frozen=True, kw_only=True)
class OverSeeds:
    """Runs that differ in their seed alone, on one data set."""

    model: str  # layers x width, heads
    parameters: int  # those that train
    setting: str  # in words what else differs; "" where nothing does
    num_sequences: int  # of the data set of which most is memorised
    runs: pl.DataFrame  # a row a run

    @property
    def num_converged(self) -> int:
        """How many of its runs converged."""
        return num_converged(self.runs)

    @property
    def has_converged(self) -> bool:
        """All of its runs."""
        return self.num_converged == self.runs.height

    def named(self, name: str) -> str:
        """Return the name with what else distinguishes the point."""
        return ", ".join(filter(None, (name, self.setting)))

    def less(self, other: "OverSeeds", column: str) -> list[float]:
        """Return the differences to another point, by pairs of equal seed."""
        theirs = dict(other.runs.select("seed", column).iter_rows())
        pairs = self.runs.select("seed", column).iter_rows()
        return [value - theirs[seed] for seed, value in pairs if seed in theirs]


def usable_runs(table: pl.DataFrame, derived: Sequence[str], needed: Sequence[str]) -> pl.DataFrame:
    """Return the runs that have all needed columns, with derived ones; raises ValueError for none.

    It says that no run memorised data of known entropy.
    """
    if table.is_empty():
        raise ValueError("no finished run to report on")
    runs = derive(table, derived)
    if all(name in runs.columns for name in needed):
        runs = runs.drop_nulls(needed)
        if not runs.is_empty():
            return runs
    raise ValueError(
        "no run whose memorised bits are known: add cost to measure, and train on data of known "
        "entropy (task=uniform)"
    )


def over_best_data(
    rows: pl.DataFrame, column: str, *, same: Sequence[str], means: Sequence[str]
) -> dict[str, Any]:
    """Return the fields of a point on the data set with the largest mean of a column.

    ``same`` are equal in all runs; ``means`` are taken over seeds, None where no run has any.
    """
    parts = rows.partition_by(DATA, maintain_order=True)
    runs = max(parts, key=lambda part: float(part[column].mean()))  # type: ignore[arg-type]
    known = {name: runs[name].drop_nulls() for name in means}
    return {
        **runs.select(same).row(0, named=True),
        **{name: mean_over_seeds(each) if len(each) else None for name, each in known.items()},
        "num_sequences": runs[DATA][0],
        "runs": runs,
    }
