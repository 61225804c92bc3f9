"""Find the pages that other commands wrote: reports, comparisons, fits, plans, audits, claims."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from rote.io.read import is_regular, read_json
from rote.io.shapes import anything, mapped
from rote.site.catalogue import changed_at

FIGURES = ("svg", "png", "csv")  # file types that pages offer


def _headlines(numbers: Mapping[str, Any]) -> Iterable[str]:
    return numbers.get("headlines", ())  # old manifests lack them


@dataclass(frozen=True)
class DocumentKind:
    """Where a command writes its pages, and which lines of its numbers state the findings."""

    heading: str
    folder: str  # below outputs, and below the site
    page: str
    numbers: str  # a JSON file beside the page
    lines: Callable[[Mapping[str, Any]], Iterable[str]] = _headlines


def _laws(numbers: Mapping[str, Any]) -> Iterable[str]:
    return (f"{law}: {fit['formula']}" for law, fit in numbers.items())


def _counts(numbers: Mapping[str, Any]) -> Iterable[str]:
    return (f"{what}: {count}" for what, count in numbers["summary"].items())


COMPARISONS = DocumentKind("Comparisons", "comparisons", "report.html", "manifest.json")
REPORTS = DocumentKind("Further reports", "reports", "report.html", "manifest.json")
KINDS = (
    COMPARISONS,
    REPORTS,
    DocumentKind("Laws", "fits", "fit.html", "fit.json", _laws),
    DocumentKind("Plans", "plans", "plan.html", "plan.json", lambda numbers: numbers["answer"]),
    DocumentKind("Audits", "audits", "audit.html", "audit.json"),
    DocumentKind("Published claims", "claims", "claims.html", "claims.json", _counts),
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """One page of another command."""

    kind: DocumentKind
    path: Path
    of_sweep: str = ""  # the sweep whose report it is
    figures: tuple[Path, ...] = ()  # files beside it

    @property
    def name(self) -> str:
        """Return the name of its folder."""
        return self.path.parent.name

    @property
    def address(self) -> str:
        """Return its address below the site."""
        return f"{self.kind.folder}/{self.name}.html"

    @property
    def written(self) -> str:
        """Return the time at which it was written."""
        return clock(changed_at(self.path) or 0.0)

    @property
    def thumbnail(self) -> str:
        """Return the address of its main figure, the first in its manifest; empty without one."""
        named = self.numbers.get("figures", {})
        main = f"{next(iter(named), '')}.png" if isinstance(named, dict) else ""
        return next((self.address_of(each) for each in self.figures if each.name == main), "")

    def address_of(self, figure: Path) -> str:
        """Return the address of a file beside it, below the site."""
        return f"{self.kind.folder}/{self.name}/{figure.name}"

    def findings(self) -> list[str]:
        """Return the findings, one per line; empty while the page is being written."""
        try:
            return [line for line in self.kind.lines(self.numbers) if isinstance(line, str)]
        except (KeyError, TypeError, AttributeError):
            return []

    def sweeps(self) -> list[str]:
        """Return the sweeps of a comparison."""
        named = self.numbers.get("sweeps")
        listed = named if isinstance(named, list) else []
        return [name for name in listed if isinstance(name, str)]

    @cached_property
    def numbers(self) -> Mapping[str, Any]:
        """Return the content of its numbers file; empty if it cannot be read."""
        try:
            return dict(read_json(self.path.parent / self.kind.numbers, mapped(anything)))
        except (FileNotFoundError, ValueError):
            return {}


def documents(outputs: Path, sweeps: Collection[str]) -> list[Document]:
    """Return all documents, kind by kind."""
    return [
        Document(
            kind=kind, path=path, figures=_figures(path.parent),
            of_sweep=path.parent.name if kind is REPORTS and path.parent.name in sweeps else "",
        )
        for kind in KINDS
        for path in (
            outputs / kind.folder / kind.page,  # the scorecard of claims is one page
            *sorted((outputs / kind.folder).glob(f"*/{kind.page}")),
        )
        if is_regular(path)
    ]  # fmt: skip


def clock(unix_seconds: float) -> str:
    """Format a time as pages show it."""
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _figures(folder: Path) -> tuple[Path, ...]:
    found = (path for path in sorted(folder.iterdir()) if path.suffix[1:] in FIGURES)
    return tuple(path for path in found if is_regular(path))
