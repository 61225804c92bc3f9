"""Which laws there are: a file of this folder that has a ``LAW`` is one."""

from importlib import import_module
from pathlib import Path

from rote.analysis.laws.law import Law
from rote.config.choices import unknown

FOLDER = Path(__file__).parent


def laws() -> list[str]:
    """Their names, nothing imported."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if "\nLAW = " in path.read_text())


def law(name: str) -> Law:
    """Raises ValueError, with the choices, for a law that is not there."""
    if name not in laws():
        raise unknown("law", name, laws())
    found: Law = import_module(f"rote.analysis.laws.{name}").LAW
    return found
