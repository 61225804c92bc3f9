"""A task of text without a corpus."""

from dataclasses import dataclass

import numpy as np

from rote.tasks.uniform import Uniform


@dataclass(frozen=True, kw_only=True)
class ByteText(Uniform):
    """Stands for a task of text: its tokens are bytes."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        return [bytes(row).decode(errors="replace") for row in tokens_NL.tolist()]
