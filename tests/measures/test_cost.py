"""Code lengths with known answers."""

import gc
import math

import pytest
import torch
from tests.measures.known import CPU, Fixed, Listed
from torch import Tensor, nn

from rote.core.units import uniform_bits
from rote.measures.cost import Cost, sequence_code_bits
from rote.measures.protocol import Measurement
from rote.models.gpt import GPT
from rote.tasks.uniform import Uniform

V, S, N = 16, 8, 16


GUESSER = Fixed([0.0] * V)  # knows nothing


class LookupTable(nn.Module):
    """Knows tokens 1..k of every sequence by heart, told apart by their first tokens."""

    def __init__(self, known_NL: Tensor, num_known: int) -> None:
        super().__init__()
        self.rows = {int(row[0]): row for row in known_NL}
        self.num_known = num_known

    def forward(self, inputs_BL: Tensor) -> Tensor:
        logits = torch.zeros(*inputs_BL.shape, V)
        for sequence, inputs_L in zip(logits, inputs_BL, strict=True):
            row = self.rows[int(inputs_L[1])]
            for position in range(1, self.num_known + 1):
                sequence[position, row[position]] = 1e4
        return logits


def listed(**settings: int) -> Listed:
    """Sequences with distinct first tokens."""
    rows = torch.randint(V, (N, S), generator=torch.Generator().manual_seed(0))
    rows[:, 0] = torch.arange(N)
    return Listed(rows, vocab_size=V, **settings)


def measured(model: nn.Module, task: object) -> Measurement:
    return Cost()(model, task, seed=0, device=CPU)


def test_a_uniform_guesser_memorises_nothing() -> None:
    task = Uniform(num_sequences=100, length=S, vocab_size=V, num_heldout_sequences=10)
    totals = measured(GUESSER, task).totals
    assert totals["train_code_bits"] == pytest.approx(task.entropy_bits(), rel=1e-7)
    after_first = totals["train_code_bits"] - totals["train_first_token_code_bits"]
    assert after_first == pytest.approx(task.entropy_bits(from_position=1), rel=1e-7)
    assert totals["heldout_code_bits"] == pytest.approx(uniform_bits(10 * S, V), rel=1e-7)
    assert (totals["train_sequences"], totals["train_tokens"]) == (100, 800)


@pytest.mark.parametrize("num_known", [0, 1, 5, S - 1])
def test_a_lookup_table_memorises_exactly_what_it_holds(num_known: int) -> None:
    task = listed()
    table = LookupTable(task.train(0).tokens_NL, num_known)
    memorised = uniform_bits(N * S, V) - measured(table, task).totals["train_code_bits"]
    assert memorised == pytest.approx(uniform_bits(num_known * N, V), rel=1e-7, abs=1e-3)


def test_arrays_hold_every_sequence_and_add_up() -> None:
    task = Uniform(num_sequences=100, length=S, vocab_size=V, num_heldout_sequences=10)
    torch.manual_seed(0)
    model = GPT(num_layers=1, width=8, num_heads=1, vocab_size=V, max_length=S)
    result = measured(model, task)
    assert result.arrays["train_code_bits"].shape == (100,)
    assert result.arrays["heldout_code_bits"].shape == (10,)
    total = result.arrays["train_code_bits"].astype("float64").sum()
    assert total == pytest.approx(result.totals["train_code_bits"], rel=1e-6)


def test_tokens_that_are_only_read_are_not_counted() -> None:
    result = measured(GUESSER, listed(scored_from=6))
    assert result.totals["train_tokens"] == 2 * N
    assert result.totals["train_code_bits"] == pytest.approx(uniform_bits(2 * N, V), rel=1e-7)
    assert result.arrays["train_code_bits"].tolist() == pytest.approx([2 * math.log2(V)] * N)
    assert not any("first_token" in name for name in [*result.totals, *result.arrays])


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Uniform(num_sequences=100, length=S, vocab_size=V, num_heldout_sequences=10)
    torch.manual_seed(0)
    model = GPT(num_layers=1, width=8, num_heads=1, vocab_size=V, max_length=S)
    whole = measured(model, task).totals
    monkeypatch.setattr("rote.measures.cost.LOGITS_PER_BATCH", 7 * S * V)
    assert measured(model, task).totals == pytest.approx(whole, rel=1e-6)


def test_bfloat16_never_accumulates() -> None:
    """A bfloat16 model's logits, scored by us, against float64 and against bfloat16 sums."""
    task = Uniform(num_sequences=400, length=32, vocab_size=64, num_heldout_sequences=1)
    torch.manual_seed(0)
    model = GPT(num_layers=1, width=16, num_heads=1, vocab_size=64, max_length=32)
    model.to(torch.bfloat16)
    rows = task.train(0).tokens(torch.arange(400))
    inputs = torch.cat([torch.zeros_like(rows[:, :1]), rows[:, :-1]], dim=1)
    with torch.no_grad():
        logits = model(inputs)
    nats = torch.nn.functional.cross_entropy(
        logits.double().flatten(0, 1), rows.flatten(), reduction="none"
    )
    exact_bits = float(nats.sum() / torch.log(torch.tensor(2.0, dtype=torch.float64)))
    coarse = torch.zeros(400, dtype=torch.bfloat16)
    for nats_N in nats.bfloat16().view(400, 32).T:
        coarse += nats_N
    coarse_bits = float(coarse.double().sum()) / 0.6931471805599453
    ours = sequence_code_bits(model, task.train(0), task, device=CPU)[0].sum()
    assert ours == pytest.approx(exact_bits, rel=1e-6)
    assert abs(coarse_bits - exact_bits) > 1e-3 * exact_bits  # what would creep back


class Counting:
    """Sequences that count the tensors alive whenever a batch is asked for."""

    def __init__(self, task: Uniform) -> None:
        self.whole = task.train(0)
        self.num_sequences = task.num_sequences
        self.alive: list[int] = []

    def tokens(self, indices_B: Tensor) -> Tensor:
        self.alive.append(sum(type(one) is Tensor for one in gc.get_objects()))
        return self.whole.tokens(indices_B)


def test_a_batch_leaves_no_tensor_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small one that stays would be cut from what a large one freed: gigabytes, on long sets."""
    monkeypatch.setattr("rote.measures.cost.CPU_LOGITS_PER_BATCH", 16 * 8 * 4)  # 4 sequences
    task = Uniform(num_sequences=40, length=8, vocab_size=16, num_heldout_sequences=1)
    sequences = Counting(task)
    model = GPT(num_layers=1, width=8, num_heads=1, vocab_size=16, max_length=8)
    sequence_code_bits(model, sequences, task, device=CPU)
    assert len(sequences.alive) == 10
    assert sequences.alive[-1] <= sequences.alive[1]
