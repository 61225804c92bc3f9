"""What a row of a training curve says; its names are read in more than one place."""

from collections.abc import Mapping

from rote.core.units import bits_from_nats

MEMORISED_BITS = "memorised_bits"
# Where the source's entropy is unknown: a part of this is generalised, so it is not memorised.
BELOW_UNIFORM_BITS = "below_uniform_bits"  # than a uniform guesser's code length
LOSS_NATS = "loss_nats_per_token"


def progress_told(row: Mapping[str, float]) -> str:
    """Where a run stands, in few words: bits memorised, or what a token costs."""
    if MEMORISED_BITS in row:
        return f"{row[MEMORISED_BITS]:,.0f} bits"
    return f"{bits_from_nats(row[LOSS_NATS]):.3f} bits per token" if LOSS_NATS in row else ""
