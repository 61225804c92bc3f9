"""Imports point down the floors of docs/design.md, and some floors know no torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "rote"
FLOORS = {
    "units": 0, "checks": 0, "files": 0, "provenance": 0, "rng": 0, "precision": 0,
    "allocator": 0, "outputs": 0, "watching": 0, "reading": 0,
    "tasks": 1, "models": 1, "optim": 1, "ledger": 1,
    "config": 2, "scores": 2, "training": 2, "measures": 3, "observers": 3, "trained": 3,
    "life": 4, "coding": 4, "auditing": 4, "run": 5, "preflight": 5,
    "cluster": 6, "analysis": 6, "tracking": 6, "planner": 7, "site": 7,
    "cli": 8, "__main__": 9,
}  # fmt: skip
TORCHLESS = (
    "rote.units", "rote.checks", "rote.files", "rote.outputs", "rote.provenance", "rote.allocator",
    "rote.watching", "rote.reading.files",
    "rote.tasks.text.prepare", "rote.tasks.text.prepared",
    "rote.ledger.store", "rote.config.sweep", "rote.config.pinning",
    "rote.cluster.plan", "rote.cluster.status", "rote.cluster.launching", "rote.cluster.slurm",
    "rote.analysis.report", "rote.analysis.table", "rote.analysis.kinds",
    "rote.analysis.comparison_page", "rote.cli.compare",
    "rote.analysis.reports.capacity.report", "rote.analysis.reports.text.report",
    "rote.analysis.reports.double_descent.report", "rote.analysis.reports.leakage.report",
    "rote.analysis.quantities.membership", "rote.analysis.reports.controls.report",
    "rote.analysis.reports.generalisation.report", "rote.analysis.reports.random_labels.report",
    "rote.analysis.quantities.exposure", "rote.analysis.quantities.discoverable",
    "rote.analysis.quantities.guesses", "rote.analysis.quantities.answers",
    "rote.tasks.canaries.manifest", "rote.tasks.occurrences",
    "rote.analysis.laws.kinds", "rote.analysis.laws.repetition", "rote.analysis.laws.capacity",
    "rote.analysis.published_membership", "rote.scores.lira", "rote.scores.blind",
    "rote.scores.distinct", "rote.analysis.quantities.generations",
    "rote.planner.bill", "rote.cli.main", "rote.cli.status", "rote.cli.report",
    "rote.cli.resume", "rote.cli.cancel", "rote.cli.logs",
    "rote.cli.collect", "rote.cli.sync", "rote.cli.dashboard", "rote.tracking.reading",
    "rote.tracking.mirror", "rote.tracking.report_run",
    "rote.cli.audit", "rote.analysis.audit.report", "rote.auditing.stored", "rote.auditing.sides",
    "rote.site.build", "rote.site.server", "rote.cli.serve",
    "rote.cli.compress", "rote.cli.decompress", "rote.coding.container", "rote.coding.rivals",
)  # fmt: skip
MODULES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    return {name.split(".")[1] for name in names if name and name.startswith("rote.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_only_from_below_or_beside_in_the_same_folder(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        return
    own = room(path)
    wrong = {
        other for other in imported_rooms(path) if other != own and FLOORS[other] >= FLOORS[own]
    }
    assert not wrong, f"{path.name} (floor {FLOORS[own]}) imports from {wrong}"


def test_every_room_stands_on_a_floor() -> None:
    assert {room(path) for path in MODULES} - {"__init__"} == set(FLOORS)


@pytest.mark.parametrize("module", TORCHLESS)
def test_starts_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert ast.get_docstring(ast.parse(text))
    if path.name == "__init__.py":
        assert len(text.splitlines()) == 1
