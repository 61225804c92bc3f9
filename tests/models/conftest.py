"""Tokens for the tests of models."""

import pytest
import torch
from torch import Tensor


@pytest.fixture
def tokens_BL(request: pytest.FixtureRequest) -> Tensor:
    """Random tokens, of the vocabulary and the shape that the module's ``TOKENS`` say."""
    vocab_size, *shape = request.module.TOKENS
    return torch.randint(vocab_size, shape, generator=torch.Generator().manual_seed(1))
