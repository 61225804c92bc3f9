"""Ranked guesses at training data: right ones counted up to 100 errors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What was found by following a ranking until too many guesses were wrong."""

    num_right: int
    num_wrong: int
    num_targets: int

    @property
    def share(self) -> float:
        """Right guesses over all targets."""
        return self.num_right / self.num_targets


def recall_at_errors(
    scores: ArrayLike, is_right: ArrayLike, *, num_targets: int, max_errors: int = 100
) -> Recall:
    """Follow guesses from the highest score down, and stop before the error that is one too many.

    Among equal scores wrong guesses come first. Raises ValueError for what cannot be ranked.
    """
    scores_N, right_N = np.asarray(scores, dtype=np.float64), np.asarray(is_right, dtype=np.bool_)
    if scores_N.shape != right_N.shape or np.isnan(scores_N).any():
        raise ValueError("every guess needs a score that is a number, and whether it is right")
    if num_targets < max(1, int(right_N.sum())):
        raise ValueError(f"{int(right_N.sum())} guesses are right, of {num_targets} targets")
    right_N = right_N[np.lexsort((right_N, -scores_N))]
    taken_N = np.cumsum(~right_N) <= max_errors
    return Recall(
        num_right=int((right_N & taken_N).sum()),
        num_wrong=int((~right_N & taken_N).sum()),
        num_targets=num_targets,
    )
