"""Compute when sequences are learnt and forgotten, from code lengths at several steps of training.

A look is a measurement of the model after a number of optimiser steps. What a model has memorised
of a sequence at a look is a difference in differences: by how many bits its code length has fallen
since the last look before the model was first shown it, less the mean fall of controls, which are
never shown. Lesci et al. 2024 (arXiv 2406.04327) estimate memorisation by this design, as their
abstract defines it. It is 0 in expectation for a model that learns nothing from the sequence alone.

A sequence is learnt at a look at which it has more bits than 95 % of controls have at any look. A
forgetting event is a look at which it no longer is learnt, after one at which it was (Toneva et al.
2018, arXiv 1812.05159, as their abstract defines it, with "learnt" for "classified correctly").

Shapes: T looks, N sequences that are shown, C controls.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import rank_correlation

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FALSELY_LEARNT = 0.05  # share of sequences that count as learnt though they were never shown
FEWEST_CONTROLS = 19  # with fewer, the largest control does not bound that share


def last_looks_before(steps_T: ArrayLike, first_shown_N: ArrayLike) -> Ints:
    """Return the last look before each sequence was first shown, int64 [N]; -1 if there is none.

    ``first_shown_N`` counts optimiser steps: a look after that many steps has seen the sequence.
    """
    return np.searchsorted(np.asarray(steps_T), np.asarray(first_shown_N)) - 1


def memorised_bits(
    code_bits_TN: ArrayLike, control_bits_TC: ArrayLike, before_N: ArrayLike
) -> Floats:
    """Return the bits memorised of each sequence at each look, float64 [T, N].

    ``before_N`` is the look that counts as 0 for each sequence, as `last_looks_before` has it.
    Raises ValueError where there is no control, or no such look.
    """
    control_TC, before = np.asarray(control_bits_TC, np.float64), np.asarray(before_N)
    if control_TC.shape[1] == 0:
        raise ValueError("no sequence that is never shown: nothing to compare with")
    if (before < 0).any():
        raise ValueError("no look before a sequence was first shown")
    shorter_TN = control_TC.mean(axis=1)[:, None] - np.asarray(code_bits_TN, np.float64)
    return np.asarray(shorter_TN - shorter_TN[before, np.arange(len(before))])


def learnt_above_bits(control_bits_TC: ArrayLike, before: int) -> float | None:
    """Return the bits that a sequence which is never shown exceeds at no look, with 95 % chance.

    Each control is compared with the others, from look ``before`` on. The chance is exact if
    controls are exchangeable with the sequence: it exceeds the k-th smallest of C largest values
    with a chance of 1 - k / (C + 1). None for fewer than `FEWEST_CONTROLS`.
    """
    control_TC = np.asarray(control_bits_TC, np.float64)
    number = control_TC.shape[1]
    if number < FEWEST_CONTROLS:
        return None
    shorter_TC = (control_TC.mean(axis=1, keepdims=True) - control_TC) * number / (number - 1)
    largest_C = np.sort((shorter_TC - shorter_TC[before])[before:].max(axis=0))
    return float(largest_C[math.ceil((number + 1) * (1 - FALSELY_LEARNT)) - 1])


@dataclass(frozen=True, kw_only=True)
class Learning:
    """When sequences are learnt and forgotten, as far as the looks show it."""

    learnt_TN: Bools  # whether each sequence is learnt at each look
    first_step_N: Floats  # of the first look at which it is learnt; NaN: never
    forgetting_events_N: Ints

    @property
    def ever_learnt_N(self) -> Bools:
        """Whether each sequence is learnt at any look."""
        return np.isfinite(self.first_step_N)

    @property
    def learnt_at_end_N(self) -> Bools:
        """Whether each sequence is learnt at the last look."""
        return np.asarray(self.learnt_TN[-1])


def learning(steps_T: ArrayLike, memorised_bits_TN: ArrayLike, above_bits: float) -> Learning:
    """Find learning and forgetting; ``above_bits`` is that of `learnt_above_bits`."""
    learnt_TN = np.asarray(memorised_bits_TN) > above_bits
    steps_T = np.asarray(steps_T, np.float64)
    return Learning(
        learnt_TN=learnt_TN,
        first_step_N=np.where(learnt_TN.any(axis=0), steps_T[learnt_TN.argmax(axis=0)], np.nan),
        forgetting_events_N=(learnt_TN[:-1] & ~learnt_TN[1:]).sum(axis=0),
    )


def with_the_end(memorised_bits_TN: ArrayLike, groups_N: ArrayLike) -> list[Estimate | None]:
    """Return Spearman's rank correlation of the bits at each look with those at the last one.

    Ranks are those among the sequences of a group (as often shown, say), less their mean. None
    where too few sequences differ. The interval is over sequences. All looks share the one that
    counts as 0: bits of two looks correlate by its noise too, also those of controls.
    """
    ranks_TN = _ranks(np.asarray(memorised_bits_TN, np.float64), np.asarray(groups_N))
    return [rank_correlation(ranks_N, ranks_TN[-1]) for ranks_N in ranks_TN]


def _ranks(bits_TN: Floats, groups_N: NDArray[np.generic]) -> Floats:
    ranks_TN = np.empty_like(bits_TN)
    for group in np.unique(groups_N):
        own_N = groups_N == group
        places_TN = rankdata(bits_TN[:, own_N], axis=1)
        ranks_TN[:, own_N] = places_TN - places_TN.mean(axis=1, keepdims=True)
    return ranks_TN
