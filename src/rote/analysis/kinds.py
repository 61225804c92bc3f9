"""Which kinds of report there are: each module of `rote.analysis.reports` is one.

A large kind is a folder, whose report.py has what a module has: ``make(results) -> Content``.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from rote.analysis.content import Content
from rote.analysis.results import Results
from rote.config.choices import unknown

FOLDER = Path(__file__).parent / "reports"


def kinds() -> list[str]:
    """Their names, nothing imported."""
    modules = {path.stem for path in FOLDER.glob("[a-z]*.py")}
    return sorted(modules | {path.parent.name for path in FOLDER.glob("*/report.py")})


def require_kind(kind: str) -> str:
    """Raises ValueError, with the choices, for a kind that is not there."""
    if kind not in kinds():
        raise unknown("report", kind, kinds())
    return kind


def maker(kind: str) -> Callable[[Results], Content]:
    """``make(results) -> Content`` of that kind; it raises ValueError for unusable results."""
    name = f"rote.analysis.reports.{require_kind(kind)}"
    is_folder = (FOLDER / kind / "report.py").exists()
    make: Callable[[Results], Content] = import_module(f"{name}.report" if is_folder else name).make
    return make
