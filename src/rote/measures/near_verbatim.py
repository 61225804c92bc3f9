"""Bound how probably one sample of the model is nearly the true rest of a sequence.

Nearly means at most d substituted tokens (Hamming distance), or at most d substituted, inserted and
deleted ones (edit distance) between the rest and a continuation of as many tokens. Too many
continuations are near to add up all: a beam search that drops every hypothesis that can no longer
end near the rest adds up those it finds, which is a lower bound (Cooper et al. 2026, arXiv
2603.24917: decoding-constrained beam search, as its abstract defines it). The true rest always
stays in the beam, so that no bound is below p_z (`rote.measures.discoverable`), and the last token
is summed over the whole vocabulary.

The greedy continuation is compared with the rest too: its distances, and the longest run of tokens
that both hold, which nv-recall approximates by blocks in whole books (Ahmed et al. 2026, arXiv
2601.02671, as its abstract defines it).

Shapes: N sequences, B of a batch, L positions, S tokens of a rest, K hypotheses, V vocabulary,
W cells of an alignment, X any shape, D distances from 0 to the largest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from rote.core.checks import require_list, require_whole
from rote.measures.beam import Beam, beam_search
from rote.measures.cost import token_batches
from rote.measures.protocol import Measurement, require_learnt, require_prefixes, require_rest
from rote.measures.sampling import Sampler
from rote.models.decoder import sequences_at_once
from rote.tasks.protocol import Identified, Task

KEY = "measure.near_verbatim"
FAR = 1 << 20  # more than any distance
NO_TOKEN = -1


@dataclass(frozen=True, kw_only=True)
class NearVerbatim:
    """Measures the first sequences of both splits; raises ValueError for a setting out of range."""

    prefix_tokens: Sequence[int]
    num_sequences: int  # of each split; all, if it has fewer
    distances_tokens: Sequence[int]  # beside 0, the exact rest
    sampler: Sampler
    num_beams: int

    def __post_init__(self) -> None:
        require_whole(f"{KEY}.num_sequences", self.num_sequences, 1)
        require_whole(f"{KEY}.num_beams", self.num_beams, 1)
        require_prefixes(f"{KEY}.prefix_tokens", self.prefix_tokens)
        require_list(f"{KEY}.distances_tokens", self.distances_tokens)
        if len(self.distances_tokens) == 0:
            raise ValueError(f"{KEY}.distances_tokens is empty: [2, 5] are usual")
        for distance in self.distances_tokens:
            require_whole(f"each of {KEY}.distances_tokens", distance, 1)

    def check(self, task: Task) -> None:
        """Raises ValueError for prefixes that do not fit, or if every rest would be near enough."""
        key, most = f"{KEY}.prefix_tokens", max(self.distances_tokens)
        require_rest(key, self.prefix_tokens, task.length)
        require_learnt(key, self.prefix_tokens, task)
        if most >= (shortest := task.length - max(self.prefix_tokens)):
            raise ValueError(
                f"{KEY}.distances_tokens: any continuation is within {most} tokens of a rest of "
                f"{shortest}"
            )

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Return arrays: ln of bounds (float64, -inf: none found), and distances and runs (int32).

        ``search_tokens`` counts the tokens that the model read in all searches (`Beam.num_read`).
        """
        most = sequences_at_once(model, length=task.length, vocab_size=task.vocab_size)
        size = max(1, most // self.num_beams)
        totals: dict[str, float] = {}
        arrays: dict[str, np.ndarray] = {}
        for split, sequences in (("train", task.train(seed)), ("heldout", task.heldout(seed))):
            tried = min(self.num_sequences, sequences.num_sequences)
            totals |= {f"{split}_tried": tried, f"{split}_search_tokens": 0}
            for prefix in self.prefix_tokens:
                parts = [
                    self._of_batch(model, tokens_BL, prefix)
                    for _, tokens_BL in token_batches(sequences, tried, task, device, size)
                ]
                totals[f"{split}_search_tokens"] += sum(read for _, read in parts)
                found = {
                    name: torch.cat([part[name] for part, _ in parts]).cpu().numpy()
                    for name in parts[0][0]
                }
                arrays |= {f"{split}_{name}_{prefix}": array for name, array in found.items()}
                counted = {**self._totals(found), "rest_tokens": tried * (task.length - prefix)}
                totals |= {f"{split}_{name}_{prefix}": total for name, total in counted.items()}
            if isinstance(sequences, Identified):
                arrays[f"{split}_sample_ids"] = sequences.sample_ids[:tried]
        return Measurement(totals=totals, arrays=arrays)

    def _of_batch(
        self, model: nn.Module, tokens_BL: Tensor, prefix: int
    ) -> tuple[dict[str, Tensor], int]:
        """Return a tensor [B] for each name, and the tokens that the searches read."""
        prefix_BP, rest_BS = tokens_BL.tensor_split([prefix], dim=1)
        greedy_BKS, _ = beam_search(model, prefix_BP, num_tokens=rest_BS.shape[1], num_beams=1)
        greedy_BS = greedy_BKS[:, 0]
        found = {
            "greedy_hamming_tokens": greedy_distances(greedy_BS, rest_BS, reach=0),
            "greedy_edit_tokens": greedy_distances(greedy_BS, rest_BS, reach=rest_BS.shape[1]),
            "longest_match_tokens": longest_matches(greedy_BS, rest_BS),
        }
        of_kinds, num_read = near_log_p(
            model, tokens_BL, prefix_tokens=prefix, distance_tokens=max(self.distances_tokens),
            sampler=self.sampler, num_beams=self.num_beams,
        )  # fmt: skip
        found["log_p_exact"] = of_kinds["hamming"][:, 0]
        for distance in self.distances_tokens:
            for kind, log_p_BD in of_kinds.items():
                found[f"log_p_{kind}_{distance}"] = log_p_BD[:, distance]
        return found, num_read

    def _totals(self, found: dict[str, np.ndarray]) -> dict[str, float]:
        """Return sums over the sequences of one split and prefix."""
        hamming_N = found["greedy_hamming_tokens"]
        totals: dict[str, float] = {
            "longest_match_tokens": int(found["longest_match_tokens"].sum()),
            "greedy_exact": int((hamming_N == 0).sum()),
            "expected_exact": float(np.exp(found["log_p_exact"]).sum()),
        }
        for distance in self.distances_tokens:
            for kind in ("hamming", "edit"):
                name, near_N = f"{kind}_{distance}", found[f"greedy_{kind}_tokens"] <= distance
                totals[f"greedy_{name}"] = int(near_N.sum())
                totals[f"expected_{name}"] = float(np.exp(found[f"log_p_{name}"]).sum())
        return totals


@torch.inference_mode()
def near_log_p(
    model: nn.Module,
    tokens_BL: Tensor,
    *,
    prefix_tokens: int,
    distance_tokens: int,
    sampler: Sampler,
    num_beams: int,
) -> tuple[dict[str, Tensor], int]:
    """Return ln of bounds for all distances up to the largest, float64 [B, D], and tokens read.

    ``hamming`` and ``edit`` come from one search. Column d is at least ln p_z and does not fall
    with d; bounds are exact if the beam holds all beginnings that can end near the rest. Call it
    inside the model's precision context.
    """
    prefix_BP, rest_BS = tokens_BL.tensor_split([prefix_tokens], dim=1)
    hamming, edit = _Distances(rest_BS, reach=0), _Distances(rest_BS, reach=distance_tokens)
    beam = Beam(model, prefix_BP, num_beams=num_beams, sampler=sampler)
    log_p_BKV = beam.candidates()
    vocab_size = log_p_BKV.shape[2]
    for true_B in rest_BS[:, :-1].unbind(dim=1):
        is_far_BKV = edit.nearest(vocab_size) > distance_tokens
        log_p_BKV = log_p_BKV.masked_fill(is_far_BKV, -torch.inf)
        score_BKV = log_p_BKV.clone()
        score_BKV[:, 0].scatter_(1, true_B[:, None], torch.inf)  # the true rest comes first
        beam.grow(log_p_BKV, score_BKV)
        for distances in (hamming, edit):
            distances.grow(beam.parent_BK, beam.tokens_BKS[:, :, -1])
        log_p_BKV = beam.candidates()
    found = {
        kind: _sums(log_p_BKV, distances.nearest(vocab_size), distance_tokens)
        for kind, distances in (("hamming", hamming), ("edit", edit))
    }
    return found, beam.num_read


def _sums(log_p_BKV: Tensor, nearest_BKV: Tensor, distance_tokens: int) -> Tensor:
    """Return ln of the summed p within each distance, [B, D]."""
    of_distances = [
        log_p_BKV.masked_fill(nearest_BKV > distance, -torch.inf).flatten(1).logsumexp(dim=1)
        for distance in range(distance_tokens + 1)
    ]
    return torch.stack(of_distances, dim=1).clamp_max(0.0)  # above only by rounding


def greedy_distances(said_BS: Tensor, rest_BS: Tensor, *, reach: int) -> Tensor:
    """Return the least cost of aligning tokens at most ``reach`` places apart, int32 [B].

    0 gives Hamming distances, S edit distances.
    """
    distances = _Distances(rest_BS, reach=reach)
    own_B1 = torch.arange(len(said_BS), device=said_BS.device)[:, None]
    for said_B in said_BS.unbind(dim=1):
        distances.grow(own_B1, said_B[:, None])
    return distances.cells_BKW[:, 0, reach]


def longest_matches(said_BS: Tensor, rest_BS: Tensor) -> Tensor:
    """Return the length of the longest common substring of two rows of tokens, int32 [B]."""
    runs_BS = torch.zeros_like(rest_BS, dtype=torch.int32)  # that end at each token of the rest
    longest_B = runs_BS[:, 0]
    for said_B in said_BS.unbind(dim=1):
        runs_BS = (pad(runs_BS[:, :-1], (1, 0)) + 1) * (said_B[:, None] == rest_BS)
        longest_B = torch.maximum(longest_B, runs_BS.amax(dim=1))
    return longest_B


class _Distances:
    """Distances of hypotheses to the true rest: cells of the alignment table near its diagonal.

    Cell w of a hypothesis of t tokens is its distance to the first t + w - ``reach`` tokens of the
    rest. The diagonal alone gives Hamming distances, a ``reach`` of d edit distances up to d.
    """

    def __init__(self, rest_BS: Tensor, *, reach: int) -> None:
        self.rest_BS, self.num_grown = rest_BS, 0
        # The tokens of the rest that the next token can be aligned with are a window of these.
        self.padded_BX = pad(rest_BS, (reach, reach), value=NO_TOKEN)
        self.offsets_W = torch.arange(
            -reach, reach + 1, dtype=torch.int32, device=rest_BS.device
        )  # from the diagonal
        first_W = self.offsets_W.masked_fill(self.offsets_W < 0, FAR)
        self.cells_BKW = first_W.expand(len(rest_BS), 1, -1)

    def grow(self, parent_BK: Tensor, tokens_BK: Tensor) -> None:
        """Append a token to each hypothesis; parents are rows among all earlier hypotheses."""
        is_equal_BKW = tokens_BK[..., None] == self._window_BW()[:, None]
        self.cells_BKW = self._next(self.cells_BKW.flatten(0, 1)[parent_BK], is_equal_BKW)
        self.num_grown += 1

    def nearest(self, vocab_size: int) -> Tensor:
        """Return the least distance at which hypotheses can end after each next token, [B, K, V].

        All tokens outside the window do the same. Where the window exceeds the rest, the true
        token is computed once more.
        """
        window_BW, (_, num_hypotheses, num_cells) = self._window_BW(), self.cells_BKW.shape
        other_BK1 = self._least(self._next(self.cells_BKW, torch.zeros_like(self.cells_BKW).bool()))
        true_B1 = self.rest_BS[:, self.num_grown, None]
        tokens_BW = torch.where(window_BW == NO_TOKEN, true_B1, window_BW)
        is_equal_BWW = tokens_BW[:, :, None] == window_BW[:, None, :]
        cells_BKWW = self.cells_BKW[:, :, None, :].expand(-1, -1, num_cells, -1)
        of_window_BKW = self._least(self._next(cells_BKWW, is_equal_BWW[:, None]))[..., 0]
        indices_BKW = tokens_BW[:, None].expand(-1, num_hypotheses, -1)
        return other_BK1.repeat(1, 1, vocab_size).scatter_(2, indices_BKW, of_window_BKW)

    def _window_BW(self) -> Tensor:
        return self.padded_BX[:, self.num_grown : self.num_grown + len(self.offsets_W)]

    def _next(self, cells_XW: Tensor, is_equal_XW: Tensor) -> Tensor:
        """Return the cells after one more token, which equals some of its window's (any X)."""
        inserted_XW = pad(cells_XW[..., 1:], (0, 1), value=FAR) + 1
        best_XW = torch.minimum(inserted_XW, cells_XW + (~is_equal_XW).int())
        # To leave tokens of the rest out costs 1 each: a running minimum, plus 1 for each cell.
        return (best_XW - self.offsets_W).cummin(dim=-1).values + self.offsets_W

    def _least(self, cells_XW: Tensor) -> Tensor:
        """Return the least distance that any completion to the rest's length can have, [X, 1].

        A cell w places off the diagonal needs w insertions or deletions to return to it.
        """
        return (cells_XW + self.offsets_W.abs()).amin(dim=-1, keepdim=True)
