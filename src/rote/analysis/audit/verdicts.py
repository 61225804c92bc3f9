"""Judge whether a score tells members from non-members, and whether the model repeats members.

The best of many scores is best partly by luck, so the score is chosen on the calibration half and
judged on the evaluation half, which is the same for all. Words alone are tried first: if they
separate members, the two sets differ by themselves, and no score shows memorisation (Das et al.
2024, arXiv 2406.16201).

mem_U of members under each reference is what only training explains. Non-members are the control:
what the model knows better about them than the reference does is skill.
Shapes: M members, N non-members of those evaluated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import bootstrap, difference, rate
from rote.analysis.quantities.exposure import Chance, Exposures, compare_with_chance, exposures
from rote.analysis.quantities.generations import NUM_SAMPLES, Extraction, rates_in_samples
from rote.analysis.quantities.membership import MembershipQuality, halved, membership_quality
from rote.analysis.quantities.privacy import PrivacyBounds, privacy_bounds
from rote.analysis.quantities.roc import auroc, score_interval
from rote.analysis.quantities.unintended import max_code_bits, mean_max_code, mixture_code_bits
from rote.auditing.stored import MEMBER, NONMEMBER, REFERENCE_PREFIX, SCORE_PREFIX, StoredAudit
from rote.core.arrays import Floats

LEAKS, NO_EVIDENCE, CONFOUNDED = "leaks", "no evidence", "confounded"
CHANCE = 0.5
# Least margin of the words' AUROC over chance, at the low end of its interval, that is more than a
# stray word.
BLIND_MARGIN = 0.02
BLIND = "blind"
NUM_RESAMPLES = 1000
FEW = 30  # documents of each set
REGURGITATES, NOT_MEASURED = "regurgitates", "not measured"
EIDETIC = (1, 10, 100)  # most documents that hold an extracted suffix

Pair = tuple[Floats, Floats]  # members, non-members


@dataclass(frozen=True, kw_only=True)
class MembershipVerdict:
    """The verdict and its evidence."""

    verdict: str
    score: str  # chosen on the calibration half
    auroc: Estimate  # AUROC of that score, on the evaluation half only
    over_blind: Estimate  # its AUROC there minus that of words alone, paired
    privacy: PrivacyBounds  # by that score, there
    num_members: int  # members of the evaluation half
    num_nonmembers: int
    blind: MembershipQuality  # quality of words alone, on all evaluated documents
    qualities: Mapping[str, MembershipQuality]  # quality of each score, on all evaluated documents

    @property
    def quality(self) -> MembershipQuality:
        """Quality of the chosen score; its threshold decisions are on the evaluation half."""
        return self.qualities[self.score]


def judge_membership(stored: StoredAudit) -> MembershipVerdict:
    """Judge the scores of all documents that were not set aside."""
    seed = stored.facts["settings"]["seed"]
    pairs = {name: pair_of(stored.scores, f"{SCORE_PREFIX}{name}") for name in stored.score_names}
    blind = pair_of(stored.scores, BLIND)
    places = halved(*map(len, blind), seed=seed)
    calibration, evaluation = ([document_set[half] for document_set in places] for half in (0, 1))
    chosen = max(pairs, key=lambda name: auroc(*_part(pairs[name], calibration)))
    judged = _part(pairs[chosen], evaluation)
    quality = partial(membership_quality, seed=seed, num_resamples=NUM_RESAMPLES)
    estimate, blind_quality = quality(*judged).auroc, quality(*blind)
    return MembershipVerdict(
        verdict=_membership_verdict(estimate, blind_quality.auroc),
        score=chosen,
        auroc=estimate,
        over_blind=auroc_difference(judged, _part(blind, evaluation), seed=seed),
        privacy=privacy_bounds(*judged, seed=seed),
        num_members=len(judged[0]),
        num_nonmembers=len(judged[1]),
        blind=blind_quality,
        qualities={name: quality(*pair) for name, pair in pairs.items()},
    )


def pair_of(scores: pl.DataFrame, column: str) -> Pair:
    """Return a score of the documents that were not set aside, members first."""
    evaluated = scores.filter(~pl.col("aside"))
    is_member = evaluated["set"] == MEMBER
    values = evaluated[column]
    return values.filter(is_member).to_numpy(), values.filter(~is_member).to_numpy()


def evaluation_half(evaluated: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Return the rows, of those not set aside, that the verdict is judged on."""
    is_member = evaluated["set"] == MEMBER
    sets = evaluated.filter(is_member), evaluated.filter(~is_member)
    places = halved(*(each.height for each in sets), seed=seed)
    return pl.concat(each[half[1]] for each, half in zip(sets, places, strict=True))


def auroc_difference(first: Pair, second: Pair, *, seed: int) -> Estimate:
    """Return one score's AUROC minus another's on the same documents, by a paired bootstrap.

    For fewer than `FEW` documents of a set the interval also spans that of two independent AUROCs:
    for two AUROCs near 1 a bootstrap over 10 documents held the difference 77 % of the time.
    """
    generator = np.random.default_rng(seed)
    differences = []
    for _ in range(NUM_RESAMPLES):
        drawn = [generator.integers(number, size=number) for number in map(len, first)]
        differences.append(auroc(*_part(first, drawn)) - auroc(*_part(second, drawn)))
    independent = difference(*map(_by_itself, (first, second)))
    return bootstrap(
        auroc(*first) - auroc(*second),
        differences,
        n=independent.n,
        at_least=independent.ends if min(map(len, first)) < FEW else None,
    )


def _by_itself(pair: Pair) -> Estimate:
    value, (num_members, num_nonmembers) = auroc(*pair), map(len, pair)
    interval = score_interval(value, num_members=num_members, num_nonmembers=num_nonmembers)
    return Estimate.of(value, interval, n=num_members + num_nonmembers, method="Newcombe 2006")


def _membership_verdict(estimate: Estimate, blind: Estimate) -> str:
    if blind.ends[0] > CHANCE + BLIND_MARGIN:
        return CONFOUNDED
    return LEAKS if estimate.ends[0] > CHANCE else NO_EVIDENCE


def _part(pair: Pair, places: list[NDArray[np.int64]]) -> Pair:
    members, nonmembers = (document_set[of] for document_set, of in zip(pair, places, strict=True))
    return members, nonmembers


def under_references(stored: StoredAudit) -> list[dict[str, Any]]:
    """Return mem_U of all documents that were not set aside, one row per reference.

    ``members`` and ``nonmembers`` hold the number of documents, sums, and the mean by the max code.
    """
    sets = stored.scores.filter(~pl.col("aside")).partition_by("set", as_dict=True)
    return [
        {
            "reference": each["score"], "name": each["name"],
            "members": _unintended(sets[(MEMBER,)], REFERENCE_PREFIX + each["score"]),
            "nonmembers": _unintended(sets[(NONMEMBER,)], REFERENCE_PREFIX + each["score"]),
        }
        for each in stored.facts["references"]
    ]  # fmt: skip


def _unintended(documents: pl.DataFrame, column: str) -> dict[str, Any]:
    target, reference = documents["code_bits"].to_numpy(), documents[column].to_numpy()
    bits = max_code_bits(target, reference)
    return {
        "num_documents": len(bits), "max_code_bits": float(bits.sum()),
        "mixture_code_bits": float(mixture_code_bits(target, reference).sum()),
        "mean_bits": mean_max_code(bits, reference),
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Results for canaries, for each number of repeats separately; 0: controls."""

    exposures: Exposures
    at_repeats: Mapping[int, Estimate]  # mean exposure, bits
    chance: Chance | None  # None if the manifest has no controls
    extracted: Mapping[int, Rate]  # greedy decoding gives the whole secret
    inserted: Rate  # secrets recited whole, of canaries in the training data
    controls: Rate  # the same of canaries that are not in it


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
        each: stored.scores.filter(pl.col("extracted").is_not_null(), set=each)
        for each in (MEMBER, NONMEMBER)
    }
    extraction = None
    if all(each.height for each in tried.values()):
        extraction = Extraction(train=_rate(tried[MEMBER]), heldout=_rate(tried[NONMEMBER]))
    planted = None if stored.canaries is None else _planted(stored.canaries)
    given_back = tried[MEMBER].filter("extracted")["suffix_documents"]
    return Regurgitation(
        verdict=_regurgitation_verdict(extraction, planted),
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
    rates = {name: rates_in_samples(each["suffix_log_p"]) for name, each in tried.items()}
    return {
        number: {name: each[f"in {number}"] for name, each in rates.items()}
        for number in NUM_SAMPLES
    }


def _planted(arrays: Mapping[str, NDArray[Any]]) -> Planted:
    found, is_extracted_K = exposures(arrays), arrays["is_extracted"].astype(np.bool_)
    controls = found.bits_K[found.is_control_K]

    def recited(chosen_K: NDArray[np.bool_]) -> Rate:
        return rate(int(is_extracted_K[chosen_K].sum()), int(chosen_K.sum()))

    return Planted(
        exposures=found,
        at_repeats=found.at_repeats,
        chance=compare_with_chance(controls) if len(controls) else None,
        extracted={times: recited(found.repeats_K == times) for times in found.at_repeats},
        inserted=recited(~found.is_control_K),
        controls=recited(found.is_control_K),
    )


def _regurgitation_verdict(extraction: Extraction | None, planted: Planted | None) -> str:
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
