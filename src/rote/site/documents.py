"""Pages that other commands left: comparisons, fits, plans, audits, reports of another kind."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Where a command leaves its pages, and which lines of its numbers say what was found."""

    heading: str
    folder: str  # below outputs, and below the site
    page: str
    numbers: str  # a JSON file beside it
    lines: Callable[[Mapping[str, Any]], Iterable[str]]


def _headlines(numbers: Mapping[str, Any]) -> Iterable[str]:
    return numbers.get("headlines", ())  # manifests have not always had them


def _laws(numbers: Mapping[str, Any]) -> Iterable[str]:
    return (f"{law}: {fit['formula']}" for law, fit in numbers.items())


COMPARISONS = Kind(
    heading="Comparisons", folder="comparisons", page="report.html", numbers="manifest.json",
    lines=_headlines,
)  # fmt: skip
REPORTS = Kind(
    heading="Further reports", folder="reports", page="report.html", numbers="manifest.json",
    lines=_headlines,
)  # fmt: skip
KINDS = (
    COMPARISONS,
    REPORTS,
    Kind(heading="Laws", folder="fits", page="fit.html", numbers="fit.json", lines=_laws),
    Kind(
        heading="Plans", folder="plans", page="plan.html", numbers="plan.json",
        lines=lambda numbers: numbers["answer"],
    ),
    Kind(
        heading="Audits", folder="audits", page="audit.html", numbers="audit.json",
        lines=_headlines,
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Document:
    """One such page."""

    kind: Kind
    path: Path

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.path.parent.name

    @property
    def address(self) -> str:
        """Below the site."""
        return f"{self.kind.folder}/{self.name}.html"

    def findings(self) -> list[str]:
        """What was found, a line each; none while it is being written."""
        numbers = self.numbers()
        try:
            return [str(line) for line in self.kind.lines(numbers)]
        except (KeyError, TypeError, AttributeError):
            return []

    def sweeps(self) -> list[str]:
        """Those that a comparison is of."""
        return list(self.numbers().get("sweeps", []))

    def numbers(self) -> Mapping[str, Any]:
        """All that its numbers' file holds; nothing where it cannot be read."""
        try:
            found = json.loads((self.path.parent / self.kind.numbers).read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def documents(outputs: Path, sweeps: Collection[str]) -> list[Document]:
    """All there are, kind after kind; a sweep's own report stands with the sweep."""
    found = [
        Document(kind=kind, path=path)
        for kind in KINDS
        for path in sorted((outputs / kind.folder).glob(f"*/{kind.page}"))
    ]
    return [one for one in found if one.kind is not REPORTS or one.name not in sweeps]
