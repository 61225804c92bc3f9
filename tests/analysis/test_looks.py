"""What is read from the looks of a run: each sequence is compared with controls of its kind.

Shapes: T looks, K canaries, N training sequences.
"""

import numpy as np
import pytest

from rote.analysis.quantities.looks import NUM_INSERTED, inserted_sequences, trained_sequences

STEPS_T = np.array([0, 10, 20, 30])


def showings(*shown: tuple[int, int]) -> dict[str, np.ndarray]:
    """Pairs of a step and an item, whose rows follow ten ordinary sequences."""
    steps_S, items_S = np.array(sorted(shown)).T
    return {
        "insertion.shown_steps": steps_S,
        "insertion.shown_items": items_S,
        "insertion.shown_sequences": items_S,
    }


def cost(train_TN: np.ndarray, heldout_TC: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "steps": STEPS_T,
        "cost.train_code_bits": train_TN.astype(np.float32),
        "cost.heldout_code_bits": heldout_TC.astype(np.float32),
    }


def test_inserted_training_sequences_are_compared_with_held_out_ones() -> None:
    general_T1 = np.array([0.0, -4, -8, -12])[:, None]
    train_TN = 50 + general_T1 + np.zeros((4, 5))
    train_TN[2:, 1] -= 7  # shown at steps 11 and 20
    train_TN[3, 0] -= 3  # shown at step 25
    looks = cost(train_TN, 60 + general_T1 + np.zeros((4, 30)))
    arrays, run = showings((11, 1), (20, 1), (25, 0)), {NUM_INSERTED: 2}
    found = inserted_sequences(looks, arrays, run)
    assert found.bits_TN.T.tolist() == [[0, 0, 0, 3], [0, 0, 7, 7]]
    assert found.times_N.tolist() == [1, 2]
    assert found.first_shown_N.tolist() == [25, 11]
    assert found.last_shown_N.tolist() == [25, 20]
    often = found.retention(2)
    assert often is not None
    assert (often.ages_P.tolist(), often.bits_P.tolist()) == ([0, 10], [7, 7])
    assert found.retention(3) is None
    others = trained_sequences(looks, arrays, run)
    assert others.bits_TN.shape == (4, 3)
    assert not others.bits_TN.any()


def test_canaries_are_compared_with_controls_of_their_own_kind() -> None:
    drift_TK = np.array([[0, 0, 0, 0], [0, 0, 5, 5], [0, 0, 9, 9], [0, 0, 9, 9.0]])
    memory_TK = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [6, 0, 4, 0], [2, 0, 1, 0.0]])
    kind_K, repeats_K = np.array([0, 0, 1, 1]), np.array([1, 0, 1, 0])
    codes_TK = np.full((4, 4), 40.0)
    looks = {
        "steps": STEPS_T,
        "exposure.code_bits": codes_TK - memory_TK - drift_TK,
        "exposure.reference_code_bits": codes_TK,  # one reference each
        "exposure.num_references": np.ones((4, 4), np.int64),
        "exposure.secret_bits": np.full((4, 4), 60.0),
        "exposure.kind": np.tile(kind_K, (4, 1)),
        "exposure.repeats": np.tile(repeats_K, (4, 1)),
    }
    found = inserted_sequences(looks, showings((15, 0), (20, 2)), {})
    assert found.bits_TN == pytest.approx(memory_TK[:, [0, 2]])
    assert found.learning is None  # one control of each kind decides nothing
    blind = {name: each for name, each in looks.items() if name != "exposure.kind"}
    with pytest.raises(ValueError, match=r"lack exposure\.kind: add its measure to log\.look_with"):
        inserted_sequences(blind, showings((15, 0)), {})
    with pytest.raises(ValueError, match="no sequence was inserted"):
        inserted_sequences(looks, {}, {})


@pytest.mark.parametrize(
    ("run", "number"),
    [({"task.base.num_sequences": 4}, 4), ({"task.num_sequences": 5}, 5), ({}, 6)],
)
def test_ordinary_sequences_are_the_first_of_the_training_set(run: dict, number: int) -> None:
    """Canaries and copies of repeated windows stand behind them."""
    looks = cost(np.full((4, 6), 50.0), np.full((4, 30), 60.0))
    assert trained_sequences(looks, {}, run).bits_TN.shape == (4, number)
    with pytest.raises(ValueError, match=r"lack cost\.train_code_bits"):
        trained_sequences({"steps": STEPS_T}, {}, {})
