"""Scores of a run's samples beside runs that differ in their seed alone: LiRA and RMIA.

Every run of such a group is a target, all others are its shadows: ordinary runs, known by their
ids. Members are what the target was trained on, non-members all else of the pool that was scored.
Shapes: S shadows, B samples of the pool, Z held-out samples, which nobody was trained on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.pairing import TEXT_TASK
from rote.analysis.quantities.membership import FEWEST
from rote.analysis.quantities.roc import auroc
from rote.analysis.quantities.unintended import CodeLengths
from rote.scores.lira import lira_offline, lira_online
from rote.scores.rmia import offline_prior, online_prior, rmia
from rote.scores.shadows import Shadows
from rote.units import nats_from_bits

Floats = NDArray[np.float64]

CONFIGURATION = ("task.", "model.", "size.", "optim.", "budget.", "precision.")
SCORED = "superset.sequences"
MOST_JUDGED = 10_000  # samples of each side, drawn at random: more only narrow intervals
GAMMA = 1.0  # of probabilities a token 2, the paper's, would ask for one bit a token
SHARES = tuple(np.linspace(0, 1, 11))  # of RMIA's a, tuned on the shadows as the paper does
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Code lengths of one run: of all that it scored of the pool, and of held-out samples."""

    scored: CodeLengths
    heldout: CodeLengths


@dataclass(frozen=True, kw_only=True)
class Sides:
    """A score of members and of non-members."""

    members: Floats
    nonmembers: Floats


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A score that these shadows cannot give."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A target and its shadows, ln p a token."""

    log_p_B: Floats
    member_B: NDArray[np.bool_]
    shadows: Shadows
    heldout_log_p_Z: Floats
    heldout: Shadows  # the same shadows on held-out samples

    def kept(self, keep_B: NDArray[np.bool_]) -> "Scene":
        """Of some samples."""
        return Scene(
            log_p_B=self.log_p_B[keep_B],
            member_B=self.member_B[keep_B],
            shadows=Shadows(
                log_p_SB=self.shadows.log_p_SB[:, keep_B],
                trained_SB=self.shadows.trained_SB[:, keep_B],
            ),
            heldout_log_p_Z=self.heldout_log_p_Z,
            heldout=self.heldout,
        )


def groups(runs: pl.DataFrame) -> list[list[str]]:
    """Run ids of text runs that scored the pool, equal in all but seed and measures."""
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
) -> Mapping[str, Sides | Refused]:
    """Each score on the samples that have enough shadows for it.

    Which samples these are depends on the seeds alone, so that scores on different ones compare.
    """
    scene = _scene(target, shadows, length)
    made: dict[str, tuple[Callable[[Scene], Floats], int, int]] = {
        "loss": (lambda seen: seen.log_p_B, 0, 0),
        "lira_online": (partial(_online, fixed_variance=False), 2, 2),
        "lira_online_fixed": (partial(_online, fixed_variance=True), 1, 1),
        "lira_offline": (partial(_offline, fixed_variance=False), 0, 2),
        "lira_offline_fixed": (partial(_offline, fixed_variance=True), 0, 1),
        "rmia_online": (_rmia_online, 1, 1),
        "rmia_offline": (_rmia_offline, 0, 1),
    }
    found: dict[str, Sides | Refused] = {}
    for name, (score, least_with, least_without) in made.items():
        if name == "rmia_offline" and len(shadows) < 2:
            found[name] = Refused(reason="its prior is tuned on the shadows, and takes 2")
            continue
        found[name] = _judged(score, scene, least_with, least_without)
    return found


def _judged(
    score: Callable[[Scene], Floats], scene: Scene, least_with: int, least_without: int
) -> Sides | Refused:
    num_with_B = scene.shadows.trained_SB.sum(axis=0)
    num_without_B = len(scene.shadows.trained_SB) - num_with_B
    enough_B = (num_with_B >= least_with) & (num_without_B >= least_without)
    num_members = int((enough_B & scene.member_B).sum())
    num_others = int((enough_B & ~scene.member_B).sum())
    if min(num_members, num_others) < FEWEST:
        reason = (
            f"{num_members} members and {num_others} others have {least_with} shadow(s) with and "
            f"{least_without} without them; it takes {FEWEST} of each"
        )
        return Refused(reason=reason)
    seen = scene.kept(enough_B)
    score_B = score(seen)
    return Sides(members=score_B[seen.member_B], nonmembers=score_B[~seen.member_B])


def _online(scene: Scene, *, fixed_variance: bool) -> Floats:
    return lira_online(scene.log_p_B, scene.shadows, fixed_variance=fixed_variance)


def _offline(scene: Scene, *, fixed_variance: bool) -> Floats:
    return lira_offline(scene.log_p_B, scene.shadows, fixed_variance=fixed_variance)


def _rmia_online(scene: Scene) -> Floats:
    return _rmia(scene.log_p_B, online_prior(scene.shadows), scene.heldout_log_p_Z, scene.heldout)


def _rmia_offline(scene: Scene) -> Floats:
    share = max(SHARES, key=lambda a: _tuning(scene, float(a)))
    prior_B = offline_prior(scene.shadows, a=float(share))
    return _rmia(scene.log_p_B, prior_B, scene.heldout_log_p_Z, scene.heldout)


def _rmia(log_p_B: Floats, prior_B: Floats, log_p_Z: Floats, heldout: Shadows) -> Floats:
    return rmia(log_p_B, prior_B, log_p_Z, offline_prior(heldout, a=1), gamma=GAMMA)


def _tuning(scene: Scene, a: float) -> float:
    """Mean AUROC of shadows that stand in for the target; it never looks at the target."""
    found = []
    for place, log_p_B in enumerate(scene.shadows.log_p_SB):
        others = _without(scene.shadows, place)
        told_B = ~others.trained_SB.all(axis=0)
        kept = Shadows(log_p_SB=others.log_p_SB[:, told_B], trained_SB=others.trained_SB[:, told_B])
        member_B = scene.shadows.trained_SB[place, told_B]
        if not 0 < member_B.sum() < len(member_B):
            continue
        score_B = _rmia(
            log_p_B[told_B],
            offline_prior(kept, a=a),
            scene.heldout.log_p_SB[place],
            _without(scene.heldout, place),
        )
        found.append(auroc(score_B[member_B], score_B[~member_B]))
    return float(np.mean(found)) if found else 0.0


def _without(shadows: Shadows, place: int) -> Shadows:
    return Shadows(
        log_p_SB=np.delete(shadows.log_p_SB, place, axis=0),
        trained_SB=np.delete(shadows.trained_SB, place, axis=0),
    )


def _scene(target: Codes, shadows: Sequence[Codes], length: int) -> Scene:
    """Raises ValueError for samples of different corpora or splits."""
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
    return Scene(
        log_p_B=log_p_SB[0],
        member_B=trained_SB[0],
        shadows=Shadows(log_p_SB=log_p_SB[1:], trained_SB=trained_SB[1:]),
        heldout_log_p_Z=heldout_SZ[0],
        heldout=Shadows(log_p_SB=heldout_SZ[1:], trained_SB=nowhere_SZ),
    )


def _drawn(ids: NDArray[np.int64], member_B: NDArray[np.bool_]) -> NDArray[np.int64]:
    """At most `MOST_JUDGED` of each side."""
    random = np.random.default_rng(SEED)
    sides = (ids[member_B], ids[~member_B])
    return np.sort(np.concatenate([random.permutation(side)[:MOST_JUDGED] for side in sides]))


def _log_p(codes: CodeLengths, ids: NDArray[np.int64], length: int) -> Floats:
    bits = codes.code_bits[np.searchsorted(codes.sample_ids, ids)]
    return np.asarray(-nats_from_bits(bits) / length)


def _is_trained(codes: CodeLengths, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(codes.occurrences[np.searchsorted(codes.sample_ids, ids)] > 0)
