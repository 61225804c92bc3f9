"""What is trained on under label smoothing and goldfish loss; what a token costs stays plain."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.core.rng import random_32_bits, stream_seed
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.training.controls.goldfish import Goldfish
from rote.training.controls.label_smoothing import LabelSmoothing
from rote.training.objective import Objective

VOCAB, LENGTH = 11, 20


def model() -> nn.Module:
    torch.manual_seed(0)
    return GPT(num_layers=1, width=8, num_heads=2, vocab_size=VOCAB, max_length=LENGTH)


def tokens(number: int = 6, vocab_size: int = VOCAB, length: int = LENGTH) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(vocab_size, (number, length), generator=generator)


def test_label_smoothing_is_torchs() -> None:
    logits_BLV = torch.randn(6, LENGTH, VOCAB)
    nats_BL = functional.cross_entropy(logits_BLV.mT, tokens(), reduction="none")
    ours_BL = LabelSmoothing(share=0.3).change_loss(nats_BL, logits_BLV, tokens())
    theirs_BL = functional.cross_entropy(
        logits_BLV.mT, tokens(), reduction="none", label_smoothing=0.3
    )
    torch.testing.assert_close(ours_BL, theirs_BL)


@pytest.mark.parametrize(
    "objective",
    [
        Objective(losses=(LabelSmoothing(share=0.3),)),
        Objective(weighers=(Goldfish(k=3, h=2),)),
        Objective(losses=(LabelSmoothing(share=0.3),), weighers=(Goldfish(k=3, h=2),)),
    ],
)
@pytest.mark.parametrize("scored_from", [0, 7])
def test_what_a_token_costs_is_plain_whatever_is_trained_on(
    objective: Objective, scored_from: int
) -> None:
    objective = Objective(
        losses=objective.losses, weighers=objective.weighers, scored_from=scored_from
    )
    trained_BL, nats_BL = objective.of_tokens(model(), tokens())
    torch.testing.assert_close(nats_BL, token_nats(model(), tokens())[:, scored_from:])
    assert trained_BL.shape == nats_BL.shape
    assert not torch.allclose(trained_BL, nats_BL, rtol=1e-4)


def test_without_controls_both_are_one_tensor() -> None:
    trained_BL, nats_BL = Objective(scored_from=4).of_tokens(model(), tokens())
    assert trained_BL is nats_BL
    assert torch.equal(nats_BL, token_nats(model(), tokens())[:, 4:])


def test_the_goldfish_mean_is_over_what_is_kept_in_each_member() -> None:
    goldfish = Goldfish(k=3, h=2)
    trained_BL, nats_BL = Objective(weighers=(goldfish,)).of_tokens(model(), tokens(), 2)
    kept_BL = ~goldfish.is_dropped(tokens())
    for run in (slice(0, 3), slice(3, 6)):
        expected = nats_BL[run][kept_BL[run]].mean()
        torch.testing.assert_close(trained_BL[run].mean(), expected)
    assert (trained_BL[~kept_BL] == 0).all()


def test_a_batch_of_which_nothing_is_kept_has_no_gradient_and_no_nan() -> None:
    goldfish = Goldfish(k=2, h=1)
    last_B1 = tokens(40, length=2)
    nothing_B1 = last_B1[goldfish.is_dropped(last_B1)[:, 1]]
    assert len(nothing_B1) > 5
    small = model()
    trained_BL, _ = Objective(weighers=(goldfish,), scored_from=1).of_tokens(small, nothing_B1)
    trained_BL.mean().backward()
    assert all((weight.grad == 0).all() for weight in small.parameters())


@pytest.mark.parametrize("k", [3, 4, 8, 32])
def test_goldfish_drops_one_token_in_k(k: int) -> None:
    dropped_BL = Goldfish(k=k, h=13).is_dropped(tokens(2000, vocab_size=2048, length=64))[:, 1:]
    share, number = dropped_BL.float().mean().item(), dropped_BL.numel()
    assert abs(share - 1 / k) < 4 * (1 / k / number) ** 0.5
    each_L = dropped_BL.float().mean(dim=0)  # at every position, the first ones too
    assert (abs(each_L - 1 / k) < 5 * (1 / k / 2000) ** 0.5).all()


def test_a_passage_loses_the_same_tokens_wherever_it_stands() -> None:
    goldfish = Goldfish(k=3, h=5)
    passage = tokens(1, length=12)
    here, there = tokens(50, length=40), tokens(50, length=40).flip(0)
    here[:, 3:15], there[:, 21:33] = passage, passage
    first, second = goldfish.is_dropped(here)[:, 3:15], goldfish.is_dropped(there)[:, 21:33]
    assert (first[:, 5:] == second[:, 5:]).all()
    assert (first[:, 5:] == first[0, 5:]).all()
    assert (first[:, :5] != second[:, :5]).any()  # what came before it still decides there


def test_the_hash_is_that_of_plain_python_integers() -> None:
    goldfish, row = Goldfish(k=4, h=3), [5, 0, 0, 7, 10, 0, 3, 3]

    def factor(distance: int) -> int:
        high, low = (
            int(random_32_bits(torch.tensor(distance), stream_seed(0, "goldfish", half)))
            for half in ("high", "low")
        )
        return (high << 32) + low | 1

    def is_dropped(position: int) -> bool:
        reach = range(1, min(3, position) + 1)
        total = sum((row[position - one] + 1) * factor(one) for one in reach) % 2**64
        signed = total - 2**64 if total >= 2**63 else total
        return int(random_32_bits(torch.tensor(signed), stream_seed(0, "goldfish"))) < 2**32 / 4

    expected = [position > 0 and is_dropped(position) for position in range(8)]
    assert goldfish.is_dropped(torch.tensor([row]))[0].tolist() == expected
    assert goldfish.is_dropped(torch.tensor([[5]])).tolist() == [[False]]  # shorter than h


def test_goldfish_asks_the_host_nothing() -> None:
    """Tensors without values have nothing to tell it."""
    assert Goldfish(k=4, h=13).weights(torch.zeros(3, 30, dtype=torch.int64, device="meta")).is_meta
