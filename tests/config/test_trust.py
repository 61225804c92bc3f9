"""The allowlist: what conf/, ROTE_ALLOW, entry points and this process's own compositions name."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from tests.conftest import TINY

from rote.config import trust
from rote.config.build import build, import_targets, target_of
from rote.config.compose import Composer, groups
from rote.config.sweep import load_sweep, with_overrides
from rote.ledger.spec import Spec

PACKAGE = """
import os
import subprocess
from collections import OrderedDict

class Mine(OrderedDict):
    @classmethod
    def made(cls): return cls()

def make(): return 7

instance = make
os_system = os.system
"""


@pytest.fixture(autouse=True)
def _another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing was composed here yet, nothing is remembered, and there is a package of one's own."""
    monkeypatch.setattr(trust, "_composed", set())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ROTE_ALLOW", raising=False)
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text("from own_package.parts import Mine\n")
    (tmp_path / "own_package" / "parts.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.startswith("own_package")]:
        del sys.modules[name]


def is_allowed(target: Any) -> bool:
    try:
        trust.require_allowed({"model": {"_target_": target}})
    except ValueError:
        return False
    return True


def test_all_code_is_found() -> None:
    config = {
        "model": {"_target_": "a", "parts": [{"x": ({"_target_": "b"},)}]},
        "host.setup": ["c", "d"],
        "host": {"extra_sbatch": ["e"], "by_parameters": [{"setup": ["f"]}], "setup_seconds": "g"},
        "optim.optimiser._target_": "h",
        "text": ["${oc.env:HOME}"],
        "lr": 1.0,
    }
    assert list(trust.named_code(config)) == [
        ("_target_", "a"), ("_target_", "b"), ("setup", "c"), ("setup", "d"),
        ("extra_sbatch", "e"), ("setup", "f"), ("_target_", "h"), ("${", "${oc.env:HOME}"),
    ]  # fmt: skip


def test_whatever_conf_names_is_allowed_and_nothing_else_of_rote() -> None:
    choices = [f"{group}={name}" for group, names in groups().items() for name in names]
    assert len(choices) > 60
    assert is_allowed("rote.models.gpt.GPT") and is_allowed("torch.optim.AdamW")
    for target in ("rote.models.gpt.Block", "rote.io.write.write_text", "torch.optim.SGD", "", 1):
        assert not is_allowed(target), target


def test_a_file_that_was_added_to_conf_allows_what_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("_target_: own_package.Mine\n")
    (tmp_path / "conf" / "broken.yaml").write_text("a: [\n")
    monkeypatch.setattr(trust, "conf_folder", lambda: tmp_path / "conf")
    assert is_allowed("own_package.Mine")
    assert not is_allowed("own_package.parts.make")


@pytest.mark.parametrize(
    ("allowed", "target", "wanted"),
    [
        ("own_package", "own_package.Mine", True),
        ("own_package", "own_package.parts.Mine", True),
        ("own_package", "own_package.parts.Mine.made", True),
        ("own_package", "own_package.parts.make", True),
        ("own_package", "own_package.parts.instance", True),  # the same function
        ("own_package.parts", "own_package.parts.make", True),
        ("own_package.parts.make", "own_package.parts.make", True),
        ("other, own_package:third", "own_package.Mine", True),
        ("own_package", "own_package.nothing", True),  # `build` says that there is no such thing
        ("own_package", "own_package.parts.os.system", False),
        ("own_package", "own_package.parts.os_system", False),
        ("own_package", "own_package.parts.subprocess.run", False),
        ("own_package", "own_package.parts.OrderedDict", False),
        ("own_package", "own_package.parts.Mine.fromkeys", False),
        ("own_package", "own_package.parts.Mine.__subclasses__", False),
        ("own_package", "own_package.parts", False),
        ("own_pack", "own_package.Mine", False),
        ("own_package.parts.make", "own_package.Mine", False),
        ("", "own_package.Mine", False),
        (".", "own_package.Mine", False),
    ],
)
def test_what_is_defined_in_an_allowed_package_is_allowed(
    monkeypatch: pytest.MonkeyPatch, allowed: str, target: str, wanted: bool
) -> None:
    monkeypatch.setenv("ROTE_ALLOW", allowed)
    assert is_allowed(target) is wanted


def test_an_installed_package_allows_what_its_entry_points_name(tmp_path: Path) -> None:
    assert not is_allowed("own_package.Mine")
    metadata = tmp_path / "installed" / "own_package-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
    entry = "[rote.targets]\nmodels = own_package.parts:make\n"
    (metadata / "entry_points.txt").write_text(entry)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(tmp_path / "installed"))
        assert is_allowed("own_package.parts.make")
        assert not is_allowed("own_package.Mine")
    assert "own_package" not in sys.modules, "a name is enough: nothing was imported"


def test_nothing_is_built_or_imported_that_is_not_allowed() -> None:
    config = {"_target_": "own_package.Mine"}
    for ask in (build, target_of, import_targets):
        with pytest.raises(ValueError, match=r"names _target_=own_package\.Mine, which is not"):
            ask(config)
    assert "own_package" not in sys.modules
    with pytest.raises(ValueError, match=r"own_package\.Mine"):
        build({"_target_": "rote.models.gpt.GPT", "deep": [config]})


def test_an_error_of_a_constructor_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"rote\.tasks\.uniform\.Uniform.*TypeError") as caught:
        build({"_target_": "rote.tasks.uniform.Uniform", "lenght": 3})
    assert "\n" not in str(caught.value)


def test_a_function_may_make_a_model_of_a_class_that_nobody_names(tmp_path: Path) -> None:
    text = "class Model:\n    def __call__(self): ...\n\ndef make(): return Model()\n"
    (tmp_path / "own_package" / "made.py").write_text(text)
    Composer().config(["model._target_=own_package.made.make"])
    assert type(build({"_target_": "own_package.made.make"})).__name__ == "Model"


def test_what_this_process_composed_is_allowed() -> None:
    assert not is_allowed("own_package.Mine")
    Composer().config(["model._target_=own_package.Mine"])
    assert is_allowed("own_package.Mine") and not is_allowed("own_package.parts.make")


def test_the_command_line_of_a_sweep_allows_what_it_names() -> None:
    changes = [
        "model._target_=own_package.a,own_package.b", "task.source={_target_: own_package.c}",
        "grid.zip={optim.optimiser._target_: [own_package.d], seed: [0]}",
    ]  # fmt: skip
    with_overrides(load_sweep("demo"), changes)
    assert all(is_allowed(f"own_package.{name}") for name in "ad")
    assert all(is_allowed(f"own_package.{name}") for name in "bc")


def own_spec(*overrides: str) -> Spec:
    return Spec.from_config(Composer().config([*TINY, *overrides]))


@pytest.mark.parametrize(
    "override",
    [
        "model._target_=own_package.Mine",
        "host.setup=['module load cuda']",
        "host.extra_sbatch=['mail-type=FAIL']",
    ],
)
def test_what_was_composed_is_remembered_to_the_last_key(
    override: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = ["host=slurm"] if override.startswith("host") else []
    spec = own_spec(*host, override)
    trust.remember([spec])
    monkeypatch.setattr(trust, "_composed", set())
    text = OmegaConf.to_yaml(OmegaConf.create({"what": spec.what, "how": spec.how}))
    read = Spec(**OmegaConf.to_container(OmegaConf.create(text)))  # type: ignore[arg-type]
    other = Spec(what={**spec.what, "seed": 8}, how=spec.how)
    with pytest.raises(ValueError, match=r"^spec.yaml "):
        trust.require_own([other], "spec.yaml")
    trust.require_own([read], "spec.yaml")
    assert (tmp_path / "state" / "rote" / "composed").stat().st_mode & 0o777 == 0o600


def test_what_needs_no_memory_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust.remember([own_spec()])
    monkeypatch.setenv("ROTE_ALLOW", "own_package")
    trust.remember([own_spec("model._target_=own_package.Mine")])
    assert not (tmp_path / "state").exists()


def test_a_state_folder_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file")
    spec = own_spec("model._target_=own_package.Mine")
    trust.remember([spec])
    monkeypatch.setattr(trust, "_composed", set())
    with pytest.raises(ValueError, match="ROTE_ALLOW=own_package"):
        trust.require_own([spec], "spec.yaml")
