"""Compute membership scores that need other models: an oracle, or shadows (LiRA and RMIA).

The oracle is the best run on the reference pool, on which no other run was trained. Among runs that
differ only in their seed each is a target once, and all others are its shadows. Members are the
target's training samples, non-members are all other samples of the pool that was scored.
Shapes: S shadows, B samples of the pool, Z held-out samples, which no run was trained on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.quantities.membership import FEWEST
from rote.analysis.quantities.references import TEXT_TASK, oracle_reference, origin_of, text_runs
from rote.analysis.quantities.roc import auroc
from rote.analysis.quantities.unintended import (
    CodeLengths,
    heldout_samples,
    pair,
    scored_samples,
    trained_samples,
)
from rote.core.units import nats_from_bits
from rote.scores.shadow_models import (
    Shadows,
    lira_offline,
    lira_online,
    offline_prior,
    online_prior,
    rmia,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Pair = tuple[Floats, Floats]  # scores of members, of non-members
Arrays = Mapping[str, NDArray[Any]]

CONFIGURATION = ("task.", "model.", "size.", "optim.", "budget.", "precision.")
SCORED = "superset.sequences"
MOST_JUDGED = 10_000  # samples of each class, drawn at random: more only narrow intervals
GAMMA = 1.0  # for probabilities per token; the paper's 2 would require one bit a token
SHARES = tuple(np.linspace(0, 1, 11))  # values of RMIA's a, tuned on the shadows as in the paper
SEED = 0
TUNED, TOO_FEW_TO_TUNE = "rmia_offline", "its prior is tuned on the shadows, and takes 2"


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Code lengths of one run: of all pool samples that it scored, and of held-out samples."""

    scored: CodeLengths
    heldout: CodeLengths


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """A target and its shadows, as ln p per token."""

    log_p_B: Floats
    member_B: Flags
    shadows: Shadows
    heldout_log_p_Z: Floats
    heldout: Shadows  # the same shadows on held-out samples


def oracles_of(table: pl.DataFrame, runs: pl.DataFrame) -> dict[str, str | None]:
    """Return the oracle of each text run that stored code lengths (measure cost), by run id."""
    texts = text_runs(table)
    name = "cost.heldout_code_bits"
    texts = texts.drop_nulls(name) if name in texts.columns else texts.clear()
    own = set(runs["run_id"])
    return {each: oracle_reference(texts, each) for each in texts["run_id"] if each in own}


def codes_of(arrays: Arrays, run: dict[str, Any]) -> Codes:
    """Return the code lengths of a row of the table, from its arrays."""
    origin = origin_of(run)
    return Codes(scored=scored_samples(arrays, origin), heldout=heldout_samples(arrays, origin))


def beside_oracle(arrays: Arrays, run: dict[str, Any], oracle: Codes) -> Pair:
    """Return bits a token that the run saves on a sample over the oracle, which never saw it."""
    origin = origin_of(run)
    known = pair(trained_samples(arrays, origin), oracle.scored)
    unknown = pair(heldout_samples(arrays, origin), oracle.heldout)
    random = np.random.default_rng(SEED)
    members, nonmembers = (
        random.permutation(each.reference_bits - each.target_bits)[:MOST_JUDGED] / origin.length
        for each in (known, unknown)
    )
    return members, nonmembers


def groups(runs: pl.DataFrame) -> list[list[str]]:
    """Return the run ids of text runs that scored the pool, equal in all but seed and measures."""
    if SCORED not in runs.columns:
        return []
    scored = runs.filter(
        pl.col("task._target_") == TEXT_TASK,
        pl.col(SCORED).is_not_null(),
        pl.col("cost.train_sequences").is_not_null(),
    )
    names = [name for name in runs.columns if name.startswith(CONFIGURATION)]
    parts = scored.partition_by(names, maintain_order=True) if scored.height else []
    return [part["run_id"].to_list() for part in parts if part["seed"].n_unique() > 1]


def shadow_scores(
    target: Codes, shadows: Sequence[Codes], *, length: int
) -> Mapping[str, Pair | str]:
    """Return each score on the samples that have enough shadows, or why there is none.

    The choice of samples depends only on the seeds, so that scores on different samples compare.
    Raises ValueError for samples of different corpora or splits.
    """
    setting = _setting(target, shadows, length)
    # For each: the function, and the fewest shadows trained with and without a sample.
    scores: dict[str, tuple[Callable[[_Setting], Floats], int, int]] = {
        "loss": (lambda seen: seen.log_p_B, 0, 0),
        "lira_online": (partial(_lira, lira_online, is_fixed=False), 2, 2),
        "lira_online_fixed": (partial(_lira, lira_online, is_fixed=True), 1, 1),
        "lira_offline": (partial(_lira, lira_offline, is_fixed=False), 0, 2),
        "lira_offline_fixed": (partial(_lira, lira_offline, is_fixed=True), 0, 1),
        "rmia_online": (_rmia_online, 1, 1),
        "rmia_offline": (_rmia_offline, 0, 1),
    }
    found = {name: _scored(setting, *each) for name, each in scores.items() if name != TUNED}
    is_tunable = len(shadows) > 1
    return found | {TUNED: _scored(setting, *scores[TUNED]) if is_tunable else TOO_FEW_TO_TUNE}


def _lira(score: Callable[..., Floats], seen: _Setting, *, is_fixed: bool) -> Floats:
    return score(seen.log_p_B, seen.shadows, fixed_variance=is_fixed)


def _scored(
    setting: _Setting, score: Callable[[_Setting], Floats], least_with: int, least_without: int
) -> Pair | str:
    shadows, member_B = setting.shadows, setting.member_B
    num_with_B = shadows.trained_SB.sum(axis=0)
    num_without_B = len(shadows.trained_SB) - num_with_B
    enough_B = (num_with_B >= least_with) & (num_without_B >= least_without)
    num_members, num_others = (int((enough_B & side).sum()) for side in (member_B, ~member_B))
    if min(num_members, num_others) < FEWEST:
        return (
            f"{num_members} members and {num_others} others have {least_with} shadows with and "
            f"{least_without} without them; it takes {FEWEST} of each"
        )
    seen = _Setting(
        log_p_B=setting.log_p_B[enough_B],
        member_B=member_B[enough_B],
        shadows=_samples(shadows, enough_B),
        heldout_log_p_Z=setting.heldout_log_p_Z,
        heldout=setting.heldout,
    )
    score_B = score(seen)
    return score_B[seen.member_B], score_B[~seen.member_B]


def _rmia_online(seen: _Setting) -> Floats:
    return _rmia(seen.log_p_B, online_prior(seen.shadows), seen.heldout_log_p_Z, seen.heldout)


def _rmia_offline(seen: _Setting) -> Floats:
    share = max(SHARES, key=lambda a: _tuning(seen, float(a)))
    prior_B = offline_prior(seen.shadows, a=float(share))
    return _rmia(seen.log_p_B, prior_B, seen.heldout_log_p_Z, seen.heldout)


def _rmia(log_p_B: Floats, prior_B: Floats, log_p_Z: Floats, heldout: Shadows) -> Floats:
    return rmia(log_p_B, prior_B, log_p_Z, offline_prior(heldout, a=1), gamma=GAMMA)


def _tuning(seen: _Setting, a: float) -> float:
    """Return the mean AUROC with each shadow as the target; the true target is not used."""
    found = []
    for place, log_p_B in enumerate(seen.shadows.log_p_SB):
        others = _without(seen.shadows, place)
        usable_B = np.asarray(~others.trained_SB.all(axis=0))
        member_B = seen.shadows.trained_SB[place, usable_B]
        if not 0 < member_B.sum() < len(member_B):
            continue
        score_B = _rmia(
            log_p_B[usable_B],
            offline_prior(_samples(others, usable_B), a=a),
            seen.heldout.log_p_SB[place],
            _without(seen.heldout, place),
        )
        found.append(auroc(score_B[member_B], score_B[~member_B]))
    return float(np.mean(found)) if found else 0.0


def _samples(shadows: Shadows, keep_B: Flags) -> Shadows:
    return Shadows(log_p_SB=shadows.log_p_SB[:, keep_B], trained_SB=shadows.trained_SB[:, keep_B])


def _without(shadows: Shadows, place: int) -> Shadows:
    return Shadows(
        log_p_SB=np.delete(shadows.log_p_SB, place, axis=0),
        trained_SB=np.delete(shadows.trained_SB, place, axis=0),
    )


def _setting(target: Codes, shadows: Sequence[Codes], length: int) -> _Setting:
    everybody = [target, *shadows]
    origins = {each.scored.origin for each in everybody}
    if len(origins) > 1:
        raise ValueError(f"shadows share one corpus and one split, got {origins}")
    ids = reduce(np.intersect1d, [each.scored.sample_ids for each in everybody])
    heldout_ids = reduce(np.intersect1d, [each.heldout.sample_ids for each in everybody])
    chosen = _drawn(ids, _is_trained(target.scored, ids))
    log_p_SB = np.stack([_log_p(each.scored, chosen, length) for each in everybody])
    trained_SB = np.stack([_is_trained(each.scored, chosen) for each in everybody])
    heldout_SZ = np.stack([_log_p(each.heldout, heldout_ids, length) for each in everybody])
    nowhere_SZ = np.zeros(heldout_SZ[1:].shape, dtype=np.bool_)
    return _Setting(
        log_p_B=log_p_SB[0],
        member_B=trained_SB[0],
        shadows=Shadows(log_p_SB=log_p_SB[1:], trained_SB=trained_SB[1:]),
        heldout_log_p_Z=heldout_SZ[0],
        heldout=Shadows(log_p_SB=heldout_SZ[1:], trained_SB=nowhere_SZ),
    )


def _drawn(ids: NDArray[np.int64], member_B: Flags) -> NDArray[np.int64]:
    """Draw at most `MOST_JUDGED` of each class."""
    random = np.random.default_rng(SEED)
    sides = (ids[member_B], ids[~member_B])
    return np.sort(np.concatenate([random.permutation(side)[:MOST_JUDGED] for side in sides]))


def _log_p(codes: CodeLengths, ids: NDArray[np.int64], length: int) -> Floats:
    bits = codes.code_bits[np.searchsorted(codes.sample_ids, ids)]
    return np.asarray(-nats_from_bits(bits) / length)


def _is_trained(codes: CodeLengths, ids: NDArray[np.int64]) -> Flags:
    return np.asarray(codes.occurrences[np.searchsorted(codes.sample_ids, ids)] > 0)
