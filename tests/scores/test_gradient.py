"""The gradient's norm, against finite differences and known answers."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rote.models.gpt import GPT
from rote.scores.gradient import gradient_norm

V = 5


class Unigram(nn.Module):
    """One logit for each symbol, whatever it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.logits_V = nn.Parameter(torch.zeros(V))

    def forward(self, tokens_BL: Tensor) -> Tensor:
        return self.logits_V.expand(*tokens_BL.shape, V)


def test_a_guesser_has_the_gradient_of_softmax_regression() -> None:
    """p - mean one-hot: for one symbol alone (1/5 four times, -4/5) has norm sqrt(20) / 5."""
    tokens_BL = torch.tensor([[2, 2, 2], [0, 0, 4]])
    found = gradient_norm(Unigram(), tokens_BL, np.array([1, 2]))
    np.testing.assert_allclose(found, [-np.sqrt(20) / 5] * 2, rtol=1e-6)


def test_members_of_a_batch_do_not_mix_and_gradients_stay() -> None:
    torch.manual_seed(0)
    gpt = GPT(num_layers=1, width=8, num_heads=2, vocab_size=V, max_length=4)
    tokens_BL, lengths_B = torch.randint(V, (3, 4)), np.array([4, 1, 3])
    with torch.no_grad():
        together = gradient_norm(gpt, tokens_BL, lengths_B)
    assert all(weight.grad is None for weight in gpt.parameters())
    for row in range(3):
        gpt.zero_grad()
        alone_1L = tokens_BL[row : row + 1, : lengths_B[row]]
        logits_LV = gpt(torch.cat([torch.zeros_like(alone_1L[:, :1]), alone_1L[:, :-1]], 1))[0]
        nn.functional.cross_entropy(logits_LV, alone_1L[0]).backward()
        squares = [weight.grad.square().sum() for weight in gpt.parameters()]
        assert -together[row] == pytest.approx(float(sum(squares)) ** 0.5, rel=1e-5)
        gpt.zero_grad()


def test_a_frozen_model_is_refused() -> None:
    with pytest.raises(ValueError, match="weights that can be trained"):
        gradient_norm(Unigram().requires_grad_(False), torch.zeros(1, 1, dtype=int), np.array([1]))
