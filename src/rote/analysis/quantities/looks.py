"""Read from the looks of a run what it memorised of each sequence at each look.

Inserted sequences are shown at the steps that control ``insertion`` chose. They are training
sequences, compared with held-out ones, or canaries, compared with those of their kind that are
never inserted. Of a canary only the secret counts: templates have numbers, and a model may learn
long and short numbers at different times. Trained sequences are those that ordinary epochs show,
compared with held-out ones.
Shapes: T looks, N sequences that are shown, C controls, S showings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rote.analysis.fits.forgetting import Retention
from rote.analysis.quantities.exposure import secret_code_bits
from rote.analysis.quantities.learning import (
    Learning,
    last_looks_before,
    learning,
    learnt_above_bits,
    memorised_bits,
)
from rote.core.arrays import Arrays, Floats, Ints

TRAIN, HELDOUT = "cost.train_code_bits", "cost.heldout_code_bits"
CANARIES = [
    f"exposure.{name}"
    for name in (
        "code_bits", "kind", "repeats", "secret_bits", "num_references", "reference_code_bits",
    )
]  # fmt: skip
NUM_INSERTED = "control.insertion.num_inserted"


@dataclass(frozen=True, kw_only=True)
class Followed:
    """Sequences of one run at all of its looks."""

    steps_T: Ints
    bits_TN: Floats  # memorised
    control_bits_TC: Floats  # of controls, as if they had been shown first when the others were
    learning: Learning | None  # None: too few controls
    first_shown_N: Ints
    last_shown_N: Ints
    times_N: Ints

    def retention(self, times: int) -> Retention | None:
        """Return the looks after the last showing of sequences shown so often; None for none."""
        own_N = np.flatnonzero(self.times_N == times)
        ages_NT = self.steps_T - self.last_shown_N[own_N, None]
        sequences_P, looks_P = np.nonzero(ages_NT >= 0)
        if not len(looks_P):
            return None
        return Retention(
            sequences_P=sequences_P,
            ages_P=ages_NT[sequences_P, looks_P].astype(np.float64),
            bits_P=self.bits_TN[looks_P, own_N[sequences_P]],
        )


def inserted_sequences(looks: Arrays, arrays: Arrays, run: Mapping[str, Any]) -> Followed:
    """Follow the inserted sequences; ``run`` is a row of the table of runs.

    Raises ValueError if the looks lack what this takes.
    """
    if not len(arrays.get("insertion.shown_steps", ())):
        raise ValueError("no sequence was inserted: control=[insertion] shows some in a window")
    items_N, item_S, times_N = np.unique(
        arrays["insertion.shown_items"], return_inverse=True, return_counts=True
    )
    in_order_S = np.argsort(item_S, kind="stable")  # showings are sorted by step
    steps_S, ends_N = arrays["insertion.shown_steps"][in_order_S], np.cumsum(times_N)
    shown = steps_S[ends_N - times_N], steps_S[ends_N - 1], times_N
    if run.get(NUM_INSERTED) is not None:
        _require(looks, TRAIN, HELDOUT)
        return _followed(looks["steps"], looks[TRAIN][:, items_N], looks[HELDOUT], *shown)
    _require(looks, *CANARIES)
    codes_TK = np.stack(
        [
            secret_code_bits({name: looks[name][place] for name in CANARIES})
            for place in range(len(looks["steps"]))
        ]
    )
    kind_K, repeats_K = looks["exposure.kind"][-1], looks["exposure.repeats"][-1]
    parts = []
    for kind in np.unique(kind_K[items_N]):
        own_N = kind_K[items_N] == kind
        codes_TN, controls_TC = (
            codes_TK[:, chosen]
            for chosen in (items_N[own_N], np.flatnonzero((kind_K == kind) & (repeats_K == 0)))
        )
        parts.append(_followed(looks["steps"], codes_TN, controls_TC, *(x[own_N] for x in shown)))
    return _joined(parts)


def trained_sequences(looks: Arrays, arrays: Arrays, run: Mapping[str, Any]) -> Followed:
    """Follow the sequences that ordinary epochs show, each once; raises as above.

    Canaries and repeated windows follow the first N of a training set.
    """
    _require(looks, TRAIN, HELDOUT)
    numbers = run.get("task.base.num_sequences"), run.get("task.num_sequences")
    number = numbers[0] or numbers[1] or looks[TRAIN].shape[1]
    rows_N = np.setdiff1d(np.arange(number), arrays.get("insertion.shown_sequences", ()))
    ones_N = np.ones(len(rows_N), np.int64)  # shown from the first step on
    last_N = ones_N * looks["steps"][-1]
    codes_TN = looks[TRAIN][:, rows_N]
    return _followed(looks["steps"], codes_TN, looks[HELDOUT], ones_N, last_N, ones_N)


def _require(looks: Arrays, *names: str) -> None:
    if missing := [name for name in names if name not in looks]:
        raise ValueError(f"its looks lack {missing[0]}: add its measure to log.look_with")


def _followed(
    steps_T: Ints, code_TN: Floats, control_TC: Floats, first_N: Ints, last_N: Ints, times_N: Ints
) -> Followed:
    before_N = last_looks_before(steps_T, first_N)
    bits_TN = memorised_bits(code_TN, control_TC, before_N)
    earliest = int(before_N.min())
    control = np.asarray(control_TC, np.float64)
    above = learnt_above_bits(control, earliest)
    return Followed(
        steps_T=steps_T, bits_TN=bits_TN, first_shown_N=first_N, last_shown_N=last_N,
        times_N=times_N, learning=None if above is None else learning(steps_T, bits_TN, above),
        control_bits_TC=memorised_bits(control, control, np.full(control.shape[1], earliest)),
    )  # fmt: skip


def _joined(parts: list[Followed]) -> Followed:
    """Join kinds of canaries of one run."""
    names = ("bits_TN", "control_bits_TC", "first_shown_N", "last_shown_N", "times_N")
    learnt = [each.learning for each in parts if each.learning]
    fields = ("learnt_TN", "first_step_N", "forgetting_events_N")
    return Followed(
        steps_T=parts[0].steps_T,
        learning=Learning(**_concatenated(learnt, fields)) if len(learnt) == len(parts) else None,
        **_concatenated(parts, names),
    )


def _concatenated(parts: list[Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: np.concatenate([getattr(x, name) for x in parts], axis=-1) for name in names}
