"""Clear errors for runs that cannot tell a law."""

from collections.abc import Mapping

import numpy as np

from rote.analysis.laws.law import COLUMNS, Measured


def require(
    law: str, measured: Measured, *, num_constants: int, distinct: Mapping[str, int]
) -> None:
    """Raises ValueError for too few runs, or too few different values of a column."""
    for column in distinct:
        measured[column]
    if len(measured) < num_constants + 1:
        raise ValueError(
            f"law {law} has {num_constants} constants and takes {num_constants + 1} runs or more, "
            f"got {len(measured)}"
        )
    for column, fewest in distinct.items():
        if (number := len(np.unique(measured[column]))) < fewest:
            raise ValueError(
                f"law {law} takes {fewest} or more different {column} ({COLUMNS[column]}), "
                f"got {number}"
            )
