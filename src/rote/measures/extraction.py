"""Test which sequences a model reproduces token by token from their beginning.

A sequence is extracted from p tokens where the greedy continuation is the whole rest, exactly:
Carlini et al. 2022 (arXiv 2202.07646), section 3; prefixes of 8, 16 and 32 of 64 tokens: Morris et
al. 2025 (arXiv 2505.24832), section 4. Shapes: N sequences, B batch, L positions, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.checks import require_whole
from rote.measures.cost import token_batches
from rote.measures.protocol import Measurement, require_learnt, require_prefixes, require_rest
from rote.models.decoder import sequences_at_once, token_reader
from rote.tasks.protocol import Identified, Sequences, Task

KEY = "measure.extraction.prefix_tokens"


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Measures the first sequences of both splits; raises ValueError for a setting out of range."""

    prefix_tokens: Sequence[int]
    num_sequences: int  # of each split; all, if it has fewer

    def __post_init__(self) -> None:
        require_whole("measure.extraction.num_sequences", self.num_sequences, 1)
        require_prefixes(KEY, self.prefix_tokens)

    def check(self, task: Task) -> None:
        """Raises ValueError where a prefix leaves nothing to continue, or unscored tokens."""
        require_rest(KEY, self.prefix_tokens, task.length)
        require_learnt(KEY, self.prefix_tokens, task)

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Return totals and arrays (uint8, 1 where extracted) for both splits and every prefix."""
        totals: dict[str, float] = {}
        arrays: dict[str, np.ndarray] = {}
        for split, sequences in (("train", task.train(seed)), ("heldout", task.heldout(seed))):
            last_wrong_N = self._last_wrong(model, sequences, task, device)
            totals[f"{split}_tried"] = len(last_wrong_N)
            for prefix in self.prefix_tokens:
                name, extracted_N = f"{split}_extracted_{prefix}", last_wrong_N < prefix
                totals[name] = int(extracted_N.sum())
                arrays[name] = extracted_N.astype(np.uint8)
            if isinstance(sequences, Identified):
                arrays[f"{split}_sample_ids"] = sequences.sample_ids[: len(last_wrong_N)]
        return Measurement(totals=totals, arrays=arrays)

    def _last_wrong(
        self, model: nn.Module, sequences: Sequences, task: Task, device: torch.device
    ) -> np.ndarray:
        size = sequences_at_once(model, length=task.length, vocab_size=task.vocab_size)
        tried = min(self.num_sequences, sequences.num_sequences)
        shortest, longest = min(self.prefix_tokens), max(self.prefix_tokens)
        last_wrong_N = torch.empty(tried, dtype=torch.int64, device=device)
        for rows, tokens_BL in token_batches(sequences, tried, task, device, size):
            last_wrong_N[rows] = last_wrong_positions(model, tokens_BL, shortest, longest)
        return last_wrong_N.cpu().numpy()


@torch.inference_mode()
def last_wrong_positions(
    model: nn.Module, tokens_BL: Tensor, shortest: int, longest: int
) -> Tensor:
    """Return the last position from ``shortest`` on whose likeliest token is not the true one, [B].

    -1 if every one is right. The model reads the true tokens: up to its first mistake they are what
    it would have decoded itself. So the continuation of p tokens is right if and only if the last
    mistake lies before p, and one pass serves all prefixes. After a mistake at ``longest`` or later
    every prefix has failed, and the sequence may be dropped; its position is then not the last one.
    """
    last_wrong_B = tokens_BL.new_full((len(tokens_BL),), -1)
    for position, rows_A, wrong_A in _steps(model, tokens_BL, shortest, longest):
        last_wrong_B[rows_A[wrong_A]] = position
    return last_wrong_B


def _steps(
    model: nn.Module, tokens_BL: Tensor, shortest: int, longest: int
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield each position, the rows that are still read, and which of them are wrong there."""
    decoder = token_reader(model)
    rows_A = torch.arange(len(tokens_BL), device=tokens_BL.device)
    logits_AV = decoder.read(tokens_BL[:, :shortest])
    lost_A = torch.zeros_like(rows_A, dtype=torch.bool)
    for position in range(shortest, tokens_BL.shape[1]):
        true_A = tokens_BL[rows_A, position]
        wrong_A = logits_AV.argmax(dim=-1) != true_A
        yield position, rows_A, wrong_A
        if position >= longest:
            lost_A = lost_A | wrong_A
            num_left = int((~lost_A).sum())
            if num_left == 0:
                return
            # Moving the keys and values pays off when half of the rows leave: at most log2 B times.
            if 2 * num_left <= len(rows_A):
                left = (~lost_A).nonzero()[:, 0]
                rows_A, true_A, lost_A = rows_A[left], true_A[left], lost_A[left]
                decoder.keep(left)
        if position + 1 < tokens_BL.shape[1]:
            logits_AV = decoder.read(true_A[:, None])
