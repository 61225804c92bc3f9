"""What all membership scores of one forward pass cost beside that pass alone.

The passes take turns, round after round, on one thread; the ratio is taken within a round, of
processor seconds, which neighbours on a machine hardly change. "loss" is a pass that gives
the likelihood of each text and nothing else, "logits" one that is not even asked for that.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.scores.forward import documents, moments
from rote.scores.likelihood import loss, min_k, min_k_plus_plus, zlib_bytes, zlib_ratio

ROUNDS = 7


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model and a batch for it."""

    num_layers: int
    width: int
    num_heads: int
    vocab_size: int
    length: int
    batch_size: int


SHAPES = (
    Shape(num_layers=2, width=64, num_heads=2, vocab_size=2048, length=64, batch_size=64),
    Shape(num_layers=8, width=128, num_heads=4, vocab_size=2048, length=64, batch_size=64),
    Shape(num_layers=2, width=128, num_heads=2, vocab_size=50257, length=64, batch_size=16),
    Shape(num_layers=12, width=768, num_heads=12, vocab_size=50257, length=64, batch_size=8),
)


def main() -> None:
    """A line for each shape."""
    torch.set_num_threads(1)
    for shape in SHAPES:
        passes = _passes(shape)
        rounds = [{name: _seconds(each) for name, each in passes.items()} for _ in range(ROUNDS)]
        for plain in ("logits", "loss"):
            ratio = statistics.median(each["scores"] / each[plain] for each in rounds[1:])
            sys.stdout.write(f"{shape}: all scores / {plain} {ratio:.2f}\n")
        sys.stdout.flush()


def _passes(shape: Shape) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    model = GPT(
        num_layers=shape.num_layers,
        width=shape.width,
        num_heads=shape.num_heads,
        vocab_size=shape.vocab_size,
        max_length=shape.length,
    ).eval()
    tokens_BL = torch.randint(shape.vocab_size, (shape.batch_size, shape.length))
    texts = [row.tobytes() for row in tokens_BL.to(torch.int32).numpy()]
    return {
        "logits": torch.inference_mode()(lambda: model(tokens_BL)),
        "loss": torch.inference_mode()(lambda: token_nats(model, tokens_BL)),
        "scores": lambda: _all_scores(model, tokens_BL, texts),
    }


def _all_scores(model: GPT, tokens_BL: Tensor, texts: list[bytes]) -> list[np.ndarray]:
    num_documents, length = tokens_BL.shape
    scored = documents(
        moments(model, tokens_BL),
        np.full(num_documents, length),
        zlib_bytes_B=zlib_bytes(texts),
    )
    lowest = [score(scored, k_percent=20) for score in (min_k, min_k_plus_plus)]
    return [loss(scored), zlib_ratio(scored), *lowest]


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
