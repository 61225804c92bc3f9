"""Exact match of models that know what they are asked, half of it, or nothing."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.tasks.characters import decoded
from torch import Tensor, nn

from rote.measures.exact_match import ExactMatch
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.tasks.arithmetic.splits import Original
from rote.tasks.arithmetic.task import Arithmetic
from rote.tasks.lines import Lines
from rote.tasks.protocol import Items
from rote.tasks.random_labels import RandomLabels
from rote.tasks.uniform import Uniform

CPU = torch.device("cpu")
TASK = Arithmetic(
    operations=["add", "subtract"], least_operand=0, largest_operand=9, modulus=None,
    split=Original(), alphabet="occurring", batching=Lines(),
)  # fmt: skip
ITEMS = TASK.items(0)
V = 17


class Knows(nn.Module):
    """Goes on as the rows that it knows, and knows nothing of others."""

    def __init__(self, rows_NL: Tensor) -> None:
        super().__init__()
        self.rows_NL = rows_NL

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """[B, L] -> [B, L, V]: position l is told the start and l tokens."""
        logits_BLV = torch.zeros(*tokens_BL.shape, V)
        for length in range(tokens_BL.shape[1]):
            said_B1S = tokens_BL[:, None, 1 : length + 1]
            same_BN = (said_B1S == self.rows_NL[None, :, :length]).all(dim=2)
            known_B = same_BN.any(dim=1)
            after_B = self.rows_NL[same_BN.int().argmax(dim=1), length]
            rows_A = known_B.nonzero()[:, 0]
            logits_BLV[rows_A, length, after_B[rows_A]] = 100.0
        return logits_BLV


def measured(model: nn.Module, task: Any = TASK) -> Any:
    return ExactMatch()(model, task, seed=0, device=CPU)


def test_who_knows_the_training_set_answers_that_and_no_more() -> None:
    result = measured(Knows(ITEMS.tokens_NL[ITEMS.is_train_N]))
    totals = result.totals
    for way in ("forced", "free"):
        assert totals[f"train_add_right_{way}"] == totals["train_add_tried"] == 98
        assert totals[f"heldout_add_right_{way}"] == 0
        assert totals["heldout_add_tried"] == 2
    assert totals["train_add_answer_code_bits"] == pytest.approx(0, abs=1e-6)
    assert totals["train_add_answer_bits"] == totals["heldout_add_answer_bits"] == 0
    # A guess for each of the three characters of 12>.
    assert totals["heldout_add_answer_code_bits"] == pytest.approx(2 * 3 * math.log2(V))


def test_groups_and_items_are_kept_apart() -> None:
    result = measured(Knows(ITEMS.tokens_NL[ITEMS.group_N == 1]))
    assert result.arrays["groups"].tolist() == ["add", "subtract"]
    assert result.totals["heldout_subtract_right_free"] == 2
    assert result.totals["train_add_right_free"] == 0
    for name in ("right_forced", "right_free", "group"):
        assert result.arrays[name].tolist() == ITEMS.group_N.tolist()
    assert result.arrays["exposures"].tolist() == ITEMS.exposures_N.tolist()


def test_half_an_answer_is_no_answer() -> None:
    """12> where 11> is true: the first token of the answer is right."""
    rows_NL = ITEMS.tokens_NL.clone()
    wrong = int(ITEMS.answer_end_N[57]) - 2
    assert decoded(rows_NL[57:58], TASK.characters) == ["<5+7=12>\n"]
    rows_NL[57, wrong] = TASK.characters.index("1")
    result = measured(Knows(rows_NL))
    assert np.flatnonzero(result.arrays["right_free"] == 0).tolist() == [57]
    assert np.flatnonzero(result.arrays["right_forced"] == 0).tolist() == [57]


def test_an_answer_that_goes_on_is_wrong() -> None:
    """1 for 1 at first, then 2 where the answer ends: its end is asked for too."""
    rows_NL = ITEMS.tokens_NL.clone()
    assert decoded(rows_NL[1:2], TASK.characters) == ["<0+1=1> \n"]
    rows_NL[1, int(ITEMS.answer_end_N[1]) - 1] = TASK.characters.index("2")
    assert measured(Knows(rows_NL)).arrays["right_free"][1] == 0


def test_batches_change_nothing_and_both_ways_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = GPT(num_layers=1, width=16, num_heads=2, vocab_size=V, max_length=9)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        token_nats(model, ITEMS.tokens_NL).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    whole = measured(model)
    assert 0 < whole.arrays["right_forced"].sum() < 200
    assert whole.arrays["right_free"].tolist() == whole.arrays["right_forced"].tolist()
    monkeypatch.setattr("rote.measures.cost.CPU_LOGITS_PER_BATCH", 7 * 9 * V)
    monkeypatch.setattr("rote.models.decoder.STEP_LOGITS", 5 * V)
    parts = measured(model)
    assert parts.totals == pytest.approx(whole.totals, rel=1e-5)


def test_entropy_is_summed_only_where_it_is_known() -> None:
    class Asked(RandomLabels):
        def items(self, seed: int) -> Items:
            items = super().items(seed)
            items.bits_N[items.group_N == 0] = math.nan
            return items

    task = Asked(
        inputs="patterns", random_fraction=0.5, num_sequences=8, num_heldout_sequences=4,
        num_classes=4, num_noise_symbols=9, input_length=6,
    )  # fmt: skip
    totals = measured(Knows(task.train(0).tokens_NL), task).totals
    assert totals["train_drawn_answer_bits"] == 4 * 2
    assert "train_rule_answer_bits" not in totals
    assert "heldout_rule_answer_bits" not in totals
    known = totals["train_drawn_right_free"] + totals["train_rule_right_free"]
    assert known == totals["train_drawn_tried"] + totals["train_rule_tried"] == 8


def test_a_task_without_items_is_refused() -> None:
    task = Uniform(num_sequences=2, length=4, vocab_size=8, num_heldout_sequences=1)
    with pytest.raises(ValueError, match="asks for items, and Uniform has none: use task=arith"):
        ExactMatch().check(task)
