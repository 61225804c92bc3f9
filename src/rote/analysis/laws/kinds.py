"""List the laws by name, and load the `Law` of a name from its file."""

from importlib import import_module

from rote.analysis.laws.law import Law
from rote.config.choices import unknown

FILES = {
    "capacity": "capacity", "data": "power", "envelope": "frontier", "extraction": "extraction",
    "isoflop": "frontier",
    "kaplan": "kaplan", "membership": "membership", "overfitting": "kaplan",
    "parametric": "parametric", "repetition": "repetition", "size": "power", "steps": "steps",
    "variable_projection": "parametric",
}  # fmt: skip


def laws() -> list[str]:
    """Return the names of all laws."""
    return list(FILES)


def law(name: str) -> Law:
    """Return a law by name; raises ValueError, with the choices, for an unknown name."""
    if name not in FILES:
        raise unknown("law", name, FILES)
    found: Law = getattr(import_module(f"rote.analysis.laws.{FILES[name]}"), name.upper())
    return found
