"""Define the recipe of a prepared corpus: its source and all settings; no torch."""

from dataclasses import dataclass
from typing import Any

from rote.core.checks import require_choice, require_whole
from rote.tasks.text.sources import Source
from rote.tasks.text.tokenisers import Tokeniser

WINDOWS = ("all", "first")
VERSION = 1  # increase it when the same text gives other windows: all corpus ids change


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Equal recipes give equal corpora; raises ValueError for settings out of range."""

    source: Source
    tokeniser: Tokeniser
    length: int
    windows: str
    near_duplicate_threshold: float | None

    def __post_init__(self) -> None:
        require_whole("task.length", self.length, 1, 1 << 20)
        require_choice("task.windows", self.windows, WINDOWS)
        threshold = self.near_duplicate_threshold
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(
                f"task.near_duplicate_threshold must be above 0 and at most 1, got {threshold!r}"
            )

    def versions(self) -> tuple[str, str]:
        """Return the versions of source and tokeniser; raises ValueError for an unreadable one."""
        return self.source.version(), self.tokeniser.version()

    def settings(self) -> dict[str, Any]:
        """Return everything except the content; a prepared corpus must agree with it."""
        return {
            "version": VERSION,
            "length": self.length,
            "windows": self.windows,
            "near_duplicate_threshold": self.near_duplicate_threshold,
            "tokeniser": self.tokeniser.settings(),
        }
