"""Runs that differ in their seed alone, put together: canaries, windows and scores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import mean_of_estimates, pooled, rate
from rote.analysis.quantities.exposure import (
    Chance,
    SkewNormal,
    against_repeats,
    compare_with_chance,
)
from rote.analysis.quantities.extraction import Extraction
from rote.analysis.quantities.membership import MembershipQuality, TooFewControls
from rote.analysis.reports.leakage.reading import Canaries, Told, judged
from rote.analysis.reports.leakage.shadows import Refused, Sides, groups, shadow_scores


@dataclass(frozen=True, kw_only=True)
class Place:
    """A size and a number of sequences N, with the runs of all its seeds."""

    series: str
    num_sequences: int
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Exposures by skew-normals that the Kolmogorov-Smirnov test does not reject."""

    mean_bits: float
    num_canaries: int


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Canaries that were inserted equally often."""

    place: Place
    repeats: int  # 0: controls
    exposure_bits: Estimate
    secret_bits: float  # means over the canaries
    most_bits: float
    fitted: Fitted | None  # None where no skew-normal can be trusted
    extracted: Rate | None


@dataclass(frozen=True, kw_only=True)
class Controls:
    """What was never inserted, beside chance."""

    place: Place
    chance: Chance


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows extracted from a prefix of so many tokens."""

    place: Place
    extraction: Extraction


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One score, judged in every run."""

    place: Place
    score: str
    qualities: tuple[MembershipQuality, ...]

    @property
    def auroc(self) -> Estimate:
        """Mean over runs."""
        return mean_of_estimates([each.auroc for each in self.qualities])

    def members_found(self, which: int) -> Rate | TooFewControls:
        """At the false-positive rate of this index, runs added up; or why nobody can tell."""
        found = [each.at_false_positive_rates[which] for each in self.qualities]
        counted = []
        for one in found:
            if isinstance(one, TooFewControls):
                return one
            counted.append(one.members_found)
        return pooled(counted)


@dataclass(frozen=True, kw_only=True)
class NotScored:
    """A score that could not be had."""

    place: Place
    score: str
    reason: str


def places(runs: pl.DataFrame) -> list[Place]:
    """In the order of the runs: by size, then N."""
    parts = runs.partition_by("series", "task.num_sequences", maintain_order=True)
    return [
        Place(
            series=part["series"][0],
            num_sequences=part["task.num_sequences"][0],
            run_ids=tuple(part["run_id"]),
        )
        for part in parts
    ]


def planted(where: Iterable[Place], told: Mapping[str, Told]) -> list[Planted]:
    """An entry for each place and number of repeats, rising."""
    return [
        point
        for place in where
        if (canaries := _canaries(place, told))
        for point in _planted(place, canaries)
    ]


def _planted(place: Place, canaries: Sequence[Canaries]) -> Iterator[Planted]:
    repeats = np.concatenate([each.exposures.repeats_K for each in canaries])
    bits = np.concatenate([each.exposures.bits_K for each in canaries])
    secret_bits = np.concatenate([each.secret_bits_K for each in canaries])
    most_bits = np.concatenate([each.exposures.most_bits_K for each in canaries])
    for entry in against_repeats(repeats, bits, most_bits):
        chosen = repeats == entry.repeats
        yield Planted(
            place=place,
            repeats=entry.repeats,
            exposure_bits=entry.exposure_bits,
            secret_bits=float(secret_bits[chosen].mean()),
            most_bits=float(most_bits[chosen].mean()),
            fitted=_fitted(canaries, entry.repeats),
            extracted=_extracted(canaries, entry.repeats),
        )


def _fitted(canaries: Sequence[Canaries], repeats: int) -> Fitted | None:
    trusted = [
        bits
        for each in (one.exposures for one in canaries)
        for fit, bits, times in zip(each.fits_K, each.fitted_bits_K, each.repeats_K, strict=True)
        if times == repeats and isinstance(fit, SkewNormal) and not fit.warning and bits is not None
    ]
    if not trusted:
        return None
    return Fitted(mean_bits=float(np.mean(trusted)), num_canaries=len(trusted))


def _extracted(canaries: Sequence[Canaries], repeats: int) -> Rate | None:
    tried = [
        each.is_extracted_K[each.exposures.repeats_K == repeats]
        for each in canaries
        if each.is_extracted_K is not None
    ]
    trials = sum(map(len, tried))
    return rate(int(sum(each.sum() for each in tried)), trials) if trials else None


def controls(where: Iterable[Place], told: Mapping[str, Told]) -> list[Controls]:
    """Of every place that has some."""
    found = []
    for place in where:
        canaries = _canaries(place, told)
        bits = [each.exposures.bits_K[each.exposures.is_control_K] for each in canaries]
        if sum(map(len, bits)):
            found.append(Controls(place=place, chance=compare_with_chance(np.concatenate(bits))))
    return found


def doubtful_fits(told: Mapping[str, Told]) -> tuple[int, int]:
    """Skew-normals that the Kolmogorov-Smirnov test rejects, of all that were fitted."""
    fits = [
        fit
        for each in told.values()
        if each.canaries
        for fit in each.canaries.exposures.fits_K
        if isinstance(fit, SkewNormal)
    ]
    return sum(fit.warning is not None for fit in fits), len(fits)


def windows(where: Iterable[Place], told: Mapping[str, Told]) -> list[Windows]:
    """An entry for each place and prefix."""
    return [point for place in where for point in _windows(place, told)]


def _windows(place: Place, told: Mapping[str, Told]) -> Iterator[Windows]:
    found = [each for run_id in place.run_ids for each in told[run_id].windows]
    for prefix in sorted({each.prefix_tokens for each in found}):
        same = [each for each in found if each.prefix_tokens == prefix]
        extraction = Extraction(
            prefix_tokens=prefix,
            train=pooled(each.train for each in same),
            heldout=pooled((each.heldout for each in same), same_things=True),
        )
        yield Windows(place=place, extraction=extraction)


def scored(where: Iterable[Place], told: Mapping[str, Told]) -> list[Scored]:
    """Every score that a run has by itself or beside its oracle."""
    return [point for place in where for point in _scored(place, told)]


def _scored(place: Place, told: Mapping[str, Told]) -> Iterator[Scored]:
    names = dict.fromkeys(name for run_id in place.run_ids for name in told[run_id].qualities)
    for name in names:
        having = tuple(each for each in place.run_ids if name in told[each].qualities)
        yield Scored(
            place=replace(place, run_ids=having),
            score=name,
            qualities=tuple(told[each].qualities[name] for each in having),
        )


def shadowed(runs: pl.DataFrame, told: Mapping[str, Told]) -> list[Scored | NotScored]:
    """Scores beside runs of other seeds, every run of a group once the target."""
    found: list[Scored | NotScored] = []
    for group in groups(runs):
        row = runs.row(by_predicate=pl.col("run_id") == group[0], named=True)
        place = Place(
            series=row["series"], num_sequences=row["task.num_sequences"], run_ids=tuple(group)
        )
        by_target = {each: _of_target(each, group, told, row["task.length"]) for each in group}
        found += [
            _together(place, name, {each: by_target[each][name] for each in group})
            for name in by_target[group[0]]
        ]
    return found


def _of_target(
    target: str, group: Sequence[str], told: Mapping[str, Told], length: int
) -> Mapping[str, Sides | Refused]:
    codes = {each: told[each].codes for each in group}
    own = codes.pop(target)
    others = [each for each in codes.values() if each is not None]
    assert own is not None and len(others) == len(codes)  # reading keeps those of every group
    return shadow_scores(own, others, length=length)


def _together(place: Place, name: str, sides: Mapping[str, Sides | Refused]) -> Scored | NotScored:
    for side in sides.values():
        if isinstance(side, Refused):
            return NotScored(place=place, score=name, reason=side.reason)
    qualities = [
        judged(run_id, {name: side})[name]
        for run_id, side in sides.items()
        if isinstance(side, Sides)
    ]
    return Scored(place=place, score=name, qualities=tuple(qualities))


def _canaries(place: Place, told: Mapping[str, Told]) -> list[Canaries]:
    having = [told[run_id].canaries for run_id in place.run_ids]
    return [each for each in having if each is not None]
