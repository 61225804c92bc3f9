"""Compute membership scores of training and held-out sequences from a single model.

All but the lower-case score come from one forward pass a batch; `rote.scores` defines the scores,
over the tokens that the task scores. A higher score means member.

Shapes: N sequences of one set, B batch, L positions, V vocabulary.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.checks import require_whole
from rote.measures.cost import token_batches
from rote.measures.protocol import Measurement
from rote.scores.documents import Floats, Integers
from rote.scores.forward import documents, moments
from rote.scores.likelihood import loss, lowercase, min_k, min_k_plus_plus, zlib_bytes, zlib_ratio
from rote.scores.token_frequency import dc_pdd
from rote.tasks.protocol import Sequences, Task, members_of, scored_from, text_of


@dataclass(frozen=True, kw_only=True)
class Membership:
    """Scores the first members and non-members; raises ValueError for a setting out of range.

    Members are the training sequences that resemble held-out ones: planted canaries are excluded,
    and a repeated sequence counts once.
    """

    num_sequences: int  # of each set; all, if it has fewer
    k_percent: int  # of a sequence's tokens: the k of Min-K%

    def __post_init__(self) -> None:
        require_whole("measure.membership.num_sequences", self.num_sequences, 1)
        require_whole("measure.membership.k_percent", self.k_percent, 1, 100)

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Return totals, the size of each set, and arrays, each score of every sequence."""
        sides = {"member": members_of(task, seed), "nonmember": task.heldout(seed)}
        counts_V = np.zeros(task.vocab_size, dtype=np.int64)
        for sequences in sides.values():
            for _, tokens_BL in self._batches(sequences, task, device):
                scored_T = tokens_BL[:, scored_from(task) :].flatten().cpu().numpy()
                counts_V += np.bincount(scored_T, minlength=task.vocab_size)
        arrays: dict[str, np.ndarray] = {}
        for side, sequences in sides.items():
            parts = [
                self._of_batch(model, tokens_BL, task, counts_V)
                for _, tokens_BL in self._batches(sequences, task, device)
            ]
            for name in parts[0]:
                scores_N = np.concatenate([part[name] for part in parts])
                arrays[f"{side}_{name}"] = scores_N.astype(np.float32)
        totals = {f"{side}s": len(arrays[f"{side}_loss"]) for side in sides}
        return Measurement(totals=totals, arrays=arrays)

    def _batches(
        self, sequences: Sequences, task: Task, device: torch.device
    ) -> Iterator[tuple[slice, Tensor]]:
        number = min(self.num_sequences, sequences.num_sequences)
        return token_batches(sequences, number, task, device)

    def _of_batch(
        self, model: nn.Module, tokens_BL: Tensor, task: Task, counts_V: Integers
    ) -> Mapping[str, Floats]:
        start = scored_from(task)
        lengths_B = np.full(len(tokens_BL), task.length - start)
        scored = documents(moments(model, tokens_BL), lengths_B, from_position=start)
        values = {
            "loss": loss(scored),
            "min_k": min_k(scored, k_percent=self.k_percent),
            "min_k_plus_plus": min_k_plus_plus(scored, k_percent=self.k_percent),
            "dc_pdd": dc_pdd(scored, list(tokens_BL[:, start:].cpu().numpy()), counts_V),
        }
        if (text := text_of(task)) is None:
            return values
        texts = text.decode(tokens_BL.cpu().numpy())
        sized = replace(scored, zlib_bytes_B=zlib_bytes([each.encode() for each in texts]))
        lowered = [text.encode(each.lower())[: task.length] for each in texts]
        rows = [torch.tensor(row) for row in lowered]
        padded_BL = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(tokens_BL.device)
        others = documents(moments(model, padded_BL), np.array([len(row) for row in rows]))
        return {
            **values,
            "zlib": zlib_ratio(sized),
            "lowercase": lowercase(scored.nats_per_token_B, others.nats_per_token_B),
        }
