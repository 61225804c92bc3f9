"""Documents worked out by hand, without a model."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from rote.scores.documents import Documents

MakeDocuments = Callable[..., Documents]


@pytest.fixture
def made() -> MakeDocuments:
    """Ragged ln p (and moments) as documents; padding is NaN, which no score may read."""

    def make(
        log_p: Sequence[Sequence[float]],
        mean: Sequence[Sequence[float]] | None = None,
        spread: Sequence[Sequence[float]] | None = None,
        zlib_bytes: Sequence[int] | None = None,
    ) -> Documents:
        lengths_B = np.array([len(row) for row in log_p])

        def padded(rows: Sequence[Sequence[float]]) -> np.ndarray:
            values_BL = np.full((len(rows), max(lengths_B)), np.nan)
            for values_L, row in zip(values_BL, rows, strict=True):
                values_L[: len(row)] = row
            return values_BL

        return Documents(
            log_p_BL=padded(log_p),
            mean_BL=padded(mean or log_p),
            spread_BL=padded(spread or log_p),
            lengths_B=lengths_B,
            zlib_bytes_B=None if zlib_bytes is None else np.array(zlib_bytes),
        )

    return make
