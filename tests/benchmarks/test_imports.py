"""Benchmarks name what the package has: most of them are too slow to run as tests."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_of_the_package_is_there(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "rote":
            module = import_module(str(node.module))
            for each in node.names:
                is_module = hasattr(module, "__path__") and find_spec(f"{node.module}.{each.name}")
                assert hasattr(module, each.name) or is_module, f"{node.module}.{each.name}"
