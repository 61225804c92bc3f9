"""Choose the reference runs of each run on text, and compute mem_U under them.

The two references are those of Morris et al. 2025, section 2: a run of the same size on more data,
and an oracle. mem_U comes from the arrays of the run and of its reference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from polars import selectors

from rote.analysis.quantities.unintended import (
    Arrays,
    CodeLengths,
    Unintended,
    heldout_samples,
    pair,
    scored_samples,
    trained_samples,
)
from rote.analysis.results import Results

SAME_MODEL = ("model.", "size.", "precision.")  # columns that a reference of the same size shares
SPLIT = ("task.split_seed", "task.split_by", "task.heldout_share", "task.reference_share")
ORIGIN = ("task.corpus", "task.length", *SPLIT)


def origin_of(run: dict[str, Any]) -> str:
    """Return what the sample ids of a row of the table index: corpus, length and split."""
    return " ".join(f"{name.partition('.')[2]}={run[name]}" for name in ORIGIN)


def same_size_reference(runs: pl.DataFrame, target_id: str) -> str | None:
    """Return the run of the same model on the most train-pool data, preferably of the same seed.

    With equal seeds its training set includes the target's samples. None if no run saw more data
    than the target.
    """
    target = _row(runs, target_id)
    shared = [name for name in runs.columns if name.startswith(SAME_MODEL)]
    candidates = _alike(runs, target, [*ORIGIN, *shared]).filter(
        pl.col("task.pool") == "train",
        _covers(runs, target) | (pl.col("seed") == target["seed"]),
        pl.col("task.num_sequences") > target["task.num_sequences"],
    )
    ordered = candidates.sort(
        -pl.col("task.num_sequences"),
        pl.col("task.duplicated_fraction"),
        pl.col("seed") != target["seed"],
        "seed",
        "run_id",
    )
    return None if ordered.is_empty() else str(ordered["run_id"][0])


def oracle_reference(runs: pl.DataFrame, target_id: str) -> str | None:
    """Return the run on the reference pool, unseen by others, that is best on held-out text.

    None if no such run scored the train pool (measure superset).
    """
    target = _row(runs, target_id)
    candidates = _alike(runs, target, ORIGIN).filter(
        pl.col("task.pool") == "reference",
        pl.col("run_id") != target_id,
        _scored_superset(runs),
        _covers(runs, target),
    )
    heldout_loss = pl.col("cost.heldout_code_bits") / pl.col("cost.heldout_tokens")
    ordered = candidates.sort(heldout_loss, "run_id")
    return None if ordered.is_empty() else str(ordered["run_id"][0])


def _scored_superset(runs: pl.DataFrame) -> pl.Expr:
    name = "superset.sequences"
    return pl.col(name).is_not_null() if name in runs.columns else pl.lit(False)


def _covers(runs: pl.DataFrame, target: dict[str, Any]) -> pl.Expr:
    """Whether a run scored the target's part of the pool, which depends on the target's seed."""
    same_seed = pl.col("seed") == target["seed"]
    name = "measure.superset.num_sequences"
    if name not in runs.columns:  # every run scored the whole pool, or none did
        return _scored_superset(runs) | same_seed
    enough = pl.col(name) >= target["task.num_sequences"]
    return (_scored_superset(runs) & pl.col(name).is_null()) | (same_seed & enough.fill_null(True))


def _row(runs: pl.DataFrame, run_id: str) -> dict[str, Any]:
    return runs.row(by_predicate=pl.col("run_id") == run_id, named=True)


def _alike(runs: pl.DataFrame, target: dict[str, Any], names: Sequence[str]) -> pl.DataFrame:
    equal = [pl.col(name).eq_missing(pl.lit(target[name])) for name in names]
    return runs.filter(equal)


TEXT_TASK = "rote.tasks.text.task.Text"
MOST_HELD = 16  # references kept: a series and its oracle need two
REFERENCES = {"same_size": same_size_reference, "oracle": oracle_reference}


@dataclass(frozen=True)
class Pairing:
    """Pairs runs of one ledger; the scores of the latest references stay in memory."""

    results: Results
    runs: pl.DataFrame  # on text
    _scored: dict[str, CodeLengths] = field(default_factory=dict)

    def unintended(self, target_id: str, reference_id: str) -> Unintended:
        """Return mem_U of the target's training set."""
        return pair(self.trained(target_id), self.scored(reference_id))

    def trained(self, run_id: str) -> CodeLengths:
        """Return the code lengths of a run's own training set."""
        return self._read(trained_samples, run_id)

    def scored(self, run_id: str) -> CodeLengths:
        """Return the code lengths of all samples for which a run can serve as a reference."""
        if run_id not in self._scored:
            while len(self._scored) >= MOST_HELD:
                self._scored.pop(next(iter(self._scored)))
            self._scored[run_id] = self._read(scored_samples, run_id)
        return self._scored[run_id]

    def heldout(self, target_id: str, reference_id: str) -> Unintended:
        """Return mem_U of text that neither run has seen: a baseline of mere skill."""
        return pair(*(self._read(heldout_samples, each) for each in (target_id, reference_id)))

    def row(self, target_id: str) -> dict[str, Any]:
        """Return totals as columns ``<reference>.<total>``, for each reference that exists."""
        columns: dict[str, Any] = {"run_id": target_id}
        for kind, choose in REFERENCES.items():
            reference_id = choose(self.runs, target_id)
            columns[f"{kind}.run_id"] = reference_id
            if reference_id is None:
                continue
            heldout = self.heldout(target_id, reference_id).totals()
            totals = self.unintended(target_id, reference_id).totals()
            totals |= {f"heldout_{name}": heldout[name] for name in ("max_code_bits", "samples")}
            columns |= {f"{kind}.{name}": value for name, value in totals.items()}
        return columns

    def _read(self, samples: Callable[[Arrays, str], CodeLengths], run_id: str) -> CodeLengths:
        arrays = self.results.folders[run_id].arrays()
        return samples(arrays, origin_of(_row(self.runs, run_id)))


def text_runs(table: pl.DataFrame) -> pl.DataFrame:
    """Return the runs whose task is text."""
    return table.filter(pl.col("task._target_") == TEXT_TASK)


def with_unintended(results: Results, runs: pl.DataFrame) -> pl.DataFrame:
    """Add the totals under both references to runs on the train pool; other runs get null.

    If no run has one of the references, its columns are those of the other one, all null. Raises
    ValueError if no finished run is on the train pool.
    """
    pairing = Pairing(results, runs)
    targets = runs.filter(pl.col("task.pool") == "train")["run_id"]
    rows = [pairing.row(run_id) for run_id in targets]
    if not rows:
        raise ValueError("no finished run on the train pool (task.pool=train)")
    totals = dict.fromkeys(name.partition(".")[2] for row in rows for name in row if "." in name)
    blank = {"run_id": None} | {f"{kind}.{name}": None for kind in REFERENCES for name in totals}
    paired = pl.DataFrame([blank | row for row in rows], infer_schema_length=None)
    paired = paired.cast({selectors.ends_with(".run_id"): pl.String}).cast({pl.Null: pl.Float64})
    return runs.join(paired, on="run_id", how="left")
