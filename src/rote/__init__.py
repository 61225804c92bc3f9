"""rote measures how much a transformer memorises, when it generalises instead, and what leaks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from rote.gathering.sweep_results import SweepResults


def results(sweep: str) -> "SweepResults":
    """The finished runs of a launched sweep: ``runs``, ``curves``, ``sequences``, ``dataset``.

    The sweep lies in ./outputs, or in the folder that ROTE_OUTPUTS names. Raises ValueError for a
    sweep that was not launched here.
    """
    from rote.gathering.sweep_results import SweepResults  # polars: `import rote` is for everybody

    return SweepResults(sweep)


def table(sweep: str) -> "pl.DataFrame":
    """The table that `rote collect` writes, a row a run: ``results(sweep).runs``.

    Columns are settings (``task.num_sequences``), stored sums (``cost.train_code_bits``), what is
    derived from them (``memorised_bits``, ``bits_per_parameter``) and the sweep's axes (``ratio``).
    Raises ValueError for a sweep that was not launched here, has no finished run, or has damaged
    ones.
    """
    return results(sweep).runs
