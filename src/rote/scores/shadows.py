"""What shadow models saw and said, for scores that compare a target with them.

Shapes: S shadow models, B documents.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote.scores.documents import LEAST_NATS, Floats


@dataclass(frozen=True, kw_only=True)
class Shadows:
    """ln p of each document under each shadow, and whether that shadow was trained on it.

    Any normalisation does (per token, whole document) if the target's is the same.
    Raises ValueError for shapes that differ, and for values that are no logarithm of a probability.
    """

    log_p_SB: Floats
    trained_SB: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuses what would make a score undefined."""
        if self.log_p_SB.shape != self.trained_SB.shape or self.log_p_SB.ndim != 2:
            shapes = f"{self.log_p_SB.shape} and {self.trained_SB.shape}"
            raise ValueError(f"shadows need [shadows, documents] twice, got {shapes}")
        require_log_p(self.log_p_SB)

    def require(self, *, trained: int, untrained: int) -> None:
        """Raises ValueError for a document with fewer shadows on either side."""
        for side_SB, least, word in (
            (self.trained_SB, trained, "with"),
            (~self.trained_SB, untrained, "without"),
        ):
            count_B = side_SB.sum(axis=0)
            if (count_B < least).any():
                document = int(count_B.argmin())
                raise ValueError(
                    f"document {document}: shadows trained {word} it: {count_B[document]}, "
                    f"and this score takes {least}"
                )


def require_log_p(log_p: Floats) -> None:
    """Raises ValueError unless all are finite and at most 0."""
    if not (np.isfinite(log_p).all() and (log_p <= 0).all()):
        raise ValueError("logarithms of probabilities must be finite and at most 0")


def logit_confidence(log_p: Floats) -> Floats:
    """ln(p / (1 - p)), of which shadows' values are about normal (Carlini et al. 2022)."""
    certain = np.minimum(log_p, -LEAST_NATS)
    return np.asarray(certain - np.log(-np.expm1(certain)))
