"""Reading token by token gives what one whole pass gives."""

import pytest
import torch
from tests.conftest import COMPOSER
from tests.models.parity import noisy
from torch import Tensor, nn

from rote.config.build import build
from rote.models.decoder import TokenReader, sequences_at_once, token_reader
from rote.models.gpt import GPT
from rote.models.likelihood import START_TOKEN

V, S, B = 101, 24, 5
# Logits have a standard deviation of about 1. bfloat16 keeps 8 bits: a step's products are rounded
# at other places than those of a whole pass.
TOLERANCE = {"fp32": 1e-5, "tf32": 1e-5, "bf16_mixed": 4e-2, "bf16_true": 6e-2}
TOKENS = (V, B, S)  # V, B, L


class Hidden(nn.Module):
    """A GPT of which only ``forward`` is offered."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.model = [model]

    def forward(self, tokens_BL: Tensor) -> Tensor:
        return self.model[0](tokens_BL)


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    return noisy(GPT(num_layers=3, width=48, num_heads=4, vocab_size=V, max_length=S))


def stepped(decoder: TokenReader, tokens_BL: Tensor, prefix: int) -> Tensor:
    """Logits from position ``prefix`` on, [B, S - prefix, V]."""
    logits = [decoder.read(tokens_BL[:, :prefix])]
    logits += [decoder.read(tokens_BL[:, at : at + 1]) for at in range(prefix, S - 1)]
    return torch.stack(logits, dim=1)


@pytest.mark.parametrize("name", sorted(TOLERANCE))
@pytest.mark.parametrize("prefix", [0, 7])
@torch.inference_mode()
def test_steps_agree_with_a_whole_pass(
    model: GPT, tokens_BL: Tensor, name: str, prefix: int
) -> None:
    precision = build(COMPOSER.config([f"precision={name}"])["precision"])
    precision.cast(model)
    inputs_BL = torch.cat([torch.full((B, 1), START_TOKEN), tokens_BL[:, :-1]], dim=1)
    with precision.active("cpu"):
        whole_BLV = model(inputs_BL)[:, prefix:]
        steps_BLV = stepped(token_reader(model), tokens_BL, prefix)
    assert steps_BLV.dtype == whole_BLV.dtype
    assert 0.5 < whole_BLV.float().std() < 5
    torch.testing.assert_close(
        steps_BLV.float(), whole_BLV.float(), atol=TOLERANCE[name], rtol=TOLERANCE[name]
    )


@torch.inference_mode()
def test_a_model_that_keeps_no_past_is_read_whole(model: GPT, tokens_BL: Tensor) -> None:
    steps_BLV = stepped(token_reader(model), tokens_BL, 3)
    torch.testing.assert_close(
        stepped(token_reader(Hidden(model)), tokens_BL, 3), steps_BLV, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("hide", [False, True])
@torch.inference_mode()
def test_sequences_that_are_dropped_change_nothing_for_the_others(
    model: GPT, tokens_BL: Tensor, hide: bool
) -> None:
    shown = Hidden(model) if hide else model
    kept = torch.tensor([3, 0])
    whole_BLV = stepped(token_reader(shown), tokens_BL, 4)
    decoder = token_reader(shown)
    decoder.read(tokens_BL[:, :4])
    decoder.keep(kept)
    logits_AV = decoder.read(tokens_BL[kept, 4:5])
    torch.testing.assert_close(logits_AV, whole_BLV[kept, 1], atol=1e-5, rtol=1e-5)


def test_memory_is_bounded_whatever_the_vocabulary_and_the_size() -> None:
    small = GPT(num_layers=1, width=8, num_heads=1, vocab_size=16, max_length=64)
    assert sequences_at_once(small, length=64, vocab_size=1 << 18) == 16
    assert sequences_at_once(small, length=1 << 16, vocab_size=16) == 64
    assert sequences_at_once(small, length=1 << 30, vocab_size=1 << 30) == 1
    assert sequences_at_once(Hidden(small), length=64, vocab_size=1 << 10) == 64
