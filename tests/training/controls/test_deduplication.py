"""What is left of sequences that stand there more than once."""

import torch
from tests.conftest import MakeSpec

from rote.ledger.store import Store
from rote.run.execute import execute
from rote.tasks.canaries.task import Canaries
from rote.tasks.uniform import Uniform
from rote.training.controls.deduplication import Deduplication
from rote.training.data import TokensInMemory


def test_the_first_of_equal_sequences_stays() -> None:
    rows_NL = torch.tensor([[1, 2], [3, 4], [1, 2], [4, 3], [3, 4], [1, 2]])
    left = Deduplication().change_sequences(TokensInMemory(rows_NL), length=2)
    assert left.num_sequences == 3
    assert left.tokens(torch.tensor([2, 0, 1])).tolist() == [[4, 3], [1, 2], [3, 4]]


def test_what_has_no_repeats_is_left_alone() -> None:
    sequences = TokensInMemory(torch.arange(10).view(5, 2))
    assert Deduplication().change_sequences(sequences, length=2) is sequences


def test_of_a_canary_one_stays() -> None:
    base = Uniform(num_sequences=20, length=12, vocab_size=64, num_heldout_sequences=2)
    task = Canaries(
        base=base, kinds=["tokens"], secret_length=4, repeats=[1, 5], num_each=3, num_controls=2
    )
    assert task.train(0).num_sequences == 20 + 3 + 15
    assert Deduplication().change_sequences(task.train(0), length=12).num_sequences == 20 + 3 + 3


def test_a_record_says_how_many_were_left_out(tiny: MakeSpec, store: Store) -> None:
    """Of 12 pairs of bits at most 4 differ; all 12 are measured."""
    pairs = ("task.vocab_size=2", "task.length=2", "control=[deduplication]")
    record = execute(tiny(*pairs), store)
    assert 8 <= record.training["sequences_left_out"] < 12
    assert record.measures["cost"]["train_sequences"] == 12
    assert execute(tiny("control=[deduplication]"), store).training["sequences_left_out"] == 0
