"""Coded tokens come back, and take as many bits as the model says."""

import numpy as np
import pytest
import torch
from tests.measures.known import Fixed
from torch import nn

from rote.coding.coder import TokenWindows, decode, encode
from rote.core.progress import no_progress
from rote.measures.cost import sequence_code_bits
from rote.models.gpt import GPT
from rote.tasks.uniform import Uniform

V, S = 64, 16


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    return GPT(num_layers=2, width=32, num_heads=2, vocab_size=V, max_length=S).eval()


def there_and_back(model: nn.Module, tokens_N: np.ndarray, at_once: int) -> tuple[float, int]:
    """Claimed and written bits of tokens that come back."""
    windows = TokenWindows(num_tokens=len(tokens_N), length=S, at_once=at_once)
    encoded = encode(model, tokens_N, windows, no_progress)
    assert np.array_equal(decode(model, encoded.words, windows, no_progress), tokens_N)
    return encoded.claimed_bits, 32 * len(encoded.words)


@pytest.mark.parametrize("num_tokens", [0, 1, S - 1, S, S + 1, 5 * S, 7 * S + 3])
@pytest.mark.parametrize("at_once", [3, 100])
def test_any_number_of_tokens_comes_back(model: GPT, num_tokens: int, at_once: int) -> None:
    there_and_back(model, np.random.default_rng(1).integers(V, size=num_tokens), at_once)


def test_what_is_written_is_what_is_claimed(model: GPT) -> None:
    tokens_N = np.random.default_rng(1).integers(V, size=20_000)
    claimed, written = there_and_back(model, tokens_N, 256)
    assert claimed > 100_000
    assert written == pytest.approx(claimed, rel=1e-3)


def test_a_known_source_takes_its_entropy() -> None:
    p = 2.0 ** (-np.arange(V) / 4)
    p /= p.sum()
    tokens_N = np.random.default_rng(1).choice(V, size=30_000, p=p)
    claimed, written = there_and_back(
        Fixed((-np.arange(V) * np.log(2) / 4).tolist()), tokens_N, 512
    )
    assert claimed == pytest.approx(-np.log2(p)[tokens_N].sum(), rel=1e-6)
    assert written == pytest.approx(claimed, rel=1e-3)


def test_the_claim_is_what_the_measure_says(model: GPT) -> None:
    task = Uniform(num_sequences=50, length=S, vocab_size=V, num_heldout_sequences=1)
    rows = task.train(0).tokens(torch.arange(50))
    claimed, _ = there_and_back(model, rows.numpy().ravel(), 20)
    bits, _ = sequence_code_bits(model, task.train(0), task, device=torch.device("cpu"))
    assert claimed == pytest.approx(bits.sum(), rel=1e-6)


def test_an_impossible_token_can_be_coded() -> None:
    """Far below what 24 bits can say: its price is bounded, and nothing breaks."""
    model = GPT(num_layers=1, width=8, num_heads=1, vocab_size=V, max_length=S)
    nn.init.constant_(model.final_norm.bias, 300.0)
    nn.init.constant_(model.token_embedding.weight, 0.0)
    model.token_embedding.weight.data[7] = 1.0
    claimed, written = there_and_back(model, np.array([7, 7, 3, 7]), 4)
    assert claimed > 1000
    assert written <= 64
