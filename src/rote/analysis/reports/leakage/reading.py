"""What the arrays of each run tell of leakage: every file is read once, and most of it let go.

Shapes: K canaries of a run, N sequences of a split.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.estimators import rate
from rote.analysis.pairing import text_runs
from rote.analysis.quantities.exposure import Exposures, exposures
from rote.analysis.quantities.extraction import Extraction
from rote.analysis.quantities.membership import MembershipQuality, membership_quality
from rote.analysis.quantities.references import oracle_reference, origin_of
from rote.analysis.quantities.unintended import (
    heldout_samples,
    pair,
    scored_samples,
    trained_samples,
)
from rote.analysis.reports.leakage.shadows import MOST_JUDGED, SEED, Codes, Sides, groups
from rote.analysis.results import Results
from rote.watching import watched

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float64]

HEADLINE = "loss"  # the score whose F1 the law is about
RESAMPLES, FEWER_RESAMPLES = 1000, 200  # of the headline score, of each other
UNUSED = 2  # resamples of an interval that nobody looks at
SIDE = re.compile(r"membership\.member_(\w+)")
WINDOWS = re.compile(r"extraction\.train_extracted_(\d+)")


@dataclass(frozen=True, kw_only=True)
class Canaries:
    """Of one run, in the manifest's order."""

    exposures: Exposures
    secret_bits_K: Floats
    is_extracted_K: NDArray[np.bool_] | None  # None where the run did not try

    @property
    def inserted_K(self) -> NDArray[np.bool_]:
        """Those that are no controls."""
        return ~self.exposures.is_control_K


@dataclass(frozen=True, kw_only=True)
class Told:
    """By one run; what it did not measure is empty or None."""

    qualities: Mapping[str, MembershipQuality]  # by score
    canaries: Canaries | None
    windows: tuple[Extraction, ...]  # by prefix, rising
    oracle_id: str | None
    codes: Codes | None  # kept where other seeds are its shadows


def read(results: Results, runs: pl.DataFrame, *, quick: bool = False) -> dict[str, Told]:
    """Of every run, by id.

    ``quick``: the headline score alone, its interval not to be used, and no skew-normals; these
    take 0.6 and 0.3 seconds a run.

    Raises ValueError naming a run whose arrays cannot be judged.
    """
    texts = _coded(results.table)
    oracle_of = {
        run_id: oracle_reference(texts, run_id)
        for run_id in texts["run_id"]
        if run_id in runs["run_id"]
    }
    oracles = {
        oracle_id: _codes(results.folders[oracle_id].arrays(), _row(texts, oracle_id))
        for oracle_id in dict.fromkeys(oracle_of.values())
        if oracle_id is not None
    }
    in_groups = {run_id for group in groups(runs) for run_id in group}
    found = {}
    rows = list(runs.iter_rows(named=True))
    for run in watched(rows, "judging scores", results.show):
        run_id = run["run_id"]
        oracle_id = oracle_of.get(run_id)
        arrays = results.folders[run_id].arrays()
        sides = dict(_stored_sides(arrays))
        if quick:
            sides = {name: side for name, side in sides.items() if name == HEADLINE}
        elif oracle_id is not None:
            sides["reference"] = _beside_oracle(arrays, run, oracles[oracle_id])
        found[run_id] = Told(
            qualities=judged(run_id, sides, UNUSED if quick else RESAMPLES),
            canaries=_canaries(arrays, fitted=not quick),
            windows=tuple(_windows(arrays, run)),
            oracle_id=oracle_id,
            codes=_codes(arrays, run) if run_id in in_groups else None,
        )
    return found


def _coded(table: pl.DataFrame) -> pl.DataFrame:
    """Runs on text with the code lengths of their samples (measure cost)."""
    texts = text_runs(table)
    name = "cost.heldout_code_bits"
    return texts.filter(pl.col(name).is_not_null()) if name in texts.columns else texts.clear()


def judged(
    run_id: str, sides: Mapping[str, Sides], num_resamples: int = RESAMPLES
) -> dict[str, MembershipQuality]:
    """By score, with so many resamples of the headline; raises ValueError naming the run."""
    try:
        return {
            name: membership_quality(
                side.members,
                side.nonmembers,
                num_resamples=num_resamples if name == HEADLINE else FEWER_RESAMPLES,
            )
            for name, side in sides.items()
        }
    except ValueError as error:
        raise ValueError(f"run {run_id}: {error}") from error


def _stored_sides(arrays: Arrays) -> Iterable[tuple[str, Sides]]:
    names = [found[1] for key in arrays if (found := SIDE.fullmatch(key))]
    for name in sorted(names, key=lambda each: (each != HEADLINE, each)):
        yield (
            name,
            Sides(
                members=arrays[f"membership.member_{name}"].astype(np.float64),
                nonmembers=arrays[f"membership.nonmember_{name}"].astype(np.float64),
            ),
        )


def _beside_oracle(arrays: Arrays, run: dict[str, Any], oracle: Codes) -> Sides:
    """Bits a token that the run saves on a sample over the oracle, which never saw it."""
    origin = origin_of(run)
    known = pair(trained_samples(arrays, origin), oracle.scored)
    unknown = pair(heldout_samples(arrays, origin), oracle.heldout)
    random = np.random.default_rng(SEED)
    members, nonmembers = (
        random.permutation(each.reference_bits - each.target_bits)[:MOST_JUDGED] / origin.length
        for each in (known, unknown)
    )
    return Sides(members=members, nonmembers=nonmembers)


def _codes(arrays: Arrays, run: dict[str, Any]) -> Codes:
    origin = origin_of(run)
    return Codes(scored=scored_samples(arrays, origin), heldout=heldout_samples(arrays, origin))


def _canaries(arrays: Arrays, *, fitted: bool) -> Canaries | None:
    if "exposure.repeats" not in arrays:
        return None
    found = exposures(arrays, fitted=fitted)
    extracted_K = arrays.get("exposure.is_extracted")
    return Canaries(
        exposures=found,
        secret_bits_K=arrays["exposure.secret_bits"].astype(np.float64),
        is_extracted_K=None if extracted_K is None else extracted_K.astype(np.bool_),
    )


def _windows(arrays: Arrays, run: dict[str, Any]) -> Iterable[Extraction]:
    """Canaries and repeated windows stand after the first N of a training set: left out."""
    prefixes = sorted(int(found[1]) for key in arrays if (found := WINDOWS.fullmatch(key)))
    for prefix in prefixes:
        train_N = arrays[f"extraction.train_extracted_{prefix}"][: run["task.num_sequences"]]
        heldout_N = arrays[f"extraction.heldout_extracted_{prefix}"]
        yield Extraction(
            prefix_tokens=prefix,
            train=rate(int(train_N.sum()), len(train_N)),
            heldout=rate(int(heldout_N.sum()), len(heldout_N)),
        )


def _row(runs: pl.DataFrame, run_id: str) -> dict[str, Any]:
    return runs.row(by_predicate=pl.col("run_id") == run_id, named=True)
