"""Loss over parameters and tokens seen where the distinct ones are limited."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.laws.law import Floats, LawCurve
from rote.analysis.laws.repetition import worth


@dataclass(frozen=True, kw_only=True)
class DataLimited:
    """A loss law of which no more than ``distinct`` tokens differ."""

    law: LawCurve  # over parameters and tokens; without R_D over unique tokens besides
    distinct: float
    R_D: float | None  # None: the law itself knows what repeats are worth

    def predict(self, parameters: ArrayLike, tokens: ArrayLike) -> Floats:
        """Loss in nats per token."""
        seen = np.asarray(tokens, dtype=np.float64)
        unique = np.minimum(seen, self.distinct)
        if self.R_D is None:
            return self.law.predict(parameters, seen, unique)
        return self.law.predict(parameters, worth(seen, unique, self.R_D))
