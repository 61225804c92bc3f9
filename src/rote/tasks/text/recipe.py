"""What a prepared corpus is made from, and how; no torch."""

from dataclasses import dataclass
from typing import Any

from rote.core.checks import require_whole
from rote.tasks.text.sources import Source
from rote.tasks.text.tokenisers import Tokeniser
from rote.tasks.text.windows import WINDOWS

VERSION = 1  # raise it when the same text gives other windows: every corpus id moves


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Equal recipes give equal corpora; raises ValueError for values that make none."""

    source: Source
    tokeniser: Tokeniser
    length: int
    windows: str
    near_duplicate_threshold: float | None

    def __post_init__(self) -> None:
        require_whole("task.length", self.length, 1, 1 << 20)
        if self.windows not in WINDOWS:
            raise ValueError(f"task.windows must be one of {WINDOWS}, got {self.windows!r}")
        threshold = self.near_duplicate_threshold
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(
                f"task.near_duplicate_threshold must be above 0 and at most 1, got {threshold!r}"
            )

    def versions(self) -> tuple[str, str]:
        """Of source and tokeniser; raises ValueError where one cannot be read."""
        return self.source.version(), self.tokeniser.version()

    def settings(self) -> dict[str, Any]:
        """All but the content: what a prepared corpus must agree with."""
        return {
            "version": VERSION,
            "length": self.length,
            "windows": self.windows,
            "near_duplicate_threshold": self.near_duplicate_threshold,
            "tokeniser": self.tokeniser.settings(),
        }
