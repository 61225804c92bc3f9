"""Uniform random tokens are uniform, repeatable, and worth exactly what they should be."""

import pytest
import torch
from scipy.stats import chisquare

from rote.core.rng import stream_seed
from rote.tasks.uniform import Uniform


def uniform(**changes: int) -> Uniform:
    values = {"num_sequences": 500, "length": 32, "vocab_size": 100, "num_heldout_sequences": 50}
    return Uniform(**(values | changes))


def tokens(task: Uniform, seed: int = 0, *, heldout: bool = False) -> torch.Tensor:
    sequences = task.heldout(seed) if heldout else task.train(seed)
    return sequences.tokens(torch.arange(sequences.num_sequences))


def test_the_smaller_set_is_a_prefix_of_the_larger() -> None:
    assert torch.equal(tokens(uniform()), tokens(uniform(num_sequences=1000))[:500])


def test_any_sequence_can_be_made_alone_and_in_any_order() -> None:
    task = uniform()
    picked = torch.tensor([7, 499, 7, 0])
    assert torch.equal(task.train(0).tokens(picked), tokens(task)[picked])


def test_tokens_are_those_of_splitmix64_in_plain_python() -> None:
    task = uniform(length=4, vocab_size=2048, num_sequences=3)
    key = stream_seed(5, "data", "train")
    drawn = [(splitmix64(counter, key) >> 32) * 2048 >> 32 for counter in range(12)]
    assert tokens(task, seed=5).flatten().tolist() == drawn


def splitmix64(counter: int, key: int) -> int:
    """The generator as published, on Python's integers."""
    mask = (1 << 64) - 1
    mixed = (counter * 0x9E3779B97F4A7C15 + key) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return mixed ^ (mixed >> 31)


@pytest.mark.parametrize("vocab_size", [2, 100, 2048])
def test_symbols_are_uniform(vocab_size: int) -> None:
    drawn = tokens(uniform(vocab_size=vocab_size, num_sequences=4000))
    counts = torch.bincount(drawn.flatten(), minlength=vocab_size)
    assert counts.sum() == 4000 * 32
    assert chisquare(counts.numpy()).pvalue > 1e-4


def test_neighbouring_tokens_and_sequences_are_independent() -> None:
    drawn = tokens(uniform(vocab_size=8, num_sequences=4000))
    for first, second in ((drawn[:, :-1], drawn[:, 1:]), (drawn[:-1], drawn[1:])):
        pairs = torch.bincount((first * 8 + second).flatten(), minlength=64)
        assert chisquare(pairs.numpy()).pvalue > 1e-4


def test_seeds_and_splits_differ() -> None:
    train = tokens(uniform())
    for other in (tokens(uniform(), seed=1), tokens(uniform(), heldout=True)):
        agreement = (train[: len(other)] == other).double().mean().item()
        assert agreement == pytest.approx(1 / 100, abs=0.01)


def test_entropy_is_exact() -> None:
    task = uniform(num_sequences=1000, length=64, vocab_size=2048)
    assert task.entropy_bits() == 704_000
    assert task.entropy_bits(from_position=1) == 693_000


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_sequences", -1), ("num_sequences", 1.5), ("length", 0), ("vocab_size", 1)],
)
def test_nonsense_is_refused_by_name_and_value(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"task\.{key} must be .*, got {value}"):
        uniform(**{key: value})
