"""Published bits per parameter on random tokens, to stand beside measured ones."""

from dataclasses import dataclass

TABLE = "Morris et al. 2025, arXiv 2505.24832, capacity by model size"
MEANS = "Morris et al. 2025, arXiv 2505.24832, mean over 16 model sizes"
INDEPENDENT = (
    "an independent run: N = 38,000, AdamW at 1e-3, batch 1,024, 37,750 steps, "
    "63 scored tokens (693 bits) a sequence"
)
VOCAB_SIZE = 2048  # of every value here
LENGTH = 64  # tokens a sequence, of every value here


@dataclass(frozen=True, kw_only=True)
class PublishedAlpha:
    """One printed value; precision is "fp32" or "bf16", for it is not said which bf16."""

    model: str | None  # "1x32" is 1 layer, 32 wide; None for a mean over models
    parameters: int | None
    precision: str
    bits_per_parameter: float
    source: str


def gpt2_parameters(num_layers: int, width: int) -> int:
    """All parameters, the tied embedding counted once, at the published vocabulary and length."""
    embeddings = (VOCAB_SIZE + LENGTH) * width
    return embeddings + num_layers * (12 * width**2 + 13 * width) + 2 * width


def published_mean(precision: str) -> PublishedAlpha | None:
    """The published mean to hold against a precision of ours; None where there is none."""
    return next((mean for mean in PUBLISHED_MEANS if precision_matches(mean, precision)), None)


def precision_matches(published: PublishedAlpha, precision: str) -> bool:
    """Whether a published value speaks of this precision; "bf16" does of both kinds."""
    return published.precision == precision.partition("_")[0]


def _row(num_layers: int, width: int, precision: str, bits: float, source: str) -> PublishedAlpha:
    return PublishedAlpha(
        model=f"{num_layers}x{width}",
        parameters=gpt2_parameters(num_layers, width),
        precision=precision,
        bits_per_parameter=bits,
        source=source,
    )


def _mean(precision: str, bits_per_parameter: float) -> PublishedAlpha:
    return PublishedAlpha(
        model=None,
        parameters=None,
        precision=precision,
        bits_per_parameter=bits_per_parameter,
        source=MEANS,
    )


PUBLISHED_MEANS = (_mean("fp32", 3.83), _mean("bf16", 3.51))  # +- 0.1 as printed

PUBLISHED_ALPHAS = (
    _row(1, 32, "fp32", 4.23, TABLE),
    _row(1, 32, "bf16", 3.93, TABLE),
    _row(1, 128, "fp32", 3.65, TABLE),
    _row(1, 128, "bf16", 3.61, TABLE),
    _row(2, 64, "fp32", 4.08, TABLE),
    _row(2, 64, "bf16", 3.94, TABLE),
    _row(2, 128, "fp32", 3.99, TABLE),
    _row(2, 128, "bf16", 3.89, TABLE),
    _row(4, 256, "fp32", 3.68, TABLE),
    _row(4, 256, "bf16", 3.51, TABLE),
    _row(8, 32, "fp32", 3.02, TABLE),
    _row(8, 32, "bf16", 2.86, TABLE),
    _row(8, 256, "fp32", 3.96, TABLE),
    _row(8, 256, "bf16", 3.65, TABLE),
    _row(8, 128, "fp32", 3.50, INDEPENDENT),
)
