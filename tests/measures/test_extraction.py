"""Extraction with known answers: what is stored is given back, and nothing else."""

import numpy as np
import pytest
import torch
from tests.conftest import MakeSpec
from tests.measures.known import CPU, Listed
from torch import Tensor, nn

from rote.ledger.store import Store
from rote.measures.extraction import Extraction
from rote.measures.protocol import Measurement
from rote.models.gpt import GPT
from rote.run.execute import execute

V, S, N = 32, 12, 20


class Table(nn.Module):
    """Continues stored sequences, told apart by the token they begin with, up to a last position.

    What it was not told it answers with the token after the one read, which no sequence has.
    """

    def __init__(self, stored: dict[int, Tensor], wrong_at: dict[int, int]) -> None:
        super().__init__()
        self.stored, self.wrong_at = stored, wrong_at

    def forward(self, inputs_BL: Tensor) -> Tensor:
        logits_BLV = nn.functional.one_hot((inputs_BL + 1) % V, V).float()
        for logits_LV, inputs_L in zip(logits_BLV, inputs_BL, strict=True):
            row = int(inputs_L[1]) if len(inputs_L) > 1 else -1
            for position in range(1, len(inputs_L)):
                if row in self.stored and self.wrong_at.get(row) != position:
                    logits_LV[position] = 0
                    logits_LV[position, self.stored[row][position]] = 1.0
        return logits_BLV


def rows_of(seed: int, first_N: Tensor) -> Tensor:
    """Sequences that begin with these tokens, by steps of 2 and more: none rises by 1."""
    random = torch.Generator().manual_seed(seed)
    steps = torch.randint(2, V, (len(first_N), S), generator=random)
    steps[:, 0] = first_N
    return steps.cumsum(dim=1) % V


# Training sequences begin with their own number, held-out ones with another.
ROWS = rows_of(0, torch.arange(N))
TASK = Listed(ROWS, rows_of(1, torch.full((3,), N)), vocab_size=V)


def measured(model: nn.Module, prefixes: list[int], num_sequences: int = 1000) -> Measurement:
    measure = Extraction(prefix_tokens=prefixes, num_sequences=num_sequences)
    return measure(model, TASK, seed=0, device=CPU)


def test_a_lookup_table_gives_back_exactly_what_it_stores() -> None:
    # Row 5 goes wrong at position 4: it comes from prefixes of more than 4 tokens. Row 9's last
    # token is wrong: it never comes.
    table = Table({row: ROWS[row] for row in (2, 5, 9, 17)}, wrong_at={5: 4, 9: S - 1})
    result = measured(table, [2, 4, 8])
    stored = {2: [2, 17], 4: [2, 17], 8: [2, 5, 17]}
    for prefix, expected in stored.items():
        found_N = result.arrays[f"train_extracted_{prefix}"]
        assert found_N.dtype == np.uint8
        assert list(np.flatnonzero(found_N)) == expected
        assert result.totals[f"train_extracted_{prefix}"] == len(expected)
        assert result.totals[f"heldout_extracted_{prefix}"] == 0
    assert (result.totals["train_tried"], result.totals["heldout_tried"]) == (N, 3)


def test_only_the_first_sequences_are_tried() -> None:
    table = Table({row: ROWS[row] for row in (2, 17)}, wrong_at={})
    result = measured(table, [4], num_sequences=10)
    assert (result.totals["train_tried"], result.totals["train_extracted_4"]) == (10, 1)
    assert result.arrays["train_extracted_4"].shape == (10,)
    assert result.totals["heldout_tried"] == 3


def test_what_a_gpt_is_told_to_have_said_is_what_it_says() -> None:
    """Against continuations that feed the model its own words, from each prefix anew."""
    torch.manual_seed(0)
    model = GPT(num_layers=2, width=16, num_heads=2, vocab_size=V, max_length=S)
    rows = torch.randint(V, (N, S))
    for row in rows[::2]:  # every second one ends in the model's own words, from position 5 on
        for position in range(5, S):
            inputs = torch.cat([torch.zeros(1, dtype=torch.int64), row[:position]])
            row[position] = model(inputs[None])[0, -1].argmax()
    for row in rows[::4]:
        row[7] = (row[7] + 1) % V
    measure = Extraction(prefix_tokens=[3, 5, 9], num_sequences=N)
    found = measure(model, Listed(rows, vocab_size=V), seed=0, device=CPU).arrays
    for prefix in (3, 5, 9):
        said = rows[:, :prefix]
        for _ in range(prefix, S):
            inputs = torch.cat([torch.zeros(N, 1, dtype=torch.int64), said], dim=1)
            said = torch.cat([said, model(inputs)[:, -1:].argmax(dim=-1)], dim=1)
        right = (said == rows).all(dim=1).numpy()
        assert list(found[f"train_extracted_{prefix}"]) == list(right), prefix
    assert 0 < found["train_extracted_5"].sum() < found["train_extracted_9"].sum() < N + 1


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table({row: ROWS[row] for row in range(0, N, 3)}, wrong_at={6: 4})
    whole = measured(table, [2, 8]).totals
    monkeypatch.setattr("rote.measures.extraction.sequences_at_once", lambda *_, **__: 3)
    assert measured(table, [2, 8]).totals == whole


@pytest.mark.parametrize("precision", ["fp32", "bf16_mixed"])
def test_a_model_that_has_memorised_gives_all_back_and_a_new_one_nothing(
    tiny: MakeSpec, store: Store, precision: str
) -> None:
    shape = (
        f"precision={precision}", "measure=[cost,extraction]", "task.num_sequences=8",
        "measure.extraction.prefix_tokens=[3,5]", "optim.optimiser.lr=1e-2",
    )  # fmt: skip
    trained = execute(tiny("budget.max_steps=800", "size.width=32", *shape), store)
    assert trained.measures["extraction"] == {
        "train_tried": 8, "train_extracted_3": 8, "train_extracted_5": 8,
        "heldout_tried": 4, "heldout_extracted_3": 0, "heldout_extracted_5": 0,
    }  # fmt: skip
    new = execute(tiny("budget.max_steps=1", *shape), store)
    assert new.measures["extraction"]["train_extracted_3"] == 0


def test_a_prefix_that_ends_inside_what_is_not_learnt_is_refused() -> None:
    prompted = Listed(ROWS, vocab_size=V, scored_from=8)
    Extraction(prefix_tokens=[8], num_sequences=1).check(prompted)
    message = "a prefix of 7 tokens leaves some .* not learnt: Listed begins to score at 8"
    with pytest.raises(ValueError, match=message):
        Extraction(prefix_tokens=[7, 9], num_sequences=1).check(prompted)
