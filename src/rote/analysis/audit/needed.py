"""What it would take to be sure: documents that narrow an interval, exclude chance or bound a rate.

An interval's width falls with the square root of the number of documents, were others of the same
kind drawn. Numbers are of one side, both halves together.
"""

import math

from rote.analysis.estimate import Estimate
from rote.analysis.fits.level import LEVEL
from rote.analysis.quantities.membership import FALSE_POSITIVE_RATES, controls_needed

NARROW = 0.01  # half the width of an AUROC's interval
BOUND = 0.001  # a rate of extraction
HALVES = 2


def to_narrow(estimate: Estimate, num_judged: int, *, reach: float = NARROW) -> int:
    """Documents until the interval is ``reach`` wide on each side."""
    low, high = estimate.ends
    half_width = (high - low) / 2
    return HALVES * math.ceil(num_judged * (half_width / reach) ** 2)


def to_exclude(estimate: Estimate, num_judged: int, *, chance: float) -> int | None:
    """Documents until the interval ends above ``chance``, were the effect as large as it seems.

    None where nothing above chance was seen: no number of documents excludes it then.
    """
    if estimate.value <= chance:
        return None
    return to_narrow(estimate, num_judged, reach=estimate.value - chance)


def to_bound(rate: float = BOUND) -> int:
    """Documents of which none may be extracted, so that the exact interval ends below ``rate``."""
    return math.ceil(math.log((1 - LEVEL) / 2) / math.log1p(-rate))


def controls_missing(num_nonmembers: int) -> int:
    """Non-members until a threshold can promise the lowest false-positive rate; 0: enough."""
    return max(0, controls_needed(min(FALSE_POSITIVE_RATES)) - num_nonmembers)
