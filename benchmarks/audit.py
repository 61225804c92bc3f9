"""What all single-model scores of an audit cost beside one plain forward pass of the same model.

The plain pass is transformers' own over the same batches, logits and nothing else. Both take turns,
round after round, on one thread; ratios are taken within a round, of processor seconds, which
neighbours on a machine hardly change. Weights are random: they do not matter for time.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from rote.auditing.scoring import OnePass
from rote.auditing.stages import Stage, batches_of, tokens_at_once
from rote.models.causal_lm import with_what_it_offers
from rote.scores.likelihood import zlib_bytes

ROUNDS = 7
K_PERCENT = 20


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model and documents for it, of half to all of ``length`` tokens."""

    num_layers: int
    width: int
    num_heads: int
    vocab_size: int
    length: int
    num_documents: int


SHAPES = (
    Shape(num_layers=2, width=128, num_heads=2, vocab_size=512, length=64, num_documents=256),
    Shape(num_layers=6, width=384, num_heads=6, vocab_size=8192, length=128, num_documents=64),
    Shape(num_layers=12, width=768, num_heads=12, vocab_size=50257, length=128, num_documents=16),
)


def main() -> None:
    """A line for each shape."""
    torch.set_num_threads(1)
    for shape in SHAPES:
        passes = _passes(shape)
        rounds = [{name: _seconds(each) for name, each in passes.items()} for _ in range(ROUNDS)]
        ratios = sorted(each["scores"] / each["plain"] for each in rounds[1:])
        plain = statistics.median(each["plain"] for each in rounds[1:])
        sys.stdout.write(
            f"{shape}: all scores / plain pass {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}), plain {plain:.2f} s\n"
        )
        sys.stdout.flush()


def _passes(shape: Shape) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=shape.vocab_size, n_positions=shape.length, n_layer=shape.num_layers,
            n_embd=shape.width, n_head=shape.num_heads, bos_token_id=0, eos_token_id=0,
        )
    ).eval()  # fmt: skip
    ours = with_what_it_offers(theirs, start_token=0, vocab_size=shape.vocab_size)
    generator = np.random.default_rng(0)
    lengths = generator.integers(shape.length // 2, shape.length + 1, shape.num_documents)
    rows = [generator.integers(1, shape.vocab_size, length) for length in lengths]
    texts = [row.astype(np.int32).tobytes() for row in rows]
    half = shape.length // 2
    score = OnePass(
        k_percent=K_PERCENT, beginning_tokens=shape.length, suffix=(half // 2, half),
        counts_V=np.bincount(np.concatenate(rows), minlength=shape.vocab_size), keeps_tokens=True,
    )  # fmt: skip
    stage = Stage(
        name="forward", lengths_R=lengths, row=rows.__getitem__, score=score,
        most_tokens=tokens_at_once(shape.vocab_size, torch.device("cpu")),
    )  # fmt: skip
    batches = list(_padded(stage))
    return {
        "plain": torch.inference_mode()(lambda: _plain(theirs, batches)),
        "scores": lambda: _scored(ours, stage, batches, texts),
    }


def _padded(stage: Stage) -> Sequence[tuple[torch.Tensor, np.ndarray]]:
    made = []
    for batch in batches_of(stage):
        rows = [torch.from_numpy(stage.row(place)) for place in batch.tolist()]
        tokens_BL = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        made.append((tokens_BL, stage.lengths_R[batch]))
    return made


def _plain(model: GPT2LMHeadModel, batches: Sequence[tuple[torch.Tensor, np.ndarray]]) -> None:
    for tokens_BL, _ in batches:
        model(input_ids=tokens_BL, use_cache=False)


def _scored(
    model: torch.nn.Module,
    stage: Stage,
    batches: Sequence[tuple[torch.Tensor, np.ndarray]],
    texts: Sequence[bytes],
) -> None:
    for tokens_BL, lengths_B in batches:
        stage.score(model, tokens_BL, lengths_B)
    zlib_bytes(texts)


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
