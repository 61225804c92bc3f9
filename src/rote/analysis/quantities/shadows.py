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
from rote.core.arrays import Floats
from rote.core.units import nats_from_bits
from rote.scores.shadow_models import (
    Shadows,
    lira_offline,
    lira_online,
    offline_prior,
    online_prior,
    rmia,
)

Flags = NDArray[np.bool_]
Pair = tuple[Floats, Floats]  # scores of members, of non-members
Score = Callable[[Floats, Shadows], Floats]  # of the target's samples, given its shadows
Arrays = Mapping[str, NDArray[Any]]

CONFIGURATION = ("task.", "model.", "size.", "optim.", "budget.", "precision.", "control.")
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
        random.permutation(each.reference_bits - each.target_bits)[:MOST_JUDGED]
        / run["task.length"]
        for each in (known, unknown)
    )
    return members, nonmembers


def groups(runs: pl.DataFrame) -> list[list[str]]:
    """Return the run ids of text runs that scored the pool, equal in all but seed and measures.

    Of runs of one seed, which are one model, the first stands for all.
    """
    if SCORED not in runs.columns:
        return []
    scored = runs.filter(
        pl.col("task._target_") == TEXT_TASK,
        pl.col(SCORED).is_not_null(),
        pl.col("cost.train_sequences").is_not_null(),
    )
    names = [name for name in runs.columns if name.startswith(CONFIGURATION)]
    parts = scored.unique([*names, "seed"], keep="first", maintain_order=True)
    found = [part["run_id"].to_list() for _, part in parts.group_by(names, maintain_order=True)]
    return [group for group in found if len(group) > 1]


def shadow_scores(
    target: Codes, shadows: Sequence[Codes], *, length: int
) -> Mapping[str, Pair | str]:
    """Return each score on the samples that have enough shadows, or why there is none.

    The choice of samples depends only on the seeds, so that scores on different samples compare.
    Raises ValueError for samples of different corpora or splits.
    """
    pool, heldout = _log_p_per_token([target, *shadows], length)
    # For each: the function, and the fewest shadows trained with and without a sample.
    scores: dict[str, tuple[Score, int, int]] = {
        "loss": (lambda log_p_B, _: log_p_B, 0, 0),
        "lira_online": (partial(lira_online, fixed_variance=False), 2, 2),
        "lira_online_fixed": (partial(lira_online, fixed_variance=True), 1, 1),
        "lira_offline": (partial(lira_offline, fixed_variance=False), 0, 2),
        "lira_offline_fixed": (partial(lira_offline, fixed_variance=True), 0, 1),
        "rmia_online": (
            lambda log_p_B, shadows: _rmia(log_p_B, online_prior(shadows), heldout, 0), 1, 1,
        ),
        TUNED: (partial(_rmia_offline, heldout=heldout), 0, 1),
    }  # fmt: skip
    return {
        name: TOO_FEW_TO_TUNE if name == TUNED and len(shadows) < 2 else _scored(pool, *each)
        for name, each in scores.items()
    }


def _scored(pool: Shadows, score: Score, least_with: int, least_without: int) -> Pair | str:
    """Score the samples that have so many shadows; the first row of the pool is the target's."""
    member_B, num_with_B = pool.trained_SB[0], pool.trained_SB[1:].sum(axis=0)
    num_without_B = len(pool.trained_SB) - 1 - num_with_B
    enough_B = (num_with_B >= least_with) & (num_without_B >= least_without)
    num_members, num_others = (int((enough_B & side).sum()) for side in (member_B, ~member_B))
    if min(num_members, num_others) < FEWEST:
        return (
            f"{num_members} members and {num_others} others have {least_with} shadows with and "
            f"{least_without} without them; it takes {FEWEST} of each"
        )
    score_B = score(pool.log_p_SB[0, enough_B], _samples(_without(pool, 0), enough_B))
    return score_B[member_B[enough_B]], score_B[~member_B[enough_B]]


def _rmia_offline(log_p_B: Floats, shadows: Shadows, *, heldout: Shadows) -> Floats:
    of_shadows = _without(heldout, 0)
    share = max(SHARES, key=lambda a: _tuning(shadows, of_shadows, float(a)))
    return _rmia(log_p_B, offline_prior(shadows, a=float(share)), heldout, 0)


def _rmia(log_p_B: Floats, prior_B: Floats, heldout: Shadows, place: int) -> Floats:
    """Score the model in this row of the held-out samples against the other rows."""
    prior_Z = offline_prior(_without(heldout, place), a=1)
    return rmia(log_p_B, prior_B, heldout.log_p_SB[place], prior_Z, gamma=GAMMA)


def _tuning(shadows: Shadows, heldout: Shadows, a: float) -> float:
    """Return the mean AUROC with each shadow as the target; the true target is not used."""
    found = []
    for place, log_p_B in enumerate(shadows.log_p_SB):
        others = _without(shadows, place)
        usable_B = np.asarray(~others.trained_SB.all(axis=0))
        member_B = shadows.trained_SB[place, usable_B]
        if 0 < member_B.sum() < len(member_B):
            prior_B = offline_prior(_samples(others, usable_B), a=a)
            score_B = _rmia(log_p_B[usable_B], prior_B, heldout, place)
            found.append(auroc(score_B[member_B], score_B[~member_B]))
    return float(np.mean(found)) if found else 0.0


def _samples(shadows: Shadows, keep_B: Flags) -> Shadows:
    return Shadows(log_p_SB=shadows.log_p_SB[:, keep_B], trained_SB=shadows.trained_SB[:, keep_B])


def _without(shadows: Shadows, place: int) -> Shadows:
    return Shadows(
        log_p_SB=np.delete(shadows.log_p_SB, place, axis=0),
        trained_SB=np.delete(shadows.trained_SB, place, axis=0),
    )


def _log_p_per_token(runs: Sequence[Codes], length: int) -> tuple[Shadows, Shadows]:
    """Return ln p per token of samples of the pool, and of held-out samples; one row per run.

    Samples are those that all runs scored, at most `MOST_JUDGED` of each class of the first run.
    """
    origins = {each.scored.origin for each in runs}
    if len(origins) > 1:
        raise ValueError(f"shadows share one corpus and one split, got {origins}")
    ids = reduce(np.intersect1d, [each.scored.sample_ids for each in runs])
    member_B, random = _is_trained(runs[0].scored, ids), np.random.default_rng(SEED)
    drawn = [random.permutation(ids[side])[:MOST_JUDGED] for side in (member_B, ~member_B)]
    heldout_ids = reduce(np.intersect1d, [each.heldout.sample_ids for each in runs])
    pool = aligned([each.scored for each in runs], np.sort(np.concatenate(drawn)), length)
    return pool, aligned([each.heldout for each in runs], heldout_ids, length)


def aligned(codes: Sequence[CodeLengths], ids: NDArray[np.int64], length: int) -> Shadows:
    """Return ln p per token of these samples, which all runs scored; one row per run."""
    bits_SB = np.stack([each.code_bits[np.searchsorted(each.sample_ids, ids)] for each in codes])
    return Shadows(
        log_p_SB=-nats_from_bits(bits_SB) / length,
        trained_SB=np.stack([_is_trained(each, ids) for each in codes]),
    )


def _is_trained(codes: CodeLengths, ids: NDArray[np.int64]) -> Flags:
    return np.asarray(codes.occurrences[np.searchsorted(codes.sample_ids, ids)] > 0)
