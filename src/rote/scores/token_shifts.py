"""Compute scores from how far each token's ln p lies above that under a reference model.

Shapes: T tokens of all documents together, one document after the other, B documents.
All scores are [B], higher = member.
"""

import numpy as np
from numpy.typing import NDArray

from rote.scores.documents import Floats, Integers

FEWEST_ERRORS = 2  # of the authors' code: fewer say nothing
LEAST_WINDOW, LARGEST_WINDOW, NUM_WINDOWS = 2, 40, 10  # tokens; the paper's defaults


def error_zone(shift_nats_T: Floats, is_greedy_T: NDArray[np.bool_], lengths_B: Integers) -> Floats:
    """Return the sum of upward shifts over that of downward ones, where greedy decoding errs.

    A shift is ln p under the model minus ln p under the reference. 0 for fewer than two errors, and
    for none with a downward shift. Source: EZ-MIA (Ilic et al. 2026, arXiv 2601.12104), as in the
    authors' code.
    """
    starts_B = np.cumsum(lengths_B) - lengths_B
    wrong_T = np.where(is_greedy_T, 0.0, shift_nats_T)
    up_B = np.add.reduceat(np.maximum(wrong_T, 0.0), starts_B)
    down_B = np.add.reduceat(np.maximum(-wrong_T, 0.0), starts_B)
    num_errors_B = np.add.reduceat(~is_greedy_T, starts_B, dtype=np.int64)
    is_defined_B = (num_errors_B >= FEWEST_ERRORS) & (down_B > 0)
    return np.divide(up_B, down_B, out=np.zeros(len(lengths_B)), where=is_defined_B)


def window_votes(shift_nats_T: Floats, lengths_B: Integers) -> Floats:
    """Return the share of windows whose summed shift is upward, as a mean over ten sizes.

    Sizes are 2 to 40 tokens, geometrically spaced and rounded; windows overlap. Source: WBC (Chen
    et al. 2026, arXiv 2601.02751), who score documents of 512 tokens and more. Here a document
    votes with the sizes that fit into it; one token votes alone.
    """
    exponents = np.arange(NUM_WINDOWS) / (NUM_WINDOWS - 1)
    sizes = np.rint(LEAST_WINDOW * (LARGEST_WINDOW / LEAST_WINDOW) ** exponents).astype(int)
    scores = np.empty(len(lengths_B))
    for place, shift_L in enumerate(np.split(shift_nats_T, np.cumsum(lengths_B)[:-1])):
        sums = np.append(0.0, shift_L.cumsum())
        fitting = sizes[sizes <= len(shift_L)] if len(shift_L) >= LEAST_WINDOW else [1]
        scores[place] = np.mean([(sums[size:] - sums[:-size] > 0).mean() for size in fitting])
    return scores
