"""Pages that other commands left: reports, comparisons, fits, plans and audits."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from rote.io.read import is_regular, read_json
from rote.io.shapes import anything, mapped
from rote.site.catalogue import changed_at

FIGURES = ("svg", "png", "csv")  # files that pages offer, by their ending


@dataclass(frozen=True, kw_only=True)
class DocumentKind:
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


COMPARISONS = DocumentKind(
    heading="Comparisons", folder="comparisons", page="report.html", numbers="manifest.json",
    lines=_headlines,
)  # fmt: skip
REPORTS = DocumentKind(
    heading="Further reports", folder="reports", page="report.html", numbers="manifest.json",
    lines=_headlines,
)  # fmt: skip
KINDS = (
    COMPARISONS,
    REPORTS,
    DocumentKind(heading="Laws", folder="fits", page="fit.html", numbers="fit.json", lines=_laws),
    DocumentKind(
        heading="Plans", folder="plans", page="plan.html", numbers="plan.json",
        lines=lambda numbers: numbers["answer"],
    ),
    DocumentKind(
        heading="Audits", folder="audits", page="audit.html", numbers="audit.json",
        lines=_headlines,
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Document:
    """One such page."""

    kind: DocumentKind
    path: Path
    of_sweep: str = ""  # whose own report it is
    figures: tuple[Path, ...] = ()  # files that lie beside it

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.path.parent.name

    @property
    def address(self) -> str:
        """Below the site."""
        return f"{self.kind.folder}/{self.name}.html"

    @property
    def written(self) -> str:
        """When."""
        return clock(changed_at(self.path) or 0.0)

    @property
    def thumbnail(self) -> str:
        """The address of its main figure, which its manifest lists first; empty without one."""
        named = self.numbers.get("figures", {})
        main = f"{next(iter(named), '')}.png" if isinstance(named, dict) else ""
        return next((self.address_of(each) for each in self.figures if each.name == main), "")

    def address_of(self, figure: Path) -> str:
        """Of a file beside it, below the site."""
        return f"{self.kind.folder}/{self.name}/{figure.name}"

    def findings(self) -> list[str]:
        """What was found, a line each; none while it is being written."""
        try:
            return [line for line in self.kind.lines(self.numbers) if isinstance(line, str)]
        except (KeyError, TypeError, AttributeError):
            return []

    def sweeps(self) -> list[str]:
        """Those that a comparison is of."""
        sweeps = self.numbers.get("sweeps", [])
        return (
            [name for name in sweeps if isinstance(name, str)] if isinstance(sweeps, list) else []
        )

    @cached_property
    def numbers(self) -> Mapping[str, Any]:
        """All that its numbers' file holds; nothing where it cannot be read."""
        try:
            numbers: dict[str, Any] = read_json(
                self.path.parent / self.kind.numbers, mapped(anything)
            )
        except (FileNotFoundError, ValueError):
            return {}
        return numbers


def documents(outputs: Path, sweeps: Collection[str]) -> list[Document]:
    """All there are, kind after kind."""
    return [
        Document(
            kind=kind, path=path, figures=_figures(path.parent),
            of_sweep=path.parent.name if kind is REPORTS and path.parent.name in sweeps else "",
        )
        for kind in KINDS
        for path in sorted((outputs / kind.folder).glob(f"*/{kind.page}"))
        if is_regular(path)
    ]  # fmt: skip


def clock(unix_seconds: float) -> str:
    """As pages write a moment."""
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _figures(folder: Path) -> tuple[Path, ...]:
    found = (path for path in sorted(folder.iterdir()) if path.suffix[1:] in FIGURES)
    return tuple(path for path in found if is_regular(path))
