"""Jobs run the code that was sent: a copy, named by its content, checked before it is used."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.conftest import COMPOSER, TINY
from tests.site.planted import plant

from rote.cli.main import main
from rote.cluster import snapshot
from rote.cluster.snapshot import pack_snapshots, take_snapshot, unpack_snapshots
from rote.core import provenance
from rote.ledger.spec import Spec

MINE = "def answer():\n    return {}\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a module, a package with data, and what is none of either."""
    folder = tmp_path / "own"
    (folder / "package" / "__pycache__").mkdir(parents=True)
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "words.txt").write_text("apple")
    (folder / "package" / "__pycache__" / "old.pyc").write_text("x")
    (folder / "mine.py").write_text(MINE.format(1))
    (folder / "outputs").mkdir()
    (folder / "outputs" / "large.bin").write_text("data")
    (folder / ".hidden.py").write_text("secret")
    return folder


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def run(code: str, *folders: Path) -> str:
    """What a new interpreter prints that searches these folders first."""
    path = ":".join(map(str, folders))
    return subprocess.run(
        [sys.executable, "-P", "-c", code], env={"PYTHONPATH": path}, capture_output=True,
        text=True, check=True, cwd="/",
    ).stdout.strip()  # fmt: skip


def test_a_snapshot_holds_modules_and_packages_and_nothing_else(tmp_path: Path, own: Path) -> None:
    taken = take_snapshot(tmp_path / "code", [own])
    (place,) = map(Path, taken.own_modules)
    assert files(place) == {"mine.py", "package/__init__.py", "package/words.txt"}
    rote = files(taken.source / "rote")
    assert "cluster/snapshot.py" in rote
    assert not [name for name in rote if "__pycache__" in name]
    assert (taken.folder / "conf" / "train.yaml").exists()


def test_equal_code_is_copied_once_and_an_edit_makes_another(tmp_path: Path, own: Path) -> None:
    first = take_snapshot(tmp_path / "code", [own])
    written = (first.folder / "code.json").stat().st_mtime_ns
    assert take_snapshot(tmp_path / "code", [own]) == first
    assert (first.folder / "code.json").stat().st_mtime_ns == written
    (own / "mine.py").write_text(MINE.format(2))
    second = take_snapshot(tmp_path / "code", [own])
    assert second.digest != first.digest
    assert (Path(first.own_modules[0]) / "mine.py").read_text() == MINE.format(1)


def test_copies_that_nobody_uses_become_one_file_each(tmp_path: Path, own: Path) -> None:
    folder = tmp_path / "code"
    taken = take_snapshot(folder, [own])
    written = {name: (taken.folder / name).read_bytes() for name in files(taken.folder)}
    compiled = taken.source / "rote" / "__pycache__" / "x.pyc"
    compiled.parent.mkdir()
    compiled.write_text("x")
    assert pack_snapshots(folder) == 1
    assert files(folder) == {f"{taken.digest}.zip"}
    with ZipFile(folder / f"{taken.digest}.zip") as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == written
    assert pack_snapshots(folder) == 0
    assert unpack_snapshots(folder) == (1, [])
    assert {name: (taken.folder / name).read_bytes() for name in files(taken.folder)} == written
    assert {path.name for path in folder.iterdir()} == {taken.digest}
    assert take_snapshot(folder, [own]) == taken
    assert unpack_snapshots(folder) == (0, [])


@pytest.mark.parametrize("step", ["shutil.rmtree", "pathlib.Path.rename", "os.sync"])
def test_packing_and_unpacking_that_are_killed_lose_no_file(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = tmp_path / "code"
    copy = take_snapshot(folder, [own]).folder
    written = {name: (copy / name).read_bytes() for name in files(copy)}

    def killed(path: Path | None = None, *_: object, **__: object) -> None:
        if step == "shutil.rmtree":
            if path is None or not path.exists():
                return
            (path / "code.json").unlink()  # in the middle of it
        raise KeyboardInterrupt

    acts = (pack_snapshots, unpack_snapshots)
    for act in acts:
        with monkeypatch.context() as patched:
            patched.setattr(step, killed)
            with suppress(KeyboardInterrupt):
                act(folder)
    for act in acts:
        act(folder)
    assert {name: (copy / name).read_bytes() for name in files(copy)} == written


def test_a_packed_copy_that_cannot_be_read_stays_and_the_others_are_restored(
    tmp_path: Path, own: Path
) -> None:
    folder = tmp_path / "code"
    for number in range(3):
        (own / "mine.py").write_text(MINE.format(number))
        take_snapshot(folder, [own])
    pack_snapshots(folder)
    torn, escaping, _ = sorted(folder.iterdir())
    data = bytearray(torn.read_bytes())
    data[len(data) // 2] ^= 1
    torn.write_bytes(data)
    with ZipFile(escaping, "a") as packed:
        packed.writestr("../evil.py", "evil = 1")
    number, damaged = unpack_snapshots(folder)
    assert number == 1
    assert [line.partition(" is damaged")[0] for line in damaged] == [str(torn), str(escaping)]
    assert torn.exists()
    assert not (folder / "evil.py").exists()


def test_the_command_archives_and_restores_runs_with_their_code(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = tmp_path / "outputs"
    monkeypatch.setenv("ROTE_OUTPUTS", str(outputs))
    plant(outputs, Spec.from_config(COMPOSER.config(list(TINY))), name="many", num_runs=2)
    code = outputs / "sweeps" / "many" / "code"
    taken = take_snapshot(code, [own])
    before = {name: (outputs / name).read_bytes() for name in files(outputs)}
    run_id = next((outputs / "runs").iterdir()).name
    assert main(["archive", "many"]) == 0
    assert main(["logs", run_id]) == 2
    assert ".zip: rote archive NAME --restore" in capsys.readouterr().err
    assert files(code) == {f"{taken.digest}.zip"}
    assert main(["archive", "many", "--restore"]) == 0
    after = files(outputs) - {"archives/lock", "sweeps/many/lock"}
    assert {name: (outputs / name).read_bytes() for name in after} == before
    assert "1 copies of the code restored" in capsys.readouterr().out
    pack_snapshots(code)
    (code / f"{taken.digest}.zip").write_bytes(b"PK")
    assert main(["archive", "many", "--restore"]) == 2
    assert f"{taken.digest}.zip is damaged: File is not a zip file" in capsys.readouterr().err


def test_the_copy_is_imported_and_names_the_commit(tmp_path: Path, own: Path) -> None:
    taken = take_snapshot(tmp_path / "code", [own])
    said = json.loads(
        run(
            "import json, rote; from rote.core import provenance; "
            "print(json.dumps([rote.__file__, provenance.code()]))",
            taken.source,
        )
    )
    assert said[0].startswith(str(taken.source))
    assert said[1] == {**provenance.code(), "snapshot": taken.digest}


def test_a_package_that_is_edited_in_place_is_copied(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(own))
    taken = take_snapshot(tmp_path / "code", [], ["mine.answer", "rote.models.gpt.GPT", "torch.nn"])
    assert {path.name for path in taken.source.iterdir()} == {"rote", "mine.py"}
    (own / "mine.py").write_text(MINE.format(2))
    assert run("import mine; print(mine.answer())", taken.source, own) == "1"
    sys.modules.pop("mine", None)


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_copy_that_somebody_changed_is_not_used(tmp_path: Path, own: Path, change: str) -> None:
    taken = take_snapshot(tmp_path / "code", [own])
    path = taken.source / "rote" / "__main__.py"
    if change == "add":
        (path.parent / "evil.py").write_text("evil = 1")
    else:
        content = path.read_bytes()
        path.unlink()
        if change == "edit":
            path.write_bytes(content + b"\nevil = 1\n")
    with pytest.raises(ValueError, match="is not the code that its name says"):
        take_snapshot(tmp_path / "code", [own])


def test_a_module_with_a_mountain_of_data_is_refused(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match=r"take host\.code=live"):
        take_snapshot(tmp_path / "code", [own])
    assert not (tmp_path / "code").exists()
