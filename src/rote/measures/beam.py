"""Beam search: the likeliest continuations of a prefix that keeping a few at a time can find.

Shapes: B prefixes, A of them that are left, P tokens of each, S tokens of a continuation,
V vocabulary, K hypotheses, C candidates that they grow into, R rows that the model reads.
"""

import torch
from torch import Tensor, nn

from rote.models.decoding import token_reader


@torch.inference_mode()
def beam_search(
    model: nn.Module, prefix_BP: Tensor, *, num_tokens: int, num_beams: int
) -> tuple[Tensor, Tensor]:
    """Continuations [B, K, S], likeliest first, and their ln p, float64 [B, K].

    K is ``num_beams``, or V^S where there are no more. Of equally likely ones that comes first
    whose beginning did, then that of the lower token: one beam is greedy decoding. Call it inside
    the model's precision context.
    """
    beam = _Beam(model, prefix_BP, num_beams)
    for _ in range(num_tokens):
        beam.grow()
    return beam.tokens_BKS, beam.log_p_BK


@torch.inference_mode()
def beam_ranks(
    model: nn.Module, tokens_BL: Tensor, *, prefix_tokens: int, num_beams: int
) -> Tensor:
    """Which of a beam search's hypotheses is the true rest: 0 the likeliest, -1 none; int64 [B].

    A sequence whose true beginning has left the beam is left.
    """
    prefix_BP, suffix_BS = tokens_BL.tensor_split([prefix_tokens], dim=1)
    beam = _Beam(model, prefix_BP, num_beams)
    rank_B = torch.full_like(tokens_BL[:, 0], -1)
    rows_A = torch.arange(len(tokens_BL), device=tokens_BL.device)
    for num_grown in range(1, suffix_BS.shape[1] + 1):
        beam.grow()
        is_true_AK = (beam.tokens_BKS == suffix_BS[rows_A, None, :num_grown]).all(dim=-1)
        left = is_true_AK.any(dim=1).nonzero()[:, 0]
        rows_A, is_true_AK = rows_A[left], is_true_AK[left]
        if len(left) == 0:
            return rank_B
        beam.keep(left)
    rank_B[rows_A] = is_true_AK.int().argmax(dim=1)
    return rank_B


class _Beam:
    """The hypotheses of several prefixes, one token longer each time."""

    def __init__(self, model: nn.Module, prefix_BP: Tensor, num_beams: int) -> None:
        self.num_beams, self.decoder = num_beams, token_reader(model)
        self.logits_RV = self.decoder.read(prefix_BP)
        self.tokens_BKS = prefix_BP.new_empty(len(prefix_BP), 1, 0)
        self.log_p_BK = self.logits_RV.new_zeros(len(prefix_BP), 1, dtype=torch.float64)
        self.parent_BK = torch.zeros_like(self.log_p_BK, dtype=torch.int64)

    def grow(self) -> None:
        """By the token that makes each likeliest."""
        if self.tokens_BKS.shape[2]:
            self.decoder.keep(self.parent_BK.flatten())
            self.logits_RV = self.decoder.read(self.tokens_BKS[:, :, -1].reshape(-1, 1))
        self.tokens_BKS, self.log_p_BK, self.parent_BK = _grown(
            self.tokens_BKS, self.log_p_BK, self.logits_RV, self.num_beams
        )

    def keep(self, prefixes: Tensor) -> None:
        """Go on with the hypotheses of these alone; the decoder follows with the next token."""
        self.tokens_BKS, self.log_p_BK = self.tokens_BKS[prefixes], self.log_p_BK[prefixes]
        self.parent_BK = self.parent_BK[prefixes]


def _grown(
    tokens_BKS: Tensor, log_p_BK: Tensor, logits_RV: Tensor, num_beams: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The best hypotheses with one token more, their ln p, and the row that each one grew from."""
    num_prefixes, num_hypotheses = log_p_BK.shape
    # In float64 different logits stay different, and one beam takes the token that argmax takes.
    log_p_RV = logits_RV.double().log_softmax(dim=-1)
    vocab_size = log_p_RV.shape[1]
    log_p_BC = (log_p_BK.view(-1, 1) + log_p_RV).view(num_prefixes, -1)
    chosen_BK = _best(log_p_BC, min(num_beams, log_p_BC.shape[1]))
    hypothesis_BK = chosen_BK // vocab_size
    first_row_B1 = num_hypotheses * torch.arange(num_prefixes, device=chosen_BK.device)[:, None]
    parent_BK = first_row_B1 + hypothesis_BK
    grown_BKS = torch.cat(
        [tokens_BKS.flatten(0, 1)[parent_BK], (chosen_BK % vocab_size)[..., None]], dim=-1
    )
    return grown_BKS, log_p_BC.gather(1, chosen_BK), parent_BK


def _best(log_p_BC: Tensor, number: int) -> Tensor:
    """Indices of the highest, [B, K]; of equal ones the lowest, which `torch.topk` does not say."""
    least_B1 = log_p_BC.topk(number, dim=1).values[:, -1:]
    is_above_BC, is_least_BC = log_p_BC > least_B1, log_p_BC == least_B1
    room_B1 = number - is_above_BC.sum(dim=1, keepdim=True)
    is_in_BC = is_above_BC | (is_least_BC & (is_least_BC.cumsum(dim=1) <= room_B1))
    rising_BK = is_in_BC.nonzero()[:, 1].view(-1, number)
    order_BK = log_p_BC.gather(1, rising_BK).sort(dim=1, descending=True, stable=True).indices
    return rising_BK.gather(1, order_BK)
