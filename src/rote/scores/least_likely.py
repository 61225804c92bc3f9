"""Min-K% and Min-K%++: the mean over the least likely tokens of a document.

Sources: Shi et al. 2023, arXiv 2310.16789; Zhang et al. 2024, arXiv 2404.02936. As in the authors'
code int(L k / 100) tokens of a document count, though one at least, where theirs is undefined.
"""

import numpy as np

from rote.core.checks import require_whole
from rote.scores.documents import LEAST_SPREAD_NATS, Documents, Floats


def min_k(documents: Documents, *, k_percent: int) -> Floats:
    """Mean of the lowest k % of ln p, nats."""
    return _mean_of_lowest(documents, documents.log_p_BL, k_percent)


def min_k_plus_plus(documents: Documents, *, k_percent: int) -> Floats:
    """Mean of the lowest k % of (ln p - mu) / sigma, both weighted by the model's probabilities.

    Where all symbols are equally likely ln p is mu, and the value 0.
    """
    spread_BL = np.maximum(documents.spread_BL, LEAST_SPREAD_NATS)
    standard_BL = (documents.log_p_BL - documents.mean_BL) / spread_BL
    return _mean_of_lowest(documents, standard_BL, k_percent)


def _mean_of_lowest(documents: Documents, values_BL: Floats, k_percent: int) -> Floats:
    """Over floor(k L / 100) tokens, but one at least.

    Raises ValueError for a k that is no whole number from 1 to 100: 0.29 * 100 is 28.999...
    """
    require_whole("k_percent", k_percent, 1, 100)
    num_lowest_B = np.maximum(1, documents.lengths_B * k_percent // 100)
    ascending_BL = np.sort(np.where(documents.inside_BL, values_BL, np.inf), axis=1)
    is_lowest_BL = np.arange(values_BL.shape[1]) < num_lowest_B[:, None]
    return np.asarray(np.where(is_lowest_BL, ascending_BL, 0.0).sum(axis=1) / num_lowest_B)
