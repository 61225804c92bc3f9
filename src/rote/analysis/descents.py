"""Held-out loss over data bits per capacity, a curve a series, with the peak of each."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.fits.descent import GridPoint, NoPeak, Peak, fit_descent
from rote.analysis.quantities.convergence import num_converged
from rote.analysis.results import Results

MAX_BLOCKS = 1000  # held-out sequences beyond that are resampled in blocks: 8 MB a resampling


@dataclass(frozen=True, kw_only=True)
class Descent:
    """The runs of one series, by data size, and where their held-out loss turns."""

    source: str  # "random tokens" or "text"
    series: str
    runs: pl.DataFrame
    fit: Peak | NoPeak

    @property
    def name(self) -> str:
        """Unique within a report."""
        return f"{self.source}, {self.series}"

    @property
    def num_unconverged(self) -> int:
        """Runs that had not converged when training ended."""
        return self.runs.height - num_converged(self.runs)


def descents(results: Results, runs: pl.DataFrame) -> tuple[Descent, ...]:
    """Of every series among ``runs``, which have the columns of losses and series."""
    groups = runs.partition_by("source", "series", maintain_order=True)
    return tuple(
        Descent(
            source=group["source"][0],
            series=group["series"][0],
            runs=group,
            fit=fit_descent(_points(results, group)),
        )
        for group in groups
    )


def _points(results: Results, runs: pl.DataFrame) -> list[GridPoint]:
    return [
        GridPoint(
            ratio=float(np.mean(point["data_per_capacity"].to_numpy())),
            losses_KM=np.stack([_losses(results, run) for run in point.iter_rows(named=True)]),
        )
        for point in runs.partition_by("task.num_sequences", maintain_order=True)
    ]


def _losses(results: Results, run: dict[str, object]) -> NDArray[np.float64]:
    """[M] bits per token of every held-out sequence, or of every block of them."""
    code_bits_M = results.folders[str(run["run_id"])].arrays()["cost.heldout_code_bits"]
    losses_M = code_bits_M.astype(np.float64) / int(str(run["task.length"]))
    if len(losses_M) <= MAX_BLOCKS:
        return losses_M
    each = len(losses_M) // MAX_BLOCKS
    blocks: NDArray[np.float64] = losses_M[: each * MAX_BLOCKS].reshape(MAX_BLOCKS, each)
    return blocks.mean(axis=1)
