"""Read the definitions of memorisation of every sample of shadow runs, and compare them.

The runs of a group are text runs that differ in their seed alone and scored the pool (measure
superset). Loss, counterfactual memorisation and LiRA follow from these scores; mem_U takes an
oracle, and extraction and (n, p)-discoverable extraction are there if runs measured them.
Shapes: R runs, B samples of the pool, T targets, D definitions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import mean_over_seeds, rate
from rote.analysis.quantities.definitions import (
    FEWEST,
    OF_REFERENCES,
    SEED,
    Agreement,
    beside_references,
    compare,
    counterfactual,
    flip_rates,
    mean_counterfactual,
    reference_halves,
)
from rote.analysis.quantities.references import origin_of
from rote.analysis.quantities.shadows import aligned, groups, oracles_of
from rote.analysis.quantities.unintended import CodeLengths, pair, scored_samples, trained_samples
from rote.analysis.results import Results
from rote.core.arrays import Arrays, Flags, Floats, Ints
from rote.core.progress import with_progress
from rote.core.units import bits_from_nats

Values = Mapping[str, Floats]  # by definition, [B]; NaN for samples that have none

SIZE = "task.num_sequences"
MOST_SAMPLES = 8_000  # of a group, drawn at random: more only narrow intervals
USUAL_SHARE = 0.1  # of the samples, that a definition marks
LEAST_SHARE, LARGEST_SHARE = 0.05, 0.5  # that are marked if greedy decoding extracts so many
STORED = {"extraction": "extracted", "discoverable": r"log_p_\w+"}  # measures and their arrays


@dataclass(frozen=True, kw_only=True)
class Flip:
    """How many marks of a definition change when something varies that says nothing of a sample."""

    name: str
    num_references: int | None  # that vary; None: the seed of the target does
    rate: Estimate  # share of the marked samples


@dataclass(frozen=True, kw_only=True)
class ComparedGroup:
    """Definitions on the samples of runs that differ in their seed alone."""

    series: str
    num_sequences: int
    runs: Sequence[str]
    mean_bits: Estimate  # counterfactual memorisation per sample, with an interval over runs
    mem_u_bits: Estimate | None  # likewise, of the same samples; None without an oracle
    above_zero: Rate  # samples whose own interval over runs is above 0, of those that have one
    share: float  # of the samples, that each definition marks
    agreements: Sequence[Agreement]
    flips: Sequence[Flip]


@dataclass(frozen=True, kw_only=True)
class _Samples:
    """The samples on which some runs of a group were trained, and others not."""

    bits_RB: Floats
    trained_RB: Flags
    length: int
    own: Sequence[Values]  # of each run, the definitions that need no run of another seed


def compare_definitions(results: Results, runs: pl.DataFrame) -> list[ComparedGroup]:
    """Compare them in every group of shadow runs of this table, which has a column ``series``.

    A group is left out if fewer than `FEWEST` samples have runs that were trained on them and runs
    that were not.
    """
    oracles = oracles_of(results.table, runs)
    found = []
    for group in with_progress(groups(runs), "comparing definitions", results.progress):
        first = runs.row(by_predicate=pl.col("run_id") == group[0], named=True)
        samples = _read(results, group, first, oracles)
        if samples.bits_RB.shape[1] >= FEWEST:
            found.append(_compared(samples, first, group))
    return found


def _read(
    results: Results,
    group: Sequence[str],
    first: dict[str, Any],
    oracles: Mapping[str, str | None],
) -> _Samples:
    origin, length = origin_of(first), int(first["task.length"])  # the same for the whole group
    arrays = [results.folders[run_id].arrays() for run_id in group]
    scored = [scored_samples(each, origin) for each in arrays]
    of_oracles = {
        oracle: scored_samples(results.folders[oracle].arrays(), origin)
        for oracle in {oracles[run_id] for run_id in group}
        if oracle is not None
    }
    pool_ids = reduce(np.intersect1d, [each.sample_ids for each in scored])
    trained_RB = aligned(scored, pool_ids, length).trained_SB
    sample_ids = pool_ids[trained_RB.any(axis=0) & ~trained_RB.all(axis=0)]
    sample_ids = np.sort(np.random.default_rng(SEED).permutation(sample_ids)[:MOST_SAMPLES])
    pool = aligned(scored, sample_ids, length)
    return _Samples(
        bits_RB=-bits_from_nats(pool.log_p_SB) * length,
        trained_RB=pool.trained_SB,
        length=length,
        own=[
            dict(_own_values(of_run, origin, of_oracles.get(oracles[run_id] or ""), sample_ids))
            for of_run, run_id in zip(arrays, group, strict=True)
        ],
    )


def _own_values(
    arrays: Arrays, origin: str, oracle: CodeLengths | None, ids_B: Ints
) -> Iterator[tuple[str, Floats]]:
    trained = trained_samples(arrays, origin)
    yield "loss", _at(ids_B, trained.sample_ids, -trained.code_bits)
    if oracle is not None:
        paired = pair(trained, oracle)
        yield "mem_U", _at(ids_B, paired.sample_ids, paired.max_code_bits)
    for measure, array in STORED.items():
        name = re.compile(rf"{measure}\.train_{array}_(\d+)")
        stored = [each for key in arrays if (each := name.fullmatch(key))]
        if stored and (ids := f"{measure}.train_sample_ids") in arrays:
            longest = max(stored, key=lambda each: int(each[1]))  # the first sampler of that prefix
            yield f"{measure} from {longest[1]} tokens", _at(ids_B, arrays[ids], arrays[longest[0]])


def _at(ids_B: Ints, sample_ids: Ints, values: Floats) -> Floats:
    """Return the values of these ids, [B]; NaN where there is none."""
    values_B = np.full(len(ids_B), np.nan)
    _, ours, theirs = np.intersect1d(ids_B, sample_ids, return_indices=True)
    values_B[ours] = values[theirs]
    return values_B


def _compared(samples: _Samples, first: Mapping[str, Any], group: Sequence[str]) -> ComparedGroup:
    bits_RB, trained_RB = samples.bits_RB, samples.trained_RB
    names, values_TDB = _values(samples)
    share = _marked_share(names, values_TDB)
    bits_B, reach_B = counterfactual(bits_RB, trained_RB)
    mem_u = [float(np.nanmean(values["mem_U"])) for values in samples.own if "mem_U" in values]
    return ComparedGroup(
        series=first["series"],
        num_sequences=first[SIZE],
        runs=group,
        mean_bits=mean_counterfactual(bits_RB, trained_RB),
        mem_u_bits=mean_over_seeds(mem_u) if mem_u else None,
        above_zero=rate(int((bits_B > reach_B).sum()), int((~np.isnan(reach_B)).sum())),
        share=share,
        agreements=compare(values_TDB, names, share=share),
        flips=list(_flips(samples, names, values_TDB, share)),
    )


def _values(samples: _Samples) -> tuple[list[str], Floats]:
    """Return the names of the definitions and their values, [T, D, B]."""
    names = list(dict.fromkeys(name for values in samples.own for name in values))
    none_B = np.full(samples.bits_RB.shape[1], np.nan)
    every = range(len(samples.own))
    values_TDB = [
        np.stack([
            *(samples.own[target].get(name, none_B) for name in names),
            *beside_references(
                samples.bits_RB, samples.trained_RB, target=target, length=samples.length,
                references=[each for each in every if each != target],
            ),
        ])
        for target in every
    ]  # fmt: skip
    return [*names, *OF_REFERENCES], np.stack(values_TDB)


def _marked_share(names: Sequence[str], values_TDB: Floats) -> float:
    """Return the share that greedy decoding extracts; `USUAL_SHARE` if few or most of them are."""
    extracted = [place for place, name in enumerate(names) if name.startswith("extraction")]
    tried = values_TDB[:, extracted]
    found = float(np.nansum(tried)) / max(1, int((~np.isnan(tried)).sum()))
    return found if LEAST_SHARE <= found <= LARGEST_SHARE else USUAL_SHARE


def _flips(
    samples: _Samples, names: Sequence[str], values_TDB: Floats, share: float
) -> Iterator[Flip]:
    """Vary the seed of the target, then 2, 4, 8 and so on references.

    Counterfactual memorisation over all runs is the same for all targets: it has no first row.
    """
    rates = flip_rates(list(combinations(values_TDB, 2)), share=share)
    for name, found in zip(names, rates, strict=True):
        if found is not None and name != "counterfactual":
            yield Flip(name=name, num_references=None, rate=found)
    number = 2
    while 2 * number < len(values_TDB):
        halves = reference_halves(
            samples.bits_RB, samples.trained_RB, number=number, length=samples.length
        )
        for name, found in zip(OF_REFERENCES, flip_rates(halves, share=share), strict=True):
            if found is not None:
                yield Flip(name=name, num_references=number, rate=found)
        number *= 2
