"""Judge whether the model repeats members' text verbatim, more than text that it never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.estimate import Rate
from rote.analysis.estimators import difference, pooled, rate
from rote.analysis.quantities.exposure import (
    AtRepeats,
    Chance,
    Exposures,
    against_repeats,
    compare_with_chance,
    exposures,
)
from rote.analysis.quantities.generations import Extraction, num_extractable
from rote.auditing.stored import MEMBER, NONMEMBER, StoredAudit

REGURGITATES, NO_EVIDENCE, NOT_MEASURED = "regurgitates", "no evidence", "not measured"
SETS = (MEMBER, NONMEMBER)
EIDETIC = (1, 10, 100)  # most documents that hold an extracted suffix
SAMPLES = (1, 10, 100, 1000)  # drawn at temperature 1 from the whole vocabulary
PROBABILITY = 0.5  # probability that so many samples hold the suffix


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Results for canaries, for each number of repeats separately; 0: controls."""

    exposures: Exposures
    at_repeats: Sequence[AtRepeats]
    chance: Chance | None  # None if the manifest has no controls
    extracted: Sequence[Rate]  # as ``at_repeats``: greedy decoding gives the whole secret

    @property
    def inserted(self) -> Rate:
        """Extracted canaries among those in the training data."""
        return self._extracted(is_control=False)

    @property
    def controls(self) -> Rate:
        """Extracted canaries among those not in the training data."""
        return self._extracted(is_control=True)

    def _extracted(self, *, is_control: bool) -> Rate:
        each_number = zip(self.at_repeats, self.extracted, strict=True)
        return pooled(rate for each, rate in each_number if (each.repeats == 0) == is_control)


@dataclass(frozen=True, kw_only=True)
class Regurgitation:
    """The verdict and its evidence."""

    verdict: str
    extraction: Extraction | None  # members as train, non-members as held-out; None: none tried
    num_tried: dict[str, int]
    num_too_short: dict[str, int]
    discoverable: dict[int, dict[str, Rate]]  # n -> (n, p)-discoverable documents of each set
    eidetic: dict[int, int]  # k -> extracted members whose suffix is in at most k documents
    planted: Planted | None


def judge_regurgitation(stored: StoredAudit) -> Regurgitation:
    """Judge what greedy decoding repeated, and the canaries if there are any."""
    tried = {
        each: stored.scores.filter(pl.col("extracted").is_not_null(), set=each) for each in SETS
    }
    extraction = None
    if all(each.height for each in tried.values()):
        extraction = Extraction(train=_rate(tried[MEMBER]), heldout=_rate(tried[NONMEMBER]))
    planted = None if stored.canaries is None else _planted(stored.canaries)
    given_back = tried[MEMBER].filter("extracted")["suffix_documents"]
    return Regurgitation(
        verdict=_verdict(extraction, planted),
        extraction=extraction,
        num_tried={name: each.height for name, each in tried.items()},
        num_too_short={
            name: stored.scores.filter(set=name).height - each.height
            for name, each in tried.items()
        },
        discoverable={} if extraction is None else _discoverable(tried),
        eidetic={k: int((given_back <= k).sum()) for k in EIDETIC},
        planted=planted,
    )


def _rate(tried: pl.DataFrame) -> Rate:
    return rate(int(tried["extracted"].sum()), tried.height)


def _discoverable(tried: Mapping[str, pl.DataFrame]) -> dict[int, dict[str, Rate]]:
    """Apply Hayes et al. 2024, arXiv 2410.19482, to ln p of one sample from the forward pass."""
    log_p = {name: each["suffix_log_p"].to_numpy() for name, each in tried.items()}
    return {
        number: {
            name: rate(num_extractable(logs, number, PROBABILITY), len(logs))
            for name, logs in log_p.items()
        }
        for number in SAMPLES
    }


def _planted(arrays: Mapping[str, NDArray[Any]]) -> Planted:
    found = exposures(arrays)
    at_repeats = against_repeats(found.repeats_K, found.bits_K, found.most_bits_K)
    is_extracted_K = arrays["is_extracted"].astype(np.bool_)
    controls = found.bits_K[found.is_control_K]
    return Planted(
        exposures=found,
        at_repeats=at_repeats,
        chance=compare_with_chance(controls) if len(controls) else None,
        extracted=[
            rate(
                int(is_extracted_K[found.repeats_K == each.repeats].sum()),
                each.exposure_bits.n,
            )
            for each in at_repeats
        ],
    )


def _verdict(extraction: Extraction | None, planted: Planted | None) -> str:
    if planted is not None and _was_learned(planted):
        return REGURGITATES
    if extraction is None:
        return NOT_MEASURED if planted is None else NO_EVIDENCE
    return REGURGITATES if extraction.excess.sign > 0 else NO_EVIDENCE


def _was_learned(planted: Planted) -> bool:
    """Whether secrets are recited whole: one is enough, unless controls are recited as often."""
    inserted, controls = planted.inserted, planted.controls
    if not controls.successes:
        return inserted.successes > 0
    return difference(inserted, controls).sign > 0
