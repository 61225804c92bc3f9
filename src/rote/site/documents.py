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


@dataclass(frozen=True, kw_only=True)
class DocumentKind:
    """Where a command writes its pages, and which lines of its numbers state the findings."""

    heading: str
    folder: str  # below outputs, and below the site
    page: str
    numbers: str  # a JSON file beside the page
    lines: Callable[[Mapping[str, Any]], Iterable[str]]


def _headlines(numbers: Mapping[str, Any]) -> Iterable[str]:
    return numbers.get("headlines", ())  # old manifests lack them


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
    DocumentKind(
        heading="Published claims", folder="claims", page="claims.html", numbers="claims.json",
        lines=lambda numbers: (f"{what}: {count}" for what, count in numbers["summary"].items()),
    ),
)  # fmt: skip


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
        sweeps = self.numbers.get("sweeps", [])
        return (
            [name for name in sweeps if isinstance(name, str)] if isinstance(sweeps, list) else []
        )

    @cached_property
    def numbers(self) -> Mapping[str, Any]:
        """Return the content of its numbers file; empty if it cannot be read."""
        try:
            numbers: dict[str, Any] = read_json(
                self.path.parent / self.kind.numbers, mapped(anything)
            )
        except (FileNotFoundError, ValueError):
            return {}
        return numbers


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
