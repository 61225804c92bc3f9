"""Published bits per parameter on random tokens, to stand beside measured ones.

All are of GPT-2 blocks, `VOCAB_SIZE` symbols and `LENGTH` tokens a sequence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TABLE = "Morris et al. 2025, arXiv 2505.24832, capacity by model size"
MEANS = "Morris et al. 2025, arXiv 2505.24832, mean over 16 model sizes"
INDEPENDENT = (
    "an independent run: N = 38,000, AdamW at 1e-3, batch 1,024, 37,750 steps, "
    "63 scored tokens (693 bits) a sequence"
)
VOCAB_SIZE = 2048
LENGTH = 64
GPT2 = "rote.models.gpt.GPT"


@dataclass(frozen=True, kw_only=True)
class PublishedAlpha:
    """One printed value; precision is "fp32" or "bf16", for it is not said which bf16."""

    model: str | None  # "1x32" is 1 layer, 32 wide; None for a mean over models
    parameters: int | None
    precision: str
    bits_per_parameter: float
    source: str

    def has_precision(self, precision: str) -> bool:
        """Whether it is comparable with a precision of ours; "bf16" is with both kinds."""
        return self.precision == precision.partition("_")[0]


def gpt2_parameters(num_layers: int, width: int) -> int:
    """All parameters, the tied embedding counted once, at the published vocabulary and length."""
    embeddings = (VOCAB_SIZE + LENGTH) * width
    return embeddings + num_layers * (12 * width**2 + 13 * width) + 2 * width


def is_comparable(run: Mapping[str, Any]) -> bool:
    """Whether a run, a row of the table, is of the published model class."""
    return bool(run.get("model._target_", GPT2) == GPT2)


def other_data(run: Mapping[str, Any]) -> str:
    """How the published data differ from a run's, in words; empty where they do not."""
    ours = run.get("task.vocab_size"), run.get("task.length")
    published = f"for {VOCAB_SIZE:,} symbols and {LENGTH} tokens a sequence"
    return "" if ours == (VOCAB_SIZE, LENGTH) else published


def published_mean(precision: str) -> PublishedAlpha | None:
    """The published mean to compare a precision with; None where there is none."""
    return next((each for each in PUBLISHED_MEANS if each.has_precision(precision)), None)


def _rows(num_layers: int, width: int, **bits: float) -> list[PublishedAlpha]:
    return [
        PublishedAlpha(
            model=f"{num_layers}x{width}",
            parameters=gpt2_parameters(num_layers, width),
            precision=precision,
            bits_per_parameter=value,
            source=INDEPENDENT if (num_layers, width) == (8, 128) else TABLE,
        )
        for precision, value in bits.items()
    ]


PUBLISHED_MEANS = tuple(  # +- 0.1 as printed
    PublishedAlpha(
        model=None, parameters=None, precision=precision, bits_per_parameter=value, source=MEANS
    )
    for precision, value in (("fp32", 3.83), ("bf16", 3.51))
)
PUBLISHED_ALPHAS = (
    *_rows(1, 32, fp32=4.23, bf16=3.93),
    *_rows(1, 128, fp32=3.65, bf16=3.61),
    *_rows(2, 64, fp32=4.08, bf16=3.94),
    *_rows(2, 128, fp32=3.99, bf16=3.89),
    *_rows(4, 256, fp32=3.68, bf16=3.51),
    *_rows(8, 32, fp32=3.02, bf16=2.86),
    *_rows(8, 256, fp32=3.96, bf16=3.65),
    *_rows(8, 128, fp32=3.50),
)
