"""The shortest code of a training set, against counts made by hand and against whole codes."""

import math

import pytest
import torch
from tests.measures.known import CPU, Listed
from tests.measures.test_cost import GUESSER, measured
from torch import Tensor

from rote.measures.cost import Cost, least_code_bits
from rote.tasks.uniform import Uniform

V = 16


def least(rows: Tensor, scored_from: int = 0) -> float:
    task = Listed(rows, vocab_size=V, scored_from=scored_from)
    return least_code_bits(task.train(0), task, device=CPU)


def test_distinct_sequences_take_log2_of_their_number_each() -> None:
    task = Uniform(num_sequences=1000, length=8, vocab_size=V, num_heldout_sequences=1)
    assert least_code_bits(task.train(0), task, device=CPU) == 1000 * math.log2(1000)
    assert Cost()(GUESSER, task, seed=0, device=CPU).totals["train_least_code_bits"] == (
        1000 * math.log2(1000)
    )
    assert least(torch.zeros(1, 4, dtype=torch.int64)) == 0


def test_copies_share_one_probability() -> None:
    """Of eight sequences four are one, two another: 4 log2(8/4) + 2 log2(8/2) + 2 log2(8)."""
    rows = torch.tensor([[1, 2], [3, 1], [1, 2], [2, 1], [1, 2], [5, 5], [3, 1], [1, 2]])
    assert least(rows) == pytest.approx(4 * 1 + 2 * 2 + 2 * 3)
    assert least(torch.ones(8, 3, dtype=torch.int64)) == 0


def test_a_prompt_tells_which_sequences_it_can_be() -> None:
    """Prompt 1 is followed by 2, 2, 3 and 4, prompt 2 by 3 alone: 2 log2(4/2) + 2 log2(4)."""
    rows = torch.tensor([[1, 2], [1, 2], [1, 3], [1, 4], [2, 3], [2, 3]])
    assert least(rows, scored_from=1) == pytest.approx(2 * 1 + 2 * 2)
    assert least(rows) == pytest.approx(2 * math.log2(3) * 2 + 2 * math.log2(6))


def test_batches_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.randint(3, (500, 4), generator=torch.Generator().manual_seed(0))
    whole = [least(rows), least(rows, scored_from=2)]
    assert 0 < whole[1] < whole[0] < 500 * math.log2(500)
    monkeypatch.setattr("rote.measures.cost.TOKENS_PER_BATCH", 7 * 4)
    assert [least(rows), least(rows, scored_from=2)] == whole


def test_no_table_of_sequences_has_a_shorter_code() -> None:
    """A model that knows the set, each sequence by its share, reaches the least code exactly."""
    rows = torch.tensor([[1, 2, 3], [1, 2, 4], [1, 5, 5], [1, 5, 5], [7, 0, 1]])

    class Known(torch.nn.Module):
        def forward(self, inputs_BL: Tensor) -> Tensor:
            logits = torch.full((*inputs_BL.shape, V), -1e4)
            for sequence, inputs_L in zip(logits, inputs_BL, strict=True):
                for position in range(3):
                    before = inputs_L[1 : position + 1]
                    same = rows[(rows[:, :position] == before).all(dim=1)]
                    counts = torch.bincount(same[:, position], minlength=V)
                    sequence[position] = torch.where(counts > 0, counts.log(), -1e4)
            return logits

    totals = measured(Known(), Listed(rows, vocab_size=V)).totals
    assert totals["train_code_bits"] == pytest.approx(totals["train_least_code_bits"], rel=1e-6)
    assert totals["train_least_code_bits"] == pytest.approx(3 * math.log2(5) + 2 * math.log2(5 / 2))
