"""Published exact matches of arithmetic and facts, to stand beside measured ones.

Barron and White 2025, arXiv 2506.09099: one seed, four held-out problems, the checkpoint chosen on
a score that contains them. "97.8 %" of arithmetic is 890 of 910: all but the held-out ones.
"""

from dataclasses import dataclass

SOURCE = "Barron and White 2025, arXiv 2506.09099"


@dataclass(frozen=True, kw_only=True)
class PublishedMatch:
    """What was printed of one model, trained on one of the tasks or on both."""

    model: str
    num_layers: int
    width: int
    trained_on: str  # arithmetic, facts or joint
    printed: str


# Name, layers, width, then arithmetic (held-out answers), facts, joint (three numbers in the order
# printed, of which the last is of facts: the others stop where held-out problems begin).
_ROWS = (
    ("n14", 1, 14, "40 of 40 held-out", "8.2 %", "32.6 / 38.2 / 2.0 %"),
    ("n28", 1, 28, "0 of 40 held-out", "100 %", "94.5 / 96.7 / 88.4 %"),
    ("n56", 1, 56, "0 of 40 held-out", "100 %", "97.8 / 97.8 / 100 %"),
    ("10.6M", 6, 384, "0 of 40 held-out", "100 %", "97.8 / 97.8 / 100 %"),
)

PUBLISHED = tuple(
    PublishedMatch(
        model=model, num_layers=num_layers, width=width, trained_on=trained_on, printed=text
    )
    for model, num_layers, width, *printed in _ROWS
    for trained_on, text in zip(("arithmetic", "facts", "joint"), printed, strict=True)
)


def published_match(trained_on: str, num_layers: int, width: int) -> PublishedMatch | None:
    """None for a model or a task that the paper does not have."""
    return next(
        (
            each
            for each in PUBLISHED
            if (each.trained_on, each.num_layers, each.width) == (trained_on, num_layers, width)
        ),
        None,
    )
