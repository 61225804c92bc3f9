"""Run a stage of an audit: rows of tokens through one function, in batches of similar length.

Batches hold about as many tokens each, with little padding. Consecutive batches form a piece, one
small file that is written atomically when it is done. Batches depend on the lengths alone, so an
audit that was killed resumes with the same batches and ends with the same numbers.

Shapes: R rows, B of a batch, L positions.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rote.io.arrays import packed, unpacked
from rote.io.read import Damaged, read_bytes
from rote.io.write import write_bytes
from rote.measures.cost import rows_per_batch

Arrays = Mapping[str, np.ndarray]
LoadModel = Callable[[], nn.Module]  # loads at the first call


@dataclass(frozen=True)
class PartialResults:
    """The pieces of one audit; each name is written once."""

    folder: Path

    def read(self, name: str) -> dict[str, np.ndarray] | None:
        """Return a piece; None if it was not finished, or its file is damaged."""
        try:
            return unpacked(read_bytes(self._path(name)), self._path(name), "")
        except (FileNotFoundError, Damaged):
            return None

    def write(self, name: str, arrays: Arrays) -> None:
        """Write a piece atomically."""
        write_bytes(self._path(name), packed(arrays))

    def forget(self) -> None:
        """Delete all pieces, after they were combined."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


# Per batch: 8,192 tokens occupy a GPU with any model worth one; a CPU gains nothing beyond 2,048.
MOST_TOKENS, MOST_TOKENS_CPU = 1 << 13, 1 << 11
TOKENS_OF_A_PIECE = 1 << 15  # the most that a killed audit loses: seconds to a minute


class StageImpossible(Exception):
    """A stage that cannot run here; the message gives the reason to users."""


OF_TOKENS = "token_"  # begins the names of arrays with a value per token


class Score(Protocol):
    """Computes named arrays for a batch: [B], or [B, L] where the name begins with `OF_TOKENS`."""

    def __call__(self, model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray) -> Arrays:
        """Compute the arrays; rows are padded on their right with token 0."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A score and the rows that it is computed for."""

    name: str
    lengths_R: np.ndarray
    row: Callable[[int], np.ndarray]  # makes the tokens of a row when they are needed
    score: Score
    most_tokens: int  # per batch
    weight: float = 1.0  # cost of a token relative to a single pass, about: for the progress bar

    @property
    def work(self) -> float:
        """Return the cost for the progress bar."""
        return self.weight * float(self.lengths_R.sum())


def tokens_at_once(vocab_size: int, device: torch.device) -> int:
    """Return the tokens of a batch, limited by logits for models that compute them all at once."""
    most = MOST_TOKENS_CPU if device.type == "cpu" else MOST_TOKENS
    return min(most, rows_per_batch(1, vocab_size, device))


def run_stage(
    stage: Stage,
    pieces: PartialResults,
    model: LoadModel,
    device: torch.device,
    report_work: Callable[[float], None],
) -> dict[str, np.ndarray]:
    """Return each array in the order of the rows; load ``model`` only if pieces are missing.

    Values of tokens follow one another, row by row, without padding. ``report_work`` receives the
    cost of each piece. Raises `StageImpossible`, and ValueError for a model that gives no finite
    numbers.
    """
    arrays: dict[str, np.ndarray] = {}
    for number, batches in enumerate(_pieces(batches_of(stage), stage)):
        name = f"{stage.name}-{number:05d}"
        held = pieces.read(name)
        if held is None:
            held = _computed(stage, batches, model(), device)
            pieces.write(name, held)
        places = np.concatenate(batches)
        for key, values in held.items():
            is_of_tokens = key.startswith(OF_TOKENS)
            size = int(stage.lengths_R.sum()) if is_of_tokens else len(stage.lengths_R)
            whole = arrays.setdefault(key, np.empty(size, values.dtype))
            whole[_token_places(stage, places) if is_of_tokens else places] = values
        report_work(stage.weight * float(stage.lengths_R[places].sum()))
    return arrays


def _token_places(stage: Stage, rows: np.ndarray) -> np.ndarray:
    """Return where the tokens of some rows lie among those of all rows."""
    lengths = stage.lengths_R[rows]
    shifts = np.cumsum(stage.lengths_R)[rows] - np.cumsum(lengths)
    return np.repeat(shifts, lengths) + np.arange(lengths.sum())


def batches_of(stage: Stage) -> Iterator[np.ndarray]:
    """Yield row numbers, longest first, so that a batch too large for memory fails at once."""
    lengths_R = stage.lengths_R
    order_R = np.argsort(-lengths_R, kind="stable")
    start = 0
    while start < len(order_R):
        longest = int(lengths_R[order_R[start]])
        end = start + max(1, stage.most_tokens // longest)
        yield order_R[start:end]
        start = end


def _pieces(batches: Iterator[np.ndarray], stage: Stage) -> Iterator[list[np.ndarray]]:
    piece: list[np.ndarray] = []
    tokens = 0.0
    for batch in batches:
        piece.append(batch)
        tokens += stage.weight * float(stage.lengths_R[batch].sum())
        if tokens >= TOKENS_OF_A_PIECE:
            yield piece
            piece, tokens = [], 0.0
    if piece:
        yield piece


def _computed(
    stage: Stage, batches: Sequence[np.ndarray], model: nn.Module, device: torch.device
) -> dict[str, np.ndarray]:
    parts: list[Arrays] = []
    for batch in batches:
        lengths_B = stage.lengths_R[batch]
        tokens_BL = np.zeros((len(batch), int(lengths_B.max())), dtype=np.int64)
        for row, place in zip(tokens_BL, batch.tolist(), strict=True):
            row[: stage.lengths_R[place]] = stage.row(place)
        scored = stage.score(model, torch.from_numpy(tokens_BL).to(device), lengths_B)
        inside_BL = np.arange(tokens_BL.shape[1]) < lengths_B[:, None]
        parts.append(
            {
                key: values[inside_BL] if key.startswith(OF_TOKENS) else values
                for key, values in scored.items()
            }
        )
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
