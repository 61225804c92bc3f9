"""One forward pass: log-probability of every token, and the moments of its whole distribution.

Shapes: B documents, L positions, V vocabulary, N positions of all documents, C of a chunk.

What membership scores read, and what they give back.

Shapes: B documents, L positions of the longest, W documents compared with, a whole number for each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, split

from rote.models.likelihood import Model, logits_in_chunks, started

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Half the distance of 1 to the float32 below it: no p < 1 has a -ln p that is smaller. It keeps
# ratios of code lengths defined where a model is certain of every token.
LEAST_NATS = 2.0**-25
# Square root of float32's 2^-24: a smaller standard deviation drowns in the rounding of its sum.
LEAST_SPREAD_NATS = 2.0**-12


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Documents under one model, in nats; columns from a document's length on are padding.

    Raises ValueError for a document without a token and for numbers that are not finite.
    """

    log_p_BL: Floats  # ln p(token | earlier tokens)
    mean_BL: Floats  # mu = sum_V p ln p over the vocabulary, minus the entropy
    spread_BL: Floats  # sqrt(sum_V p (ln p)^2 - mu^2)
    lengths_B: Integers
    zlib_bytes_B: Integers | None = None  # of the text itself, by `rote.scores.likelihood`

    def __post_init__(self) -> None:
        """Refuses what would make a score undefined."""
        num_documents, longest = self.log_p_BL.shape
        if self.lengths_B.shape != (num_documents,):
            raise ValueError(f"{num_documents} documents, and lengths of {self.lengths_B.shape}")
        wrong = np.flatnonzero((self.lengths_B < 1) | (self.lengths_B > longest))
        if wrong.size:
            length = self.lengths_B[wrong[0]]
            raise ValueError(f"document {wrong[0]} has {length} tokens, must be 1 to {longest}")
        for values_BL in (self.log_p_BL, self.mean_BL, self.spread_BL):
            unscored = np.flatnonzero((~np.isfinite(values_BL) & self.inside_BL).any(axis=1))
            if unscored.size:
                raise ValueError(f"document {unscored[0]}: the model gives no finite probability")

    @cached_property
    def inside_BL(self) -> NDArray[np.bool_]:
        """Which columns are tokens."""
        inside: NDArray[np.bool_] = np.arange(self.log_p_BL.shape[1]) < self.lengths_B[:, None]
        return inside

    @cached_property
    def log_likelihood_B(self) -> Floats:
        """ln p of whole documents, nats."""
        return np.asarray(np.where(self.inside_BL, self.log_p_BL, 0.0).sum(axis=1))

    @property
    def nats_per_token_B(self) -> Floats:
        """Mean loss: the logarithm of the perplexity."""
        return -self.log_likelihood_B / self.lengths_B


# A chunk is passed over six times: on a CPU it stays in a core's cache (1 MiB of float32 logits),
# on a GPU it is large enough to keep every core busy.
CPU_CHUNK_LOGITS = 1 << 18
CHUNK_LOGITS = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Nats, float32, [B, L] each, on the model's device."""

    log_p_BL: Tensor  # ln p(token | earlier tokens)
    mean_BL: Tensor  # sum_V p ln p
    spread_BL: Tensor  # standard deviation of ln p under p


@torch.inference_mode()
def moments(model: Model, tokens_BL: Tensor) -> Moments:
    """What every score of a single model needs, from one pass over ``tokens_BL`` (int64).

    Conventions are those of `rote.models.likelihood.token_nats`: position 0 reads a start,
    probabilities are float32 whatever the model computes in, and where logits would be large and
    the model offers ``hidden`` and ``head`` they are never held whole. Models are causal: what
    pads a document on its right changes no number before it.
    """
    columns = zip(*(_moments(*piece) for piece in scored_pieces(model, tokens_BL)), strict=True)
    log_p_BL, mean_BL, spread_BL = (torch.cat(parts).view(tokens_BL.shape) for parts in columns)
    return Moments(log_p_BL=log_p_BL, mean_BL=mean_BL, spread_BL=spread_BL)


def scored_pieces(model: Model, tokens_BL: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Float32 logits of a few positions at a time, [C, V], and the tokens that they are for, [C].

    Row after row of ``tokens_BL``, from each row's first token on; without gradients.
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
    """Take moments to float64 on the CPU.

    ``lengths_B`` counts tokens from ``from_position`` on: what stands before is context (a prefix).
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


def _moments(logits_CV: Tensor, tokens_C: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of ln p = z - ln sum exp z, where z are logits below the largest one.

    A spread does not change with the shift, and equal logits make every z exactly 0: so sums of
    squares lose nothing where the distribution is flat, and their difference is exactly 0.
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
    return token_C - log_total_C, first_C - log_total_C, spread_C
