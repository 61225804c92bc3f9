"""Each mistake is one clear line and a non-zero exit, before any training."""

from pathlib import Path

import pytest
from tests.conftest import Refused
from tests.inprocess import rote
from tests.site.planted import plant

from rote.cli.main import main
from rote.ledger.spec import Spec
from rote.ledger.store import Store

NAMES = ("sweep", "status", "report", "doctor", "compress", "audit")


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which commands use."""
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("question: [", "is not a sweep: while parsing"),
        ("grid: {filter: seed > 5}", "grid.filter must be a list of expressions"),
        ("grid: {filter: 5}", "grid.filter must be a list of expressions: [5]"),
        ("grid: {product: [1]}", "grid.product must be keys with values"),
        ("grid: {cases: {a: [5]}}", "grid.cases must hold settings, KEY: VALUE, got 5"),
        ("grid: {cases: {a: 5}}", "grid: a must have a list of values: 5"),
        ("grid: {zip: {log.group: ab, seed: [1, 2]}}", "grid: log.group must have a list of"),
        ("""grid: {product: {seed: [0]}, filter: ['measure["no"] == 1']}""", "'no'"),
        ("report: [capacity]", "report must name a kind of report: ['capacity']"),
        ("fixed: [1]", "fixed must be keys with values"),
    ],
)
def test_a_sweep_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused, text: str, told: str
) -> None:
    (tmp_path / "sweeps").mkdir()
    usual = {"question": "question: none?\n", "report": "report: capacity\n"}
    usual.pop(text.partition(":")[0], None)
    whole = text if text.startswith("q") else f"{''.join(usual.values())}{text}\n"
    (tmp_path / "sweeps" / "wrong.yaml").write_text(whole)
    monkeypatch.chdir(tmp_path)
    assert told in refused("sweep", "wrong")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("circumstances.json", '{"a', "circumstances.json is damaged"),
        ("circumstances.json", "{}", "is not what the run wrote"),
        ("curve.jsonl", '{"a\n', "curve.jsonl is damaged"),
        ("record.json", "{", "record.json is damaged"),
    ],
)
def test_a_damaged_file_of_a_run_is_named(
    outputs: Path, base: Spec, refused: Refused, name: str, content: str, told: str
) -> None:
    plan = plant(outputs, base, name="own", num_runs=1)
    (Store(outputs).run(plan.run_ids[0]).path / name).write_text(content)
    said = refused("collect", "own")
    assert told in said and plan.run_ids[0] in said


def test_a_plan_without_runs_is_damaged(outputs: Path, refused: Refused) -> None:
    (outputs / "sweeps" / "own").mkdir(parents=True)
    plain = '{"name": "own", "question": "?", "report": "capacity", "points": []}'
    (outputs / "sweeps" / "own" / "plan.json").write_text(plain)
    for command in ("status", "resume", "dashboard"):
        assert "plan.json is damaged: it holds no run" in refused(command, "own")


def test_status_shows_the_sound_sweeps_and_names_the_damaged_one(
    outputs: Path, base: Spec, capsys: pytest.CaptureFixture
) -> None:
    plant(outputs, base, name="sound", num_runs=1)
    (outputs / "sweeps" / "broken").mkdir()
    (outputs / "sweeps" / "broken" / "plan.json").write_text("{")
    assert main(["status"]) == 2
    said = capsys.readouterr()
    assert "sound" in said.out
    assert "broken/plan.json is damaged" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("words", [["sweep", "demo"], ["train", "size=demo_s"]])
def test_outputs_that_cannot_be_written_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused, words: list[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "file" / "outputs"))
    said = refused(*words)
    assert f"cannot write to the outputs folder {tmp_path}/file/outputs" in said


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], *([w, "--help"] for w in NAMES)]
)
def test_every_command_helps(tmp_path: Path, words: list[str]) -> None:
    done = rote(tmp_path, *words, "--help")
    assert done.returncode == 0
    assert "Usage: rote" in done.stdout


def test_hydras_own_flags_work(tmp_path: Path) -> None:
    done = rote(tmp_path, "train", "--cfg", "job", "size=535k")
    assert done.returncode == 0, done.stderr
    assert "num_layers: 8" in done.stdout


def test_doctor_finds_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").mkdir()  # a file that cannot be read
    monkeypatch.setenv("HOME", str(tmp_path))
    done = rote(tmp_path, "doctor")
    assert done.returncode == 0, done.stderr
    assert "bf16 in the processor" in done.stdout
