"""Whoever reads a docstring learns what is raised: held for the packages that compute."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "rote"
PACKAGES = (
    "scores", "measures", "tasks", "models", "coding", "planner", "training/controls",
    "analysis/laws", "analysis/fits", "analysis/quantities",
)  # fmt: skip
Function = tuple[ast.FunctionDef, str]  # and the docstring of its class


def functions(tree: ast.Module | ast.ClassDef, around: str = "") -> Iterator[Function]:
    """Public ones, and those that a public class is built and called by."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node, ast.get_docstring(node) or "")
        elif isinstance(node, ast.FunctionDef) and (
            node.name.startswith("__") or not node.name.startswith("_")
        ):
            yield node, around


def refuses(function: ast.FunctionDef) -> bool:
    """Whether it raises ValueError itself, or has `rote.core.checks` do it."""
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and node.exc and "ValueError" in ast.unparse(node.exc):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("require_"):
            return True
    return False


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_function_refuses_is_in_its_docstring(package: str) -> None:
    silent = [
        f"{path.relative_to(SRC)}: {function.name}"
        for path in sorted((SRC / package).rglob("*.py"))
        for function, around in functions(ast.parse(path.read_text()))
        if refuses(function) and "raises" not in f"{ast.get_docstring(function)} {around}".lower()
    ]
    assert not silent
