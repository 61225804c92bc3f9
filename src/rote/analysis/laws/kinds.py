"""Which laws there are: each is the `Law` of its name in one of these files."""

from importlib import import_module

from rote.analysis.laws.law import Law
from rote.config.choices import unknown

FILES = {
    "capacity": "capacity", "data": "power", "envelope": "frontier", "isoflop": "frontier",
    "kaplan": "kaplan", "membership": "membership", "overfitting": "kaplan",
    "parametric": "parametric", "repetition": "repetition", "size": "power", "steps": "steps",
    "variable_projection": "parametric",
}  # fmt: skip


def laws() -> list[str]:
    """Their names."""
    return list(FILES)


def law(name: str) -> Law:
    """Raises ValueError, with the choices, for a law that is not there."""
    if name not in FILES:
        raise unknown("law", name, FILES)
    found: Law = getattr(import_module(f"rote.analysis.laws.{FILES[name]}"), name.upper())
    return found
