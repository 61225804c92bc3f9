"""What is known without a run of one's own: published laws, in published units."""

from collections.abc import Mapping

from rote.analysis.alphas import PUBLISHED as CAPACITY
from rote.analysis.laws import kinds
from rote.analysis.laws.law import Count
from rote.analysis.laws.repetition import LAW as REPETITION
from rote.analysis.laws.repetition import MUENNIGHOFF
from rote.planner.belief import Belief, Beliefs, Capacity, Interval, Repeats

WINDOW_TOKENS = 64  # of the published membership law (Morris et al. 2025)
# Hoffmann et al. 2022, section 3: 70M to over 16B parameters on 5B to 500B tokens.
LOSS_RANGES = {"parameters": (7e7, 1.6e10), "tokens": (5e9, 5e11)}
# The six printed rows of Morris et al. 2025 that tried the law.
MEMBERSHIP_RANGES = {"windows_per_parameter": (0.012, 0.11)}


def published_beliefs() -> Beliefs:
    """The loss of large models on web text; membership and capacity of models up to 1.5B."""
    return Beliefs(
        count=Count.TOTAL,
        window_tokens=WINDOW_TOKENS,
        loss=published_belief("loss", "parametric", LOSS_RANGES),
        repeats=published_repeats(),
        membership=published_belief("membership", "membership", MEMBERSHIP_RANGES),
        exposure=None,
        extraction=None,
        capacity=Capacity(bits_per_parameter=CAPACITY.bits_per_parameter, source=CAPACITY.source),
    )


def published_repeats(*warnings: str) -> Repeats:
    """The worth of tokens alone: R_N belongs to its own A and B, which are not those in use."""
    (source,) = REPETITION.published
    return Repeats(
        R_D=MUENNIGHOFF.R_D, R_N=None, source=f"published: {source}", law=None, warnings=warnings
    )


def published_belief(name: str, law: str, ranges: Mapping[str, Interval]) -> Belief:
    """The newest of a law's published fits; the others are its rivals."""
    found = kinds.law(law)
    fits = found.published
    source = list(fits)[-1]
    return Belief(
        name=name,
        inputs=found.inputs,
        curve=fits[source],
        rivals=tuple(fits.values()) if len(fits) > 1 else (),
        is_resampled=False,
        source=f"published: {source}",
        ranges=ranges,
    )
