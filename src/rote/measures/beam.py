"""Search for the likeliest continuations of prefixes, of which a beam keeps a few.

Shapes: B prefixes (A of them still searched), L positions, P tokens of a prefix, S tokens of a
continuation, V vocabulary; K hypotheses, C candidates that they grow into, R rows that the model
reads.
"""

import torch
from torch import Tensor, nn

from rote.measures.sampling import Sampler
from rote.models.decoder import token_reader


@torch.inference_mode()
def beam_search(
    model: nn.Module, prefix_BP: Tensor, *, num_tokens: int, num_beams: int
) -> tuple[Tensor, Tensor]:
    """Return continuations [B, K, S], likeliest first, and their ln p, float64 [B, K].

    K is ``num_beams``, or V^S if that is smaller. Ties go to the hypothesis whose beginning came
    first, then to the lower token: one beam is greedy decoding. Call it inside the model's
    precision context.
    """
    beam = Beam(model, prefix_BP, num_beams=num_beams)
    for _ in range(num_tokens):
        beam.grow(beam.candidates())
    return beam.tokens_BKS, beam.log_p_BK


@torch.inference_mode()
def beam_ranks(
    model: nn.Module, tokens_BL: Tensor, *, prefix_tokens: int, num_beams: int
) -> Tensor:
    """Return the rank of the true rest among a beam search's hypotheses, int64 [B].

    0 is the likeliest, -1 not among them. A sequence is dropped once its true beginning has left
    the beam.
    """
    prefix_BP, suffix_BS = tokens_BL.tensor_split([prefix_tokens], dim=1)
    beam = Beam(model, prefix_BP, num_beams=num_beams)
    rank_B = torch.full_like(tokens_BL[:, 0], -1)
    rows_A = torch.arange(len(tokens_BL), device=tokens_BL.device)
    for num_grown in range(1, suffix_BS.shape[1] + 1):
        beam.grow(beam.candidates())
        is_true_AK = (beam.tokens_BKS == suffix_BS[rows_A, None, :num_grown]).all(dim=-1)
        left = is_true_AK.any(dim=1).nonzero()[:, 0]
        rows_A, is_true_AK = rows_A[left], is_true_AK[left]
        if len(left) == 0:
            return rank_B
        beam.keep(left)
    rank_B[rows_A] = is_true_AK.int().argmax(dim=1)
    return rank_B


class Beam:
    """The hypotheses of several prefixes, which grow by one token at a time.

    ``num_read`` counts the tokens that the model has read: prefixes, then one for each hypothesis
    and step. Models without a cache read earlier ones again, which is not counted.
    """

    def __init__(
        self, model: nn.Module, prefix_BP: Tensor, *, num_beams: int, sampler: Sampler | None = None
    ) -> None:
        self.num_beams, self.sampler, self.decoder = num_beams, sampler, token_reader(model)
        self.logits_RV = self.decoder.read(prefix_BP)
        self.num_read = prefix_BP.numel()
        self.tokens_BKS = prefix_BP.new_empty(len(prefix_BP), 1, 0)
        self.log_p_BK = self.logits_RV.new_zeros(len(prefix_BP), 1, dtype=torch.float64)
        self.parent_BK = torch.zeros_like(self.log_p_BK, dtype=torch.int64)

    def candidates(self) -> Tensor:
        """Return ln p of each hypothesis with each next token, float64 [B, K, V]; call it once.

        Probabilities are those of the sampler, or of the model itself if there is none.
        """
        if self.tokens_BKS.shape[2]:
            self.decoder.keep(self.parent_BK.flatten())
            self.logits_RV = self.decoder.read(self.tokens_BKS[:, :, -1].reshape(-1, 1))
            self.num_read += len(self.logits_RV)
        if self.sampler is None:
            # In float64 different logits stay different, so that one beam chooses as argmax does.
            log_p_RV = self.logits_RV.double().log_softmax(dim=-1)
        else:
            log_p_RV = self.sampler.log_probabilities(self.logits_RV).double()
        return self.log_p_BK[..., None] + log_p_RV.view(*self.log_p_BK.shape, -1)

    def grow(self, log_p_BKV: Tensor, score_BKV: Tensor | None = None) -> None:
        """Keep the best candidates: by ``score_BKV``, or by their ln p if there is none.

        ``parent_BK`` is then the row among all earlier hypotheses that each one grew from.
        """
        num_prefixes, num_hypotheses, vocab_size = log_p_BKV.shape
        log_p_BC = log_p_BKV.flatten(1)
        score_BC = log_p_BC if score_BKV is None else score_BKV.flatten(1)
        chosen_BK = _best(score_BC, min(self.num_beams, log_p_BC.shape[1]))
        first_row_B1 = num_hypotheses * torch.arange(num_prefixes, device=chosen_BK.device)[:, None]
        self.parent_BK = first_row_B1 + chosen_BK // vocab_size
        self.tokens_BKS = torch.cat(
            [self.tokens_BKS.flatten(0, 1)[self.parent_BK], (chosen_BK % vocab_size)[..., None]],
            dim=-1,
        )
        self.log_p_BK = log_p_BC.gather(1, chosen_BK)

    def keep(self, prefixes: Tensor) -> None:
        """Keep the hypotheses of these prefixes only; the decoder follows with the next token."""
        self.tokens_BKS, self.log_p_BK = self.tokens_BKS[prefixes], self.log_p_BK[prefixes]
        self.parent_BK = self.parent_BK[prefixes]


def _best(score_BC: Tensor, number: int) -> Tensor:
    """Return indices of the highest, [B, K]; ties go to the lowest, unspecified in `torch.topk`."""
    least_B1 = score_BC.topk(number, dim=1).values[:, -1:]
    is_above_BC, is_least_BC = score_BC > least_B1, score_BC == least_B1
    room_B1 = number - is_above_BC.sum(dim=1, keepdim=True)
    is_in_BC = is_above_BC | (is_least_BC & (is_least_BC.cumsum(dim=1) <= room_B1))
    rising_BK = is_in_BC.nonzero()[:, 1].view(-1, number)
    order_BK = score_BC.gather(1, rising_BK).sort(dim=1, descending=True, stable=True).indices
    return rising_BK.gather(1, order_BK)
