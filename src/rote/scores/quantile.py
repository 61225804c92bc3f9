"""Score a document by how far it exceeds the quantile of non-members that are like it.

Source: Bertran et al. 2023, arXiv 2307.03694. They leave the regression open and train networks on
the documents; here it is linear in a few features that never saw the model.

Shapes: B documents, Z known non-members, F features.
"""

import numpy as np
from scipy.optimize import linprog

from rote.scores.documents import Floats

FALSE_POSITIVE_RATE = 0.05  # of known non-members, this share lies above the quantile
FEWEST = 40  # known non-members: two above the quantile


def above_quantile(
    score_B: Floats, features_BF: Floats, score_Z: Floats, features_ZF: Floats
) -> Floats:
    """Return a score minus the quantile that a regression on known non-members predicts; [B].

    The regression minimises the pinball loss of the 1 - `FALSE_POSITIVE_RATE` quantile. Raises
    ValueError for fewer than `FEWEST` known non-members.
    """
    if len(score_Z) < FEWEST:
        raise ValueError(f"a quantile takes {FEWEST} known non-members, got {len(score_Z)}")
    centre_F, spread_F = features_ZF.mean(axis=0), features_ZF.std(axis=0)
    spread_F = np.where(spread_F > 0, spread_F, 1.0)
    known, asked = (
        np.column_stack([np.ones(len(each)), (each - centre_F) / spread_F])
        for each in (features_ZF, features_BF)
    )
    return score_B - asked @ _coefficients(known, score_Z)


def _coefficients(design_ZF: Floats, score_Z: Floats) -> Floats:
    """Return the minimiser of the pinball loss, a linear programme in its two-sided residuals."""
    number, width = design_ZF.shape
    above, below = 1 - FALSE_POSITIVE_RATE, FALSE_POSITIVE_RATE
    found = linprog(
        np.concatenate([np.zeros(width), np.full(number, above), np.full(number, below)]),
        A_eq=np.hstack([design_ZF, np.eye(number), -np.eye(number)]),
        b_eq=score_Z,
        bounds=[(None, None)] * width + [(0, None)] * 2 * number,
    )
    assert found.success, found.message
    return np.asarray(found.x[:width])
