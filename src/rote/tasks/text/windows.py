"""Cut documents into windows of one length; no torch.

Shapes: N windows, L tokens in each.
"""

from dataclasses import dataclass, field

import numpy as np

WINDOWS = ("all", "first")


@dataclass(kw_only=True)
class Cutter:
    """Cuts one document after the other; its fields are the complete state for a resume.

    No window spans two documents; tokens left over at a document's end are dropped.
    """

    length: int
    windows: str  # all: one after the other; first: the first of each document
    document: int = 0  # the number of the current one
    num_of_document: int = 0  # windows taken from it so far
    carry: list[int] = field(default_factory=list)  # tokens that do not fill a window yet

    def add(self, tokens: np.ndarray, *, ends_document: bool) -> np.ndarray:
        """Return the windows [N, L] that are complete now."""
        if self.windows == "first" and self.num_of_document:
            tokens = tokens[:0]
        if self.carry:
            tokens = np.concatenate([np.array(self.carry, dtype=tokens.dtype), tokens])
        num_whole = len(tokens) // self.length
        if self.windows == "first":
            num_whole = min(num_whole, 1 - self.num_of_document)
        used = num_whole * self.length
        self.num_of_document += num_whole
        # Less than a window, or an unused rest after the first one.
        self.carry = tokens[used : used + self.length - 1].tolist()
        if ends_document:
            self.document, self.num_of_document, self.carry = self.document + 1, 0, []
        return tokens[:used].reshape(num_whole, self.length)
