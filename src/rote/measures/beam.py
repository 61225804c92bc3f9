"""Beam search: the likeliest continuations of a prefix that keeping a few at a time can find.

Shapes: B prefixes, P tokens of each, S tokens of a continuation, V vocabulary, K hypotheses,
C candidates that they grow into, R rows that the model reads.
"""

import torch
from torch import Tensor, nn

from rote.models.decoding import decoder_of


@torch.inference_mode()
def beam_search(
    model: nn.Module, prefix_BP: Tensor, *, num_tokens: int, num_beams: int
) -> tuple[Tensor, Tensor]:
    """Continuations [B, K, S], likeliest first, and their ln p, float64 [B, K].

    K is ``num_beams``, or V^S where there are no more. Of equally likely ones that comes first
    whose beginning did, then that of the lower token: one beam is greedy decoding. Call it inside
    the model's precision context.
    """
    decoder = decoder_of(model)
    num_prefixes = len(prefix_BP)
    tokens_BKS = prefix_BP.new_empty(num_prefixes, 1, 0)
    log_p_BK = torch.zeros(num_prefixes, 1, dtype=torch.float64, device=prefix_BP.device)
    logits_RV = decoder.read(prefix_BP)
    for position in range(num_tokens):
        tokens_BKS, log_p_BK, parent_BK = _grown(tokens_BKS, log_p_BK, logits_RV, num_beams)
        if position + 1 < num_tokens:
            decoder.keep(parent_BK.flatten())
            logits_RV = decoder.read(tokens_BKS[:, :, -1].reshape(-1, 1))
    return tokens_BKS, log_p_BK


def beam_ranks(
    model: nn.Module, tokens_BL: Tensor, *, prefix_tokens: int, num_beams: int
) -> Tensor:
    """Which of a beam search's hypotheses is the true rest: 0 the likeliest, -1 none; int64 [B]."""
    prefix_BP, suffix_BS = tokens_BL.tensor_split([prefix_tokens], dim=1)
    found_BKS, _ = beam_search(model, prefix_BP, num_tokens=suffix_BS.shape[1], num_beams=num_beams)
    is_true_BK = (found_BKS == suffix_BS[:, None]).all(dim=-1)
    return torch.where(is_true_BK.any(dim=1), is_true_BK.int().argmax(dim=1), -1)


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
