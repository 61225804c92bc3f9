"""Published exact matches of arithmetic and facts, to stand beside measured ones.

Barron and White 2025, arXiv 2506.09099: one seed, four held-out problems, the checkpoint chosen on
a score that contains them. "97.8 %" of arithmetic is 890 of 910: all but the held-out ones.
"""

from dataclasses import dataclass

SOURCE = "Barron and White 2025, arXiv 2506.09099"
# Name, layers, width, then arithmetic (held-out answers), facts, joint (three numbers in the order
# printed, of which the last is of facts: the others stop where held-out problems begin).
_ROWS = (
    ("n14", 1, 14, "40 of 40 held-out", "8.2 %", "32.6 / 38.2 / 2.0 %"),
    ("n28", 1, 28, "0 of 40 held-out", "100 %", "94.5 / 96.7 / 88.4 %"),
    ("n56", 1, 56, "0 of 40 held-out", "100 %", "97.8 / 97.8 / 100 %"),
    ("10.6M", 6, 384, "0 of 40 held-out", "100 %", "97.8 / 97.8 / 100 %"),
)
_TRAINED_ON = ("arithmetic", "facts", "joint")


@dataclass(frozen=True)
class PublishedMatch:
    """What was printed of one model."""

    model: str
    printed: str


def published_match(trained_on: str, num_layers: int, width: int) -> PublishedMatch | None:
    """None for a model or a task that the paper does not have."""
    for model, layers, size, *printed in _ROWS:
        if (layers, size) == (num_layers, width) and trained_on in _TRAINED_ON:
            return PublishedMatch(model, printed[_TRAINED_ON.index(trained_on)])
    return None
