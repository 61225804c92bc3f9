"""Modules of a chosen folder are found behind all others, and never in the place of one."""

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from rote.core import own_modules
from rote.core.own_modules import import_from, is_importable, is_module_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Modules of one's own beside such as must not be found."""
    texts = {
        "own_model.py": "from own_layers import layer\nmodel = layer\n",
        "own_layers.py": "layer = 7\n",
        "own_package/__init__.py": "",
        "own_package/parts.py": "part = 8\n",
        "own_data/rows.txt": "a folder of data\n",
        "random.py": "raise AssertionError('imported in the place of Python's own')\n",
        "hydra_plugins/theirs.py": "raise AssertionError('a plugin of somebody else')\n",
        "theirs-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n",
        "theirs-1.0.dist-info/entry_points.txt": "[rote.targets]\nall = os\n",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(own_modules._finder, "folders", [])
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0].startswith("own_")]:
        del sys.modules[name]


def test_nothing_is_found_before_the_folder_is_chosen(folder: Path) -> None:
    assert is_module_of(folder, "own_model.Model")
    assert not is_importable("own_model.Model")


def test_modules_packages_and_what_they_import_are_found(folder: Path) -> None:
    import_from(folder)
    assert is_importable("own_model.Model") and is_module_of(folder, "own_model.Model")
    assert import_module("own_model").model == 7
    assert import_module("own_package.parts").part == 8
    assert is_module_of(folder, "own_package.parts.Part"), "also once it is imported"


def test_what_is_installed_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_module_of(folder, "random.Random")
    import_from(folder)
    monkeypatch.delitem(sys.modules, "random")
    found = find_spec("random")
    assert found is not None and str(folder) not in str(found.origin)


def test_a_folder_of_data_is_no_module(folder: Path) -> None:
    import_from(folder)
    assert find_spec("own_data") is None
    assert not is_module_of(folder, "own_data.rows")


def test_plugins_and_entry_points_of_the_folder_are_not_found(folder: Path) -> None:
    import_from(folder)
    import hydra_plugins

    assert str(folder / "hydra_plugins") not in list(hydra_plugins.__path__)
    assert "os" not in [one.value for one in entry_points(group="rote.targets")]


@pytest.mark.parametrize("target", ["", ".x", "7", "own model", "../own_model", "nothing.there"])
def test_what_is_no_name_is_not_found(folder: Path, target: str) -> None:
    import_from(folder)
    assert not is_module_of(folder, target) and not is_importable(target)
