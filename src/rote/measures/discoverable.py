"""Compute how probably one sample of the model is a sequence's true rest: (n, p)-discoverable text.

Source: Hayes et al. 2024 (arXiv 2410.19482). ln p_z of one sample is stored; what n samples find is
derived in `rote.analysis.quantities.generations`. Optionally a beam search also looks for the rest.

Shapes: N sequences, B of a batch, L positions, P prefixes, V vocabulary, K samplers, C positions at
a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.checks import require_whole
from rote.measures.beam import beam_ranks
from rote.measures.cost import token_batches
from rote.measures.protocol import Measurement, require_prefixes, require_rest
from rote.measures.sampling import Sampler
from rote.models.decoder import sequences_at_once
from rote.scores.forward import scored_pieces
from rote.tasks.protocol import Identified, Sequences, Task

KEY = "measure.discoverable.prefix_tokens"


@dataclass(frozen=True, kw_only=True)
class Discoverable:
    """Measures the first sequences of both splits; raises ValueError for a setting out of range."""

    prefix_tokens: Sequence[int]
    num_sequences: int  # of each split; all, if it has fewer
    samplers: Mapping[str, Sampler]
    num_beams: int | None  # None: no beam search

    def __post_init__(self) -> None:
        require_whole("measure.discoverable.num_sequences", self.num_sequences, 1)
        require_prefixes(KEY, self.prefix_tokens)
        if len(self.samplers) == 0:
            raise ValueError("measure.discoverable.samplers is empty: nothing would be drawn")
        if self.num_beams is not None:
            require_whole("measure.discoverable.num_beams", self.num_beams, 1)

    def check(self, task: Task) -> None:
        """Raises ValueError where a prefix would leave nothing to continue."""
        require_rest(KEY, self.prefix_tokens, task.length)

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Return arrays of ln p_z (float64, -inf: never drawn) and of beam ranks (-1: not found).

        Totals count what one draw for each sequence finds on average, and what beams find.
        """
        totals: dict[str, float] = {}
        arrays: dict[str, np.ndarray] = {}
        for split, sequences in (("train", task.train(seed)), ("heldout", task.heldout(seed))):
            tried = min(self.num_sequences, sequences.num_sequences)
            totals[f"{split}_tried"] = tried
            for name, log_p_N in self._log_p(model, sequences, tried, task, device):
                arrays[f"{split}_log_p_{name}"] = log_p_N
                totals[f"{split}_expected_{name}"] = float(np.exp(log_p_N).sum())
            for prefix, rank_N in self._beam_ranks(model, sequences, tried, task, device):
                arrays[f"{split}_beam_rank_{prefix}"] = rank_N
                totals[f"{split}_beam_first_{prefix}"] = int((rank_N == 0).sum())
                totals[f"{split}_beam_among_{prefix}"] = int((rank_N >= 0).sum())
            if isinstance(sequences, Identified):
                arrays[f"{split}_sample_ids"] = sequences.sample_ids[:tried]
        return Measurement(totals=totals, arrays=arrays)

    def _log_p(
        self, model: nn.Module, sequences: Sequences, tried: int, task: Task, device: torch.device
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield name and ln p_z [N] of each sampler and prefix, from one pass over true tokens."""
        samplers, prefixes = [*self.samplers.values()], len(self.prefix_tokens)
        log_p_PKN = torch.empty(prefixes, len(samplers), tried, dtype=torch.float64, device=device)
        for rows, tokens_BL in token_batches(sequences, tried, task, device):
            log_p_KBL = token_log_p(model, tokens_BL, samplers)
            for log_p_KN, prefix in zip(log_p_PKN, self.prefix_tokens, strict=True):
                log_p_KN[:, rows] = _of_suffix(log_p_KBL, prefix)
        for log_p_KN, prefix in zip(log_p_PKN.cpu().numpy(), self.prefix_tokens, strict=True):
            for log_p_N, name in zip(log_p_KN, self.samplers, strict=True):
                yield f"{name}_{prefix}", log_p_N

    def _beam_ranks(
        self, model: nn.Module, sequences: Sequences, tried: int, task: Task, device: torch.device
    ) -> Iterator[tuple[int, np.ndarray]]:
        if self.num_beams is None:
            return
        most = sequences_at_once(model, length=task.length, vocab_size=task.vocab_size)
        size = max(1, most // self.num_beams)
        for prefix in self.prefix_tokens:
            rank_N = np.empty(tried, dtype=np.int32)
            for rows, tokens_BL in token_batches(sequences, tried, task, device, size):
                rank_B = beam_ranks(
                    model, tokens_BL, prefix_tokens=prefix, num_beams=self.num_beams
                )
                rank_N[rows] = rank_B.cpu().numpy()
            yield prefix, rank_N


def suffix_log_p(
    model: nn.Module, tokens_BL: Tensor, *, prefix_tokens: int, samplers: Sequence[Sampler]
) -> Tensor:
    """Return ln p_z of what follows ``prefix_tokens`` tokens, for each sampler, float64 [K, B]."""
    return _of_suffix(token_log_p(model, tokens_BL, samplers), prefix_tokens)


@torch.inference_mode()
def token_log_p(model: nn.Module, tokens_BL: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    """Return ln of each token's sampling probability after the true ones, float32 [K, B, L].

    One pass serves all samplers. Only a few positions' distributions are held at once, which
    top-p sorts. Call it inside the model's precision context.
    """
    pieces = [
        torch.stack(
            [
                sampler.log_probabilities(logits_CV).gather(1, tokens_C[:, None])[:, 0]
                for sampler in samplers
            ]
        )
        for logits_CV, tokens_C in scored_pieces(model, tokens_BL)
    ]
    return torch.cat(pieces, dim=1).view(len(samplers), *tokens_BL.shape)


def _of_suffix(log_p_KBL: Tensor, prefix_tokens: int) -> Tensor:
    return log_p_KBL[:, :, prefix_tokens:].sum(dim=-1, dtype=torch.float64)
