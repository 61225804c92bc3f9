"""Beam search against all continuations there are, against greedy decoding, and by hand."""

import itertools

import pytest
import torch
from tests.measures.known import Bigram
from tests.models.parity import noisy
from torch import Tensor, nn
from torch.nn import functional

from rote.measures.beam import beam_ranks, beam_search
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats

V, P, S, B = 5, 2, 3, 4


@pytest.fixture
def gpt() -> GPT:
    torch.manual_seed(0)
    return noisy(GPT(num_layers=2, width=16, num_heads=2, vocab_size=V, max_length=P + S), 0.3)


@pytest.fixture
def prefix_BP() -> Tensor:
    return torch.randint(V, (B, P), generator=torch.Generator().manual_seed(1))


TABLE = Bigram(torch.tensor([[0.1, 0.5, 0.4], [0.4, 0.3, 0.3], [0.05, 0.05, 0.9]]).log())


def log_p_of_all(model: nn.Module, prefix_P: Tensor) -> Tensor:
    """ln p of every continuation, in lexicographic order."""
    suffixes_NS = torch.tensor([*itertools.product(range(V), repeat=S)])
    rows_NL = torch.cat([prefix_P.expand(len(suffixes_NS), -1), suffixes_NS], dim=1)
    with torch.inference_mode():
        return -token_nats(model, rows_NL)[:, P:].double().sum(dim=1)


@pytest.mark.parametrize("num_beams", [V**S, 10**6])
def test_a_beam_as_wide_as_everything_ranks_everything(
    gpt: GPT, prefix_BP: Tensor, num_beams: int
) -> None:
    found_BKS, log_p_BK = beam_search(gpt, prefix_BP, num_tokens=S, num_beams=num_beams)
    assert (found_BKS.shape, log_p_BK.dtype) == ((B, V**S, S), torch.float64)
    for row, prefix_P in enumerate(prefix_BP):
        log_p_N = log_p_of_all(gpt, prefix_P)
        order_N = log_p_N.argsort(descending=True)
        torch.testing.assert_close(log_p_BK[row], log_p_N[order_N], rtol=1e-5, atol=0)
        # Neighbours that differ by less than float32 resolves may have changed places.
        place_N = (found_BKS[row] * torch.tensor([V * V, V, 1])).sum(dim=1)
        torch.testing.assert_close(log_p_N[place_N], log_p_BK[row], rtol=1e-5, atol=0)
        assert sorted(place_N.tolist()) == list(range(V**S))


@pytest.mark.parametrize("num_beams", [2, 3, 7])
def test_a_narrow_beam_is_the_one_written_plainly(
    gpt: GPT, prefix_BP: Tensor, num_beams: int
) -> None:
    found_BKS, _ = beam_search(gpt, prefix_BP, num_tokens=S, num_beams=num_beams)
    for row, prefix_P in enumerate(prefix_BP):
        beam = [([], 0.0)]
        for _ in range(S):
            grown = []
            for tokens, log_p in beam:
                read = torch.cat([torch.tensor([0]), prefix_P, torch.tensor(tokens).long()])
                logs_V = gpt(read[None])[0, -1].double().log_softmax(-1).tolist()
                grown += [([*tokens, token], log_p + logs_V[token]) for token in range(V)]
            beam = sorted(grown, key=lambda each: -each[1])[:num_beams]
        assert found_BKS[row].tolist() == [tokens for tokens, _ in beam]


def test_one_beam_is_greedy_decoding(gpt: GPT, prefix_BP: Tensor) -> None:
    said_BL = prefix_BP
    for _ in range(S):
        logits_BV = gpt(functional.pad(said_BL, (1, 0)))[:, -1]
        said_BL = torch.cat([said_BL, logits_BV.argmax(dim=-1, keepdim=True)], dim=1)
    found_BKS, _ = beam_search(gpt, prefix_BP, num_tokens=S, num_beams=1)
    assert found_BKS[:, 0].tolist() == said_BL[:, P:].tolist()


def test_a_beam_finds_what_greedy_decoding_misses() -> None:
    # From 0: greedy says 1 (0.5), which leads to 0.5 * 0.4; 2 (0.4) leads to 0.4 * 0.9.
    prefix_BP = torch.tensor([[0]])
    greedy, _ = beam_search(TABLE, prefix_BP, num_tokens=2, num_beams=1)
    assert greedy.tolist() == [[[1, 0]]]
    wide, log_p_BK = beam_search(TABLE, prefix_BP, num_tokens=2, num_beams=2)
    assert wide.tolist() == [[[2, 2], [1, 0]]]
    torch.testing.assert_close(log_p_BK.exp(), torch.tensor([[0.36, 0.2]]).double())


def test_equally_likely_ones_come_in_the_order_of_their_tokens() -> None:
    flat = Bigram(torch.full((3, 3), 1 / 3).log())
    found_BKS, _ = beam_search(flat, torch.tensor([[0], [2]]), num_tokens=2, num_beams=4)
    assert found_BKS.tolist() == [[[0, 0], [0, 1], [0, 2], [1, 0]]] * 2


def test_an_empty_prefix_begins_with_the_start(gpt: GPT) -> None:
    none_BP = torch.empty(1, 0, dtype=torch.int64)
    found_BKS, log_p_BK = beam_search(gpt, none_BP, num_tokens=2, num_beams=3)
    with torch.inference_mode():
        nats_KS = token_nats(gpt, found_BKS[0])
    torch.testing.assert_close(log_p_BK[0], -nats_KS.double().sum(dim=1), rtol=1e-5, atol=0)


def test_ranks_of_the_true_rest() -> None:
    tokens_BL = torch.tensor([[0, 2, 2], [0, 1, 0], [0, 1, 1], [1, 0, 1]])
    ranks_B = beam_ranks(TABLE, tokens_BL, prefix_tokens=1, num_beams=2)
    # From 1 the beam keeps 0 and, of equally likely ones, 1; it so misses [2, 2] with 0.3 * 0.9.
    assert ranks_B.tolist() == [0, 1, -1, 0]


@pytest.mark.parametrize("num_beams", [1, 3, 9])
def test_leaving_what_is_lost_changes_no_rank(gpt: GPT, num_beams: int) -> None:
    everything = [*itertools.product([0, 3], range(V), *[range(V)] * S)]
    tokens_BL = torch.tensor(everything)
    found_BKS, _ = beam_search(gpt, tokens_BL[:, :P], num_tokens=S, num_beams=num_beams)
    expected = [
        found_KS.tolist().index(row.tolist()) if row.tolist() in found_KS.tolist() else -1
        for found_KS, row in zip(found_BKS, tokens_BL[:, P:], strict=True)
    ]
    ranks_B = beam_ranks(gpt, tokens_BL, prefix_tokens=P, num_beams=num_beams)
    assert ranks_B.tolist() == expected
    assert set(expected) == {*range(-1, num_beams)}
