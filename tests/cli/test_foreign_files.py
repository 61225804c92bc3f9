"""Runs, plans and sweeps from somebody else run no code: each attack would leave a mark."""

import copy
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf
from tests.conftest import TINY, Refused
from tests.site.planted import CIRCUMSTANCES, record_of

from rote.cli.main import main
from rote.cluster.plan import Plan, Point, plan_path
from rote.config.compose import Composer
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store
from rote.tracking import repair

MODULE = "import pathlib\npathlib.Path({mark!r}).touch()\ndef thing(**_): ...\n"


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Appears where any of the attacks succeeds; the current folder is somebody else's."""
    path = tmp_path / "mark"
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "evil.py").write_text(MODULE.format(mark=str(path)))
    (tmp_path / "foreign" / "evil.pkl").write_bytes(pickle.dumps(Touches(path)))
    monkeypatch.chdir(tmp_path / "foreign")
    monkeypatch.syspath_prepend(str(tmp_path / "foreign"))
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SECRET", str(path))
    monkeypatch.delenv("ROTE_ALLOW", raising=False)
    yield path
    assert not path.exists(), "somebody else's code was run"


@pytest.fixture(scope="module")
def tiny() -> Spec:
    """What the attacks begin with: a sound run."""
    return Spec.from_config(Composer().config([*TINY]))


class Touches:
    """Unpickled, it leaves the mark."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def attacks(mark: Path) -> dict[str, dict[str, Any]]:
    """By the target that a line must name."""
    nodes: list[dict[str, Any]] = [
        {"_target_": "builtins.open", "file": str(mark), "mode": "w"},
        {"_target_": "builtins.exec", "_args_": [f"open({str(mark)!r}, 'w')"]},
        {"_target_": "sympy.sympify", "a": f"open({str(mark)!r}, 'w')"},
        {"_target_": "numpy.load", "file": "evil.pkl", "allow_pickle": True},
        {"_target_": "torch.load", "f": "evil.pkl", "weights_only": False},
        {"_target_": "pandas.read_pickle", "filepath_or_buffer": "evil.pkl"},
        {"_target_": "torch.hub.load", "repo_or_dir": ".", "source": "local", "model": "thing"},
        {"_target_": "shutil.copyfile", "src": "evil.pkl", "dst": str(mark)},
        {"_target_": "pathlib.Path.touch", "_args_": [str(mark)]},
        {"_target_": "os.system", "command": f"touch {mark}"},
        {"_target_": "subprocess.run", "args": ["touch", str(mark)]},
        {"_target_": "hydra.utils.get_method", "path": "evil.thing"},
        {"_target_": "hydra.utils.instantiate", "_recursive_": False},
        {"_target_": "functools.partial", "_args_": [{"_target_": "os.system"}]},
        {"_target_": "evil.thing"},
        {"_target_": "evil"},
        {"_target_": "rote.io.write.os.system", "command": f"touch {mark}"},
        {"_target_": "rote.core.provenance.subprocess.run", "args": ["touch", str(mark)]},
        {"_target_": "rote.io.write.write_text", "path": str(mark), "text": ""},
        {"_target_": "rote.io.write.write_text.__globals__.get", "_args_": ["os"]},
        {"_target_": "rote.config.build.build", "config": {"_target_": "evil.thing"}},
        {"_target_": "rote.config.build.import_targets", "config": {"_target_": "evil.thing"}},
        {"_target_": "rote.config.trust.allow", "config": {"_target_": "os.system"}},
        {"_target_": "rote.cli.main.os.system", "command": f"touch {mark}"},
        {"_target_": "rote.cli.main.main", "arguments": ["status"]},
        {"_target_": "rote.optim.schedules.cosine.__class__"},
        {"_target_": "torch.optim.SGD", "lr": 1.0},  # harmless, but nobody named it
        {"_target_": ".os.system"},
        {"_target_": "${oc.env:SECRET}"},
        {"_target_": 7},
        {"_target_": ["os.system"]},
    ]
    return {str(node["_target_"]).strip("[]'"): node for node in nodes}


NAMES = list(attacks(Path("mark")))
PLACES = (
    "what.task", "what.task.inner", "what.model", "what.optim.optimiser", "what.optim.schedule",
    "what.budget.saturation", "what.precision", "what.measure.cost", "what.control.dropout",
    "how.host", "how.host.by_parameters", "how.log.observers.wandb",
)  # fmt: skip


def changed(spec: Spec, place: str, value: Any) -> dict[str, Any]:
    """The spec as a plain dictionary with something else in one place."""
    plain = {"what": copy.deepcopy(dict(spec.what)), "how": copy.deepcopy(dict(spec.how))}
    *path, last = place.split(".")
    node: Any = plain
    for key in path:
        node = node.setdefault(key, {})
    node[last] = value
    return plain


def finished(outputs: Path, base: Spec, plain: dict[str, Any]) -> RunFolder:
    """A run that says it is done and has kept a model."""
    spec = Spec(**plain)
    run = Store(outputs).run(spec.run_id)
    run.begin(spec)
    run.weights_path.write_bytes(b"weights")
    run.finish(record_of(base, 0), {}, CIRCUMSTANCES)
    return run


def planned(outputs: Path, plain: dict[str, Any]) -> Path:
    """A sweep of one run, as `rote sweep` leaves it."""
    spec = Spec(**plain)
    point = Point(run_id=spec.run_id, spec=spec, parameters=1, max_flops=1.0)
    Plan(name="theirs", question="?", report="capacity", points=(point,)).save(outputs)
    return plan_path(outputs, "theirs")


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_names_no_code(mark: Path, tiny: Spec, refused: Refused, name: str) -> None:
    node = attacks(mark)[name]
    Path("spec.yaml").write_text(OmegaConf.to_yaml(changed(tiny, "what.model", node)))
    said = refused("train", "--spec", "spec.yaml")
    assert name in said and "spec.yaml" in said
    assert not list(mark.parent.glob("outputs/runs/*"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("key", "value"),
    [("_target_", "evil.thing"), ("extra", [{"deep": [{"_target_": "evil.thing"}]}])],
    ids=["itself", "deep inside"],
)
def test_a_target_is_found_anywhere_in_a_spec(
    mark: Path, tiny: Spec, refused: Refused, place: str, key: str, value: Any
) -> None:
    plain = changed(tiny, f"{place}.{key}", value)
    Path("spec.yaml").write_text(OmegaConf.to_yaml(plain))
    said = refused("train", "--spec", "spec.yaml")
    assert "evil.thing" in said and "spec.yaml" in said


@pytest.mark.parametrize("place", ["what.model", "what.task", "how.host", "how.log.observers.own"])
def test_a_run_of_somebody_else_is_neither_audited_nor_used_to_compress(
    mark: Path, tiny: Spec, refused: Refused, place: str
) -> None:
    node = {"_target_": "builtins.open", "file": str(mark), "mode": "w"}
    run = finished(mark.parent / "theirs", tiny, changed(tiny, place, node))
    Path("m.txt").write_text("a document\n")
    sides = ("--members", "m.txt", "--nonmembers", "m.txt")
    for words in (
        ("audit", str(run.path), *sides),
        ("compress", str(run.path), "m.txt", "-o", "out.rote"),
    ):
        said = refused(*words)
        assert "builtins.open" in said and str(run.spec_path) in said
    assert not Path("out.rote").exists()


@pytest.mark.parametrize("command", ["resume", "retry"])
@pytest.mark.parametrize(
    ("place", "node", "told"),
    [
        ("how.host", {"_target_": "sympy.sympify", "a": "1"}, "sympy.sympify"),
        ("how.host", {"_target_": "evil.thing"}, "evil.thing"),
        ("how.log.observers.own", {"_target_": "evil.thing"}, "evil.thing"),
        ("what.model", {"_target_": "evil.thing"}, "evil.thing"),
        ("how.host", {"setup": ["touch mark"]}, "setup='touch mark'"),
        ("how.host.by_parameters", [{"up_to_parameters": None, "setup": ["touch m"]}], "touch m"),
        ("how.host.extra_sbatch", ["export=ALL,BASH_ENV=evil.sh"], "BASH_ENV=evil.sh"),
        ("how.log.group", "${oc.env:SECRET}", "${oc.env:SECRET}"),
    ],
)
def test_a_plan_of_somebody_else_names_no_code(
    mark: Path, tiny: Spec, refused: Refused, command: str, place: str, node: Any, told: str
) -> None:
    path = planned(mark.parent / "outputs", changed(tiny, place, node))
    said = refused(command, "theirs")
    assert told in said and str(path) in said
    assert not (path.parent / "jobs.json").exists()
    assert main(["status", "theirs"]) == 0  # nothing is built to look at it


@pytest.mark.parametrize("tag", ["os.system ['touch mark']", "evil.thing []", "eval ['1']"])
def test_a_yaml_tag_makes_no_object(mark: Path, refused: Refused, tag: str) -> None:
    name, _, arguments = tag.partition(" ")
    text = f"what: !!python/object/apply:{name} {arguments}\nhow: {{}}\n"
    Path("spec.yaml").write_text(text)
    assert "spec.yaml is damaged" in refused("train", "--spec", "spec.yaml")


def test_a_spec_reads_no_environment(mark: Path, tiny: Spec, refused: Refused) -> None:
    plain = changed(tiny, "how.log.question", "${oc.env:SECRET}")
    Path("spec.yaml").write_text(json.dumps(plain))
    said = refused("train", "--spec", "spec.yaml")
    assert "spec.yaml holds the interpolation '${oc.env:SECRET}'" in said
    assert os.environ["SECRET"] not in said


@pytest.mark.parametrize("reader", ["pandas", "webdataset", "hdf5", "evil"])
def test_text_is_read_through_no_reader_that_may_unpickle(
    mark: Path, tiny: Spec, refused: Refused, reader: str
) -> None:
    source = {
        "_target_": "rote.tasks.text.hub.HuggingFace", "repository": reader, "name": None,
        "split": "train", "revision": None, "field": "text", "data_files": ["evil.pkl"],
        "max_documents": None,
    }  # fmt: skip
    text = Composer().config(["task=text"])["task"]
    plain = changed(tiny, "what.task", {**text, "source": source})
    Path("spec.yaml").write_text(OmegaConf.to_yaml(plain))
    assert f"repository={reader!r} is neither owner/name" in refused("train", "--spec", "spec.yaml")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("fixed: {model._target_: evil.thing}", "evil.thing"),
        ("fixed: {task.source: {_target_: evil.thing}, task: text}", "evil.thing"),
        ("fixed: {host: slurm, host.setup: [touch mark]}", "touch mark"),
        ("grid: {product: {optim.optimiser._target_: [torch.optim.AdamW, evil.thing]}}", "evil."),
        ("grid: {cases: {a: [{model._target_: evil.thing}]}}", "evil.thing"),
        ("""grid: {product: {seed: [0]}, derive: {model._target_: "'ev' + 'il.thing'"}}""", "evil"),
        ("fixed: {log.group: '${oc.env:SECRET}'}", "oc.env:SECRET"),
    ],
)
def test_a_sweep_file_of_the_current_folder_names_no_code(
    mark: Path, refused: Refused, settings: str, told: str
) -> None:
    Path("sweeps").mkdir()
    text = f"question: '?'\nreport: capacity\n{settings}\n"
    Path("sweeps/theirs.yaml").write_text(text)
    said = refused("sweep", "theirs", "--dry-run")
    assert told in said and "sweep 'theirs'" in said


def test_a_wandb_mirror_of_somebody_else_is_not_built(
    mark: Path, tiny: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "logs", lambda folder: [folder])
    monkeypatch.setattr(repair, "is_complete", lambda path: False)
    log = SimpleNamespace(summary={}, config={"epoch_tokens": 1})
    monkeypatch.setattr(repair, "read_log", lambda path: log)
    node = {"_target_": "evil.thing"}
    run = finished(mark.parent, tiny, changed(tiny, "how.log.observers.wandb", node))
    with pytest.raises(ValueError, match=r"spec.yaml names _target_=evil\.thing"):
        repair.repair(run)
