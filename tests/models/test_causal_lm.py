"""Models of transformers behind our own doors: what they offer is what their forward gives."""

from pathlib import Path

import pytest
import torch
from tests.conftest import COMPOSER
from tests.models.parity import noisy
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
)

from rote.config.build import build
from rote.measures.extraction import last_wrong_positions
from rote.models.causal_lm import CachedCausalLM, CausalLM, with_what_it_offers
from rote.models.checkpoint import architecture, load_causal_lm
from rote.models.decoder import token_reader
from rote.models.likelihood import started, token_nats
from rote.models.tokeniser_process import chosen_start

V, S, B = 61, 12, 3
SHAPE = {"vocab_size": V, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
WIDE = {**SHAPE, "intermediate_size": 64}
TOKENS = (V, B, S)  # V, B, L


def made(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model = {
        "gpt2": lambda: GPT2LMHeadModel(
            GPT2Config(vocab_size=V, n_positions=S, n_embd=32, n_layer=2, n_head=2)
        ),
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**WIDE, num_key_value_heads=1)),
        "phi": lambda: PhiForCausalLM(PhiConfig(**WIDE)),  # its head has a bias
        "mamba": lambda: MambaForCausalLM(
            MambaConfig(vocab_size=V, hidden_size=32, num_hidden_layers=2)
        ),
        "bert": lambda: BertForMaskedLM(BertConfig(**WIDE)),
    }[name]()
    return noisy(model).eval()


@pytest.mark.parametrize("name", ["gpt2", "llama", "phi", "mamba"])
def test_nats_and_steps_are_those_of_the_model_itself(name: str, tokens_BL: torch.Tensor) -> None:
    theirs = made(name)
    ours = with_what_it_offers(theirs, start_token=7, vocab_size=V)
    assert isinstance(ours, CachedCausalLM) == (name in ("gpt2", "llama"))
    with torch.inference_mode():
        inputs_BL = torch.cat([torch.full((B, 1), 7), tokens_BL[:, :-1]], dim=1)
        logits_BLV = theirs(input_ids=inputs_BL).logits
        wanted_BL = nn.functional.cross_entropy(
            logits_BLV.flatten(0, 1), tokens_BL.flatten(), reduction="none"
        )
        torch.testing.assert_close(token_nats(ours, tokens_BL).flatten(), wanted_BL)
        decoder = token_reader(ours)
        steps = [decoder.read(tokens_BL[:, :4])]
        steps += [decoder.read(tokens_BL[:, at : at + 1]) for at in range(4, S - 1)]
        torch.testing.assert_close(
            torch.stack(steps, dim=1), logits_BLV[:, 4:], atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_chunks_give_what_whole_logits_give(
    name: str, tokens_BL: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = with_what_it_offers(made(name), start_token=0, vocab_size=V)
    whole_BL = token_nats(ours, tokens_BL)
    monkeypatch.setattr("rote.models.likelihood.WHOLE_LOGITS_BYTES", 1)
    monkeypatch.setattr("rote.models.likelihood.CHUNK_LOGITS_BYTES", 4 * V * 5)
    torch.testing.assert_close(token_nats(ours, tokens_BL), whole_BL)


def test_rows_that_are_left_do_not_disturb_those_that_stay(tokens_BL: torch.Tensor) -> None:
    """Against reading everything anew: the same last mistakes, though rows leave on the way."""
    ours = with_what_it_offers(made("llama"), start_token=0, vocab_size=V)
    plain = CausalLM(ours.model, start_token=0)
    with torch.inference_mode():  # some rows say themselves for a while
        tokens_BL[1:, 6:9] = ours(started(ours, tokens_BL))[1:, 6:9].argmax(-1)
    found = [last_wrong_positions(model, tokens_BL, 6, 6) for model in (ours, plain)]
    torch.testing.assert_close(*found)


def test_past_numbers_are_a_key_and_a_value_in_every_layer() -> None:
    ours = with_what_it_offers(made("gpt2"), start_token=0, vocab_size=V)
    grouped = with_what_it_offers(made("llama"), start_token=0, vocab_size=V)
    assert ours.past_numbers == 2 * 2 * 32
    assert grouped.past_numbers == 2 * 2 * 16  # one head of keys for two of queries


class Capped(nn.Module):
    """A GPT-2 whose logits are bent a little, as some architectures do."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = made("gpt2")
        self.base_model, self.config = self.inner.base_model, self.inner.config

    def get_output_embeddings(self) -> nn.Module:
        return self.inner.get_output_embeddings()

    def forward(self, **arguments):
        output = self.inner(**arguments)
        output.logits = 30 * torch.tanh(output.logits / 30)
        return output


def test_a_head_that_is_not_all_is_not_offered() -> None:
    assert type(with_what_it_offers(Capped(), start_token=0, vocab_size=V)) is CausalLM


def test_a_model_that_looks_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="not causal"):
        with_what_it_offers(made("bert"), start_token=0, vocab_size=V)


@pytest.mark.parametrize("name", ["bf16_true", "bf16_mixed"])
def test_bfloat16_offers_the_same(name: str, tmp_path: Path) -> None:
    made("llama").save_pretrained(tmp_path)
    precision = build(COMPOSER.config([f"precision={name}"])["precision"])
    with precision.active("cpu"):
        ours = load_causal_lm(
            tmp_path, dtype=getattr(torch, precision.weights), start_token=1, allow_pickle=False
        )
    assert isinstance(ours, CachedCausalLM)
    assert ours.head.dtype == getattr(torch, precision.weights)


def test_the_architecture_says_what_stands_before_the_first_token(tmp_path: Path) -> None:
    for begin, end, wanted in ((5, 6, 5), (None, [8, 9], 8), (None, None, None)):
        config = LlamaConfig(**WIDE, bos_token_id=begin, eos_token_id=end)
        config.save_pretrained(tmp_path)
        found = architecture(tmp_path)
        start = chosen_start(found.config, found.text, None)
        assert (start and start.token, found.vocab_size, found.max_length) == (wanted, V, 2048)
