"""All that the report on leakage says, derived before anything is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import rank_correlation
from rote.analysis.reports.leakage.kinds import (
    Compared,
    Kind,
    compared,
    measured,
    with_kinds,
)
from rote.analysis.reports.leakage.law import Fitted, fit_laws
from rote.analysis.reports.leakage.points import (
    Controls,
    NotScored,
    Planted,
    Scored,
    Windows,
    controls,
    doubtful_fits,
    places,
    planted,
    scored,
    shadowed,
    windows,
)
from rote.analysis.reports.leakage.reading import read
from rote.analysis.reports.leakage.runs import leakage_runs
from rote.analysis.results import Results


@dataclass(frozen=True, kw_only=True)
class Study:
    """``runs`` is the table with all derived columns, by size, N and seed."""

    runs: pl.DataFrame
    laws: tuple[Fitted, ...]  # both readings; empty without membership
    scored: tuple[Scored, ...]
    shadowed: tuple[Scored | NotScored, ...]
    planted: tuple[Planted, ...]
    controls: tuple[Controls, ...]
    doubtful_fits: tuple[int, int]  # skew-normals that do not fit, of all
    windows: tuple[Windows, ...]
    compared: tuple[Compared, ...]

    @property
    def series(self) -> list[str]:
        """In the order of size."""
        return self.runs["series"].unique(maintain_order=True).to_list()

    @property
    def parameters(self) -> Mapping[str, int]:
        """Of each series."""
        first = self.runs.unique("series", keep="first", maintain_order=True)
        return dict(zip(first["series"], first["parameters"], strict=True))

    @property
    def kinds(self) -> list[Kind]:
        """Of leakage that any run measured."""
        return measured(self.runs)

    @property
    def arrays_of(self) -> tuple[str, ...]:
        """Runs whose arrays were read: these and their oracles."""
        oracles = self.runs["oracle_id"].drop_nulls()
        return tuple(dict.fromkeys([*self.runs["run_id"], *oracles]))

    def with_loss(self, kind: Kind, *, at_equal_n: bool) -> Estimate | None:
        """Rank correlation of held-out loss with a kind over runs; None for too few.

        At equal N: of ranks among the runs of one N, less the mean of these.
        """
        names = ["heldout_bits_per_token", kind.column]
        known = self.runs.drop_nulls(names)
        if at_equal_n:
            ranks = [pl.col(name).rank() for name in names]
            known = known.with_columns(
                (rank - rank.mean()).over("task.num_sequences") for rank in ranks
            )
        return rank_correlation(*(known[name] for name in names))


def study(results: Results) -> Study:
    """Raises ValueError where there are no runs, or none of them measured leakage."""
    bare = leakage_runs(results)
    told = read(results, bare)
    runs = with_kinds(bare, told)
    where = places(runs)
    return Study(
        runs=runs,
        laws=fit_laws(runs),
        scored=tuple(scored(where, told)),
        shadowed=tuple(shadowed(runs, told)),
        planted=tuple(planted(where, told)),
        controls=tuple(controls(where, told)),
        doubtful_fits=doubtful_fits(told),
        windows=tuple(windows(where, told)),
        compared=tuple(compared(runs, told)),
    )
