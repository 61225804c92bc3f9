"""Compute token log-probabilities and their moments in one forward pass, as input for scores.

Shapes: B documents, L positions of the longest, W documents compared with, V vocabulary,
N positions of all documents, C positions of a chunk.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, split

from rote.models.likelihood import Model, logits_in_chunks, started
from rote.scores.documents import Documents, Floats, Integers

# Each chunk is traversed six times. On a CPU it fits into a core's cache (1 MiB of float32 logits);
# on a GPU it is large enough to keep every core busy.
CPU_CHUNK_LOGITS = 1 << 18
CHUNK_LOGITS = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Moments of tokens in nats: float32 tensors of shape [B, L] on the model's device."""

    log_p_BL: Tensor  # ln p(token | earlier tokens)
    mean_BL: Tensor  # sum_V p ln p
    spread_BL: Tensor  # standard deviation of ln p under p
    is_greedy_BL: Tensor  # bool: no other token is likelier


@torch.inference_mode()
def moments(model: Model, tokens_BL: Tensor) -> Moments:
    """Compute the moments that single-model scores need, in one pass over ``tokens_BL`` (int64).

    The conventions are those of `rote.models.likelihood.token_nats`: position 0 reads a start,
    probabilities are float32 in every precision of the model. If the logits would be large and the
    model has ``hidden`` and ``head``, they are never all held at once. Models are causal, so
    padding on the right of a document changes no earlier number.
    """
    columns = zip(*(_moments(*piece) for piece in scored_pieces(model, tokens_BL)), strict=True)
    log_p_BL, mean_BL, spread_BL, is_greedy_BL = (
        torch.cat(parts).view(tokens_BL.shape) for parts in columns
    )
    return Moments(
        log_p_BL=log_p_BL, mean_BL=mean_BL, spread_BL=spread_BL, is_greedy_BL=is_greedy_BL
    )


def scored_pieces(model: Model, tokens_BL: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield float32 logits of a few positions, [C, V], with the tokens that they predict, [C].

    Goes through ``tokens_BL`` row by row, from each row's first token; without gradients.
    """
    tokens_N = tokens_BL.flatten()
    for logits_NV in logits_in_chunks(model, started(model, tokens_BL[:, :-1])):
        logits = CPU_CHUNK_LOGITS if logits_NV.device.type == "cpu" else CHUNK_LOGITS
        for logits_CV in split(logits_NV, max(1, logits // logits_NV.shape[1])):
            tokens_C, tokens_N = tokens_N.tensor_split([len(logits_CV)])
            yield logits_CV.float(), tokens_C


def documents(
    scored: Moments,
    lengths_B: Integers,
    *,
    zlib_bytes_B: Integers | None = None,
    from_position: int = 0,
) -> Documents:
    """Convert moments to float64 on the CPU.

    ``lengths_B`` counts tokens from ``from_position`` on; earlier tokens are context (a prefix).
    """
    return Documents(
        log_p_BL=_float64(scored.log_p_BL, from_position),
        mean_BL=_float64(scored.mean_BL, from_position),
        spread_BL=_float64(scored.spread_BL, from_position),
        lengths_B=np.asarray(lengths_B, dtype=np.int64),
        zlib_bytes_B=zlib_bytes_B,
    )


def _float64(values_BL: Tensor, from_position: int) -> Floats:
    return np.asarray(values_BL[:, from_position:].double().cpu().numpy())


def _moments(logits_CV: Tensor, tokens_C: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the fields of `Moments`, each [C].

    ln p = z - ln sum exp z, where z is the logit minus the largest logit. The shift does not change
    a spread, and equal logits make every z exactly 0. So sums of squares lose no precision for a
    flat distribution, their difference is exactly 0, and Min-K%++ is defined there.
    """
    with torch.autocast(logits_CV.device.type, enabled=False):
        behind_CV = logits_CV - logits_CV.amax(dim=1, keepdim=True)
        weights_CV = behind_CV.exp()
        total_C = weights_CV.sum(dim=1)
        log_total_C = total_C.log()
        first_C = weights_CV.mul_(behind_CV).sum(dim=1) / total_C
        second_C = weights_CV.mul_(behind_CV).sum(dim=1) / total_C
        token_C = behind_CV.gather(1, tokens_C[:, None])[:, 0]
    spread_C = (second_C - first_C**2).clamp_min(0).sqrt()
    return token_C - log_total_C, first_C - log_total_C, spread_C, token_C == 0
