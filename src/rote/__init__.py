"""rote measures how much a transformer memorises, when it generalises instead, and what leaks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def table(sweep: str) -> "pl.DataFrame":
    """The finished runs of a launched sweep, a row each: the table that `rote collect` writes.

    Columns are settings (``task.num_sequences``), stored sums (``cost.train_code_bits``), what is
    derived from them (``memorised_bits``, ``bits_per_parameter``) and the sweep's axes (``ratio``).
    The sweep lies in ./outputs, or in the folder that ROTE_OUTPUTS names. Raises ValueError for a
    sweep that was not launched here, has no finished run, or has damaged ones.
    """
    from rote.cli.gathering import table_of_sweep  # polars: `import rote` is for everybody

    return table_of_sweep(sweep)
