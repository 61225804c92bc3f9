"""Ranked guesses at training data: targets found before the 100th error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What was found by following a ranking until too many guesses were wrong."""

    num_right: int  # targets: guessed twice, one counts once
    num_wrong: int  # guesses, the last error among them
    num_targets: int

    @property
    def share(self) -> float:
        """Targets found over all targets."""
        return self.num_right / self.num_targets


def recall_at_errors(
    scores: ArrayLike,
    is_right: ArrayLike,
    *,
    num_targets: int,
    max_errors: int = 100,
    targets: ArrayLike | None = None,
) -> Recall:
    """Follow guesses from the highest score down to error number ``max_errors``, and count no more.

    The rule of the Training Data Extraction Challenge (google-research/lm-extraction-benchmark,
    ``score_submission.py``): a right guess counts while fewer errors than that came before it, and
    a target that is guessed again counts once. ``targets`` names each guess's target; None: no two
    guesses are at the same one. All [N]. Among equal scores wrong guesses come first. Raises
    ValueError for what cannot be ranked, more right targets than there are, and no error allowed.
    """
    scores_N, right_N = np.asarray(scores, dtype=np.float64), np.asarray(is_right, dtype=np.bool_)
    targets_N = np.arange(len(right_N)) if targets is None else np.asarray(targets)
    if scores_N.shape != right_N.shape or np.isnan(scores_N).any():
        raise ValueError("every guess needs a score that is a number, and whether it is right")
    if targets_N.shape != right_N.shape:
        raise ValueError(f"{len(right_N)} guesses, and targets of shape {targets_N.shape}")
    if (num_found := len(np.unique(targets_N[right_N]))) > num_targets or num_targets < 1:
        raise ValueError(f"guesses are right of {num_found} targets, and there are {num_targets}")
    if max_errors < 1:
        raise ValueError(f"a recall needs an error that ends it, got max_errors={max_errors}")
    order_N = np.lexsort((right_N, -scores_N))
    right_N, targets_N = right_N[order_N], targets_N[order_N]
    before_N = np.cumsum(~right_N) < max_errors
    return Recall(
        num_right=len(np.unique(targets_N[right_N & before_N])),
        num_wrong=min(max_errors, int((~right_N).sum())),
        num_targets=num_targets,
    )
