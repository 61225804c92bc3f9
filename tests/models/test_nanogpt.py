"""NanoGPT has no biases, an MLP as wide as told, and the published counts."""

import pytest
import torch
from tests.models.formulas import nanogpt_parameters
from tests.models.parity import noisy
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

from rote.models.nanogpt import NanoGPT

SHAPE = {"num_layers": 2, "width": 12, "vocab_size": 17, "max_length": 9}
TOKENS = (17, 4, 9)  # V, B, L


@pytest.fixture
def model() -> NanoGPT:
    torch.manual_seed(0)
    return noisy(NanoGPT(**SHAPE, num_heads=3, mlp_ratio=1))


def written_out(model: NanoGPT, tokens_BL: Tensor) -> Tensor:
    """The same from its weights alone, head by head."""
    weights = dict(model.named_parameters())
    hidden_BLD = weights["token_embedding.weight"][tokens_BL] + weights["position_embedding.weight"]
    for layer in range(2):
        own = {
            name.removeprefix(f"blocks.{layer}."): value
            for name, value in weights.items()
            if name.startswith(f"blocks.{layer}.")
        }
        normed_BLD = layer_norm(hidden_BLD, (12,), own["attention_norm.weight"])
        parts = (normed_BLD @ own["attention.query_key_value.weight"].T).split(4, dim=-1)
        mixed = []
        for head in range(3):
            query_BLK, key_BLK, value_BLK = parts[head], parts[3 + head], parts[6 + head]
            scores_BLL = query_BLK @ key_BLK.mT / 2.0
            future_LL = torch.ones(9, 9).triu(1).bool()
            mixed.append(scores_BLL.masked_fill(future_LL, -torch.inf).softmax(-1) @ value_BLK)
        hidden_BLD = hidden_BLD + torch.cat(mixed, dim=-1) @ own["attention.project.weight"].T
        normed_BLD = layer_norm(hidden_BLD, (12,), own["mlp_norm.weight"])
        wide_BLM = gelu(normed_BLD @ own["expand.weight"].T, approximate="tanh")
        hidden_BLD = hidden_BLD + wide_BLM @ own["contract.weight"].T
    normed_BLD = layer_norm(hidden_BLD, (12,), weights["final_norm.weight"])
    return normed_BLD @ weights["token_embedding.weight"].T


def test_logits_are_those_of_its_weights_alone(model: NanoGPT, tokens_BL: Tensor) -> None:
    torch.testing.assert_close(model(tokens_BL), written_out(model, tokens_BL), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mlp_ratio", [1, 4])
def test_the_formula_counts_its_parameters(mlp_ratio: int) -> None:
    model = NanoGPT(**SHAPE, num_heads=3, mlp_ratio=mlp_ratio)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == nanogpt_parameters(**SHAPE, mlp_ratio=mlp_ratio)
    assert not any(name.endswith("bias") for name, _ in model.named_parameters())
