"""Imports point down the floors of docs/design.md; files are short and begin with a docstring."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "rote"
FLOORS = {
    "core": 0, "io": 0, "precision": 0,
    "tasks": 1, "models": 1, "optim": 1, "ledger": 1,
    "config": 2, "scores": 2, "training": 2,
    "measures": 3,
    "run": 4,
    "coding": 5, "auditing": 5,
    "cluster": 6, "analysis": 6, "planner": 7, "site": 7, "tracking": 7,
    "gathering": 8, "cli": 9, "__main__": 10,
}  # fmt: skip
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


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


def test_imports_only_from_below_or_beside_in_the_same_folder() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} (floor {FLOORS[own]}) imports {other} (floor {FLOORS[other]})"
        for path in MODULES
        for own in [room(path)]
        for other in sorted(imported_rooms(path) - {own})
        if FLOORS[other] >= FLOORS[own]
    ]
    assert not wrong, "\n".join(wrong)


def imported_modules(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of ours that importing this one imports at once."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                found.add(name if name in known else node.module)
    return found & known.keys()


def test_no_module_imports_itself_through_others() -> None:
    known = {
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path for path in MODULES
    }
    graph = {name: imported_modules(path, known) for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        raise AssertionError(f"a circle: {' <- '.join(circle.args[1])}") from circle


def test_every_room_stands_on_a_floor() -> None:
    assert {room(path) for path in MODULES} == set(FLOORS)


def test_files_are_short_and_begin_with_a_docstring() -> None:
    """A room's __init__.py is its docstring; that of rote besides has what `import rote` offers."""
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        most = 1 if path.name == "__init__.py" and path.parent != SOURCE else 300
        assert len(text.splitlines()) <= most, f"{path.relative_to(SOURCE)} is too long"
        assert ast.get_docstring(ast.parse(text)), path.relative_to(SOURCE)
