"""What membership scores read, and what they give back.

Shapes: B documents, L positions of the longest, W documents compared with, a whole number for each.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Half the distance of 1 to the float32 below it: no p < 1 has a -ln p that is smaller. It keeps
# ratios of code lengths defined where a model is certain of every token.
LEAST_NATS = 2.0**-25
# Square root of float32's 2^-24: a smaller standard deviation drowns in the rounding of its sum.
LEAST_SPREAD_NATS = 2.0**-12


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Documents under one model, in nats; columns from a document's length on are padding.

    Raises ValueError for a document without a token and for numbers that are not finite.
    """

    log_p_BL: Floats  # ln p(token | earlier tokens)
    mean_BL: Floats  # mu = sum_V p ln p over the vocabulary, minus the entropy
    spread_BL: Floats  # sqrt(sum_V p (ln p)^2 - mu^2)
    lengths_B: Integers
    zlib_bytes_B: Integers | None = None  # of the text itself, by `rote.scores.likelihood`

    def __post_init__(self) -> None:
        """Refuses what would make a score undefined."""
        num_documents, longest = self.log_p_BL.shape
        if self.lengths_B.shape != (num_documents,):
            raise ValueError(f"{num_documents} documents, and lengths of {self.lengths_B.shape}")
        wrong = np.flatnonzero((self.lengths_B < 1) | (self.lengths_B > longest))
        if wrong.size:
            length = self.lengths_B[wrong[0]]
            raise ValueError(f"document {wrong[0]} has {length} tokens, must be 1 to {longest}")
        for values_BL in (self.log_p_BL, self.mean_BL, self.spread_BL):
            unscored = np.flatnonzero((~np.isfinite(values_BL) & self.inside_BL).any(axis=1))
            if unscored.size:
                raise ValueError(f"document {unscored[0]}: the model gives no finite probability")

    @cached_property
    def inside_BL(self) -> NDArray[np.bool_]:
        """Which columns are tokens."""
        inside: NDArray[np.bool_] = np.arange(self.log_p_BL.shape[1]) < self.lengths_B[:, None]
        return inside

    @cached_property
    def log_likelihood_B(self) -> Floats:
        """ln p of whole documents, nats."""
        return np.asarray(np.where(self.inside_BL, self.log_p_BL, 0.0).sum(axis=1))

    @property
    def nats_per_token_B(self) -> Floats:
        """Mean loss: the logarithm of the perplexity."""
        return -self.log_likelihood_B / self.lengths_B
