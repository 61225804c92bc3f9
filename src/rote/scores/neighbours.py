"""Neighbours of a document: a few of its tokens drawn anew, for the score that compares with them.

Mattern et al. 2023 (arXiv 2305.18462) ask a masked language model for likely words; here they are
drawn from a pool of the same kind of text, which needs no second model. Shapes: L tokens of the
document, W neighbours, T tokens of the pool.
"""

import numpy as np

from rote.core.checks import require_whole
from rote.scores.documents import Integers


def neighbours(
    tokens_L: Integers,
    pool_T: Integers,
    *,
    num_neighbours: int,
    percent: int,
    generator: np.random.Generator,
) -> Integers:
    """[W, L]: in each another floor(percent L / 100) places, one at least, hold pool tokens.

    Raises ValueError for an empty document or pool, and for numbers out of range.
    """
    require_whole("num_neighbours", num_neighbours, 1)
    require_whole("percent", percent, 1, 100)
    if not (len(tokens_L) and len(pool_T)):
        raise ValueError(f"neighbours of {len(tokens_L)} tokens from a pool of {len(pool_T)}")
    num_places = max(1, len(tokens_L) * percent // 100)
    changed_WL = np.tile(tokens_L, (num_neighbours, 1))
    for row_L in changed_WL:
        places = generator.choice(len(tokens_L), num_places, replace=False)
        row_L[places] = generator.choice(pool_T, num_places)
    return changed_WL
