"""Encode tokens to bits, and decode them, with a model's probabilities and a range coder.

Tokens are cut into windows as long as the model's sequences; windows are independent. Several
windows go through the model together, position by position, with a key-value cache. Both directions
take the same steps with the same shapes, so their probabilities have the same bits.

The range coder is constriction's (Bamler 2022, arXiv 2201.01741). It rounds probabilities to 24
bits and gives every token at least 2^-24: a certain token costs 1.4 V / 2^24 bits, not 0.

Shapes: B windows, A of them with a token at a position, V vocabulary, N tokens of the whole file.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import constriction
import numpy as np
import torch
from torch import Tensor, nn

from rote.core.progress import Progress, with_progress
from rote.core.units import bits_from_nats
from rote.models.decoder import token_reader

PROBABILITIES = constriction.stream.model.Categorical(perfect=False)


class OtherProbabilities(ValueError):
    """The decoder computes other probabilities than the encoder did."""


@dataclass(frozen=True, kw_only=True)
class TokenWindows:
    """How a row of tokens is cut into windows; the last one may be shorter than the others."""

    num_tokens: int
    length: int
    at_once: int

    @property
    def number(self) -> int:
        """Return the number of windows."""
        return -(-self.num_tokens // self.length)

    def batches(self) -> list[range]:
        """Return the groups of windows that go through the model together."""
        starts = range(0, self.number, self.at_once)
        return [range(start, min(start + self.at_once, self.number)) for start in starts]

    def tokens_in(self, batch: range) -> slice:
        """Return where the tokens of a batch are in the row."""
        return slice(batch.start * self.length, min(batch.stop * self.length, self.num_tokens))

    def filled(self, batch: range, position: int) -> int:
        """Return how many windows of a batch (the first ones) have a token at a position."""
        last = self.num_tokens - (batch.stop - 1) * self.length
        return len(batch) - (position >= last)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The coded words, and the code length in bits that the model predicts."""

    words: np.ndarray  # uint32
    claimed_bits: float


def encode(
    model: nn.Module, tokens_N: np.ndarray, windows: TokenWindows, progress: Progress
) -> Encoded:
    """Encode the tokens; call it inside the model's precision context."""
    writer = _Writer(tokens_N, windows)
    _step_through(model, windows, with_progress(windows.batches(), "compressing", progress), writer)
    claimed_bits = bits_from_nats(writer.claimed_nats)
    return Encoded(words=writer.coder.get_compressed(), claimed_bits=claimed_bits)


def decode(
    model: nn.Module, words: np.ndarray, windows: TokenWindows, progress: Progress
) -> np.ndarray:
    """Return the tokens, int64; call it inside the model's precision context.

    Raises OtherProbabilities if it detects them; a checksum has to detect the remaining cases.
    """
    reader = _Reader(words, windows)
    _step_through(
        model, windows, with_progress(windows.batches(), "decompressing", progress), reader
    )
    return reader.tokens_N


class _Writer:
    """Return the known tokens and encode them."""

    def __init__(self, tokens_N: np.ndarray, windows: TokenWindows) -> None:
        self.tokens_N, self.windows = tokens_N, windows
        self.coder = constriction.stream.queue.RangeEncoder()
        self.claimed_nats = 0.0

    def __call__(self, batch: range, position: int, logits_AV: Tensor) -> Tensor:
        row_N = self.tokens_N[self.windows.tokens_in(batch)]
        tokens_A = torch.from_numpy(row_N[position :: self.windows.length].astype(np.int64))
        log_AV = logits_AV.log_softmax(dim=-1)
        self.claimed_nats -= float(log_AV.gather(1, tokens_A[:, None]).sum(dtype=torch.float64))
        self.coder.encode(tokens_A.int().numpy(), PROBABILITIES, _probabilities(logits_AV))
        return tokens_A


class _Reader:
    """Decode the tokens and return them."""

    def __init__(self, words: np.ndarray, windows: TokenWindows) -> None:
        self.tokens_N, self.windows = np.empty(windows.num_tokens, np.int64), windows
        self.coder = constriction.stream.queue.RangeDecoder(words)

    def __call__(self, batch: range, position: int, logits_AV: Tensor) -> Tensor:
        probabilities_AV = _probabilities(logits_AV)
        try:
            tokens_A = self.coder.decode(PROBABILITIES, probabilities_AV).astype(np.int64)
        except AssertionError as error:  # constriction raises it for impossible words
            raise OtherProbabilities from error
        row_N = self.tokens_N[self.windows.tokens_in(batch)]
        row_N[position :: self.windows.length] = tokens_A
        return torch.from_numpy(tokens_A)


@torch.inference_mode()
def _step_through(
    model: nn.Module,
    windows: TokenWindows,
    batches: Iterable[range],
    code: Callable[[range, int, Tensor], Tensor],
) -> None:
    """Run the model over all positions, for encoding and for decoding.

    One function for both, with equal shapes and threads: a probability that differs in its last bit
    changes every token that follows. ``code(batch, position, logits_AV)`` returns the tokens there,
    which the model reads next.
    """
    for batch in batches:
        decoder = token_reader(model)
        tokens_B1 = torch.zeros(len(batch), 1, dtype=torch.int64)
        for position in range(min(windows.length, windows.num_tokens)):
            logits_BV = decoder.read(tokens_B1 if position else tokens_B1[:, :0]).float()
            filled = windows.filled(batch, position)
            if filled == 0:
                break
            tokens_B1[:filled, 0] = code(batch, position, logits_BV[:filled])


def _probabilities(logits_AV: Tensor) -> np.ndarray:
    return logits_AV.softmax(dim=-1).numpy()
