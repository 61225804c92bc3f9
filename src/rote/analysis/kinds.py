"""Which kinds of report there are: a folder of `rote.analysis.reports` with a report.py is one."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from rote.analysis.content import Content
from rote.analysis.results import Results
from rote.config.choices import unknown

FOLDER = Path(__file__).parent / "reports"


def kinds() -> list[str]:
    """Their names, nothing imported."""
    return sorted(path.parent.name for path in FOLDER.glob("*/report.py"))


def require_kind(kind: str) -> str:
    """Raises ValueError, with the choices, for a kind that is not there."""
    if kind not in kinds():
        raise unknown("report", kind, kinds())
    return kind


def maker(kind: str) -> Callable[[Results], Content]:
    """``make(results) -> Content`` of that kind; it raises ValueError for unusable results."""
    make: Callable[[Results], Content] = import_module(
        f"rote.analysis.reports.{require_kind(kind)}.report"
    ).make
    return make
