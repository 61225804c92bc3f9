"""Each mistake is one clear line and a non-zero exit, before any training."""

from pathlib import Path

import pytest
from tests.conftest import COMPOSER, TINY
from tests.inprocess import rote
from tests.site.planted import plant

from rote.cli.main import main
from rote.ledger.spec import Spec
from rote.ledger.store import Store

NAMES = ("sweep", "status", "report", "doctor", "compress", "audit")
TEXT = ["train", "task=text", "task/source=files", "task.length=64"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "precision=fp23"], "precision 'fp23' is not known. Did you mean 'fp32'?"),
        (["train", "task.num_sequnces=9"], "Did you mean 'task.num_sequences'?"),
        (["train", "+task.typo=9"], "key 'task.typo' is not known"),
        (["train", "task.num_sequences=-4"], "task.num_sequences must be a whole number from 1"),
        (["train", "size.num_heads=5"], "size.width=32 is not divisible by size.num_heads=5"),
        (["train", "+sweep=demo"], "a sweep needs -m"),
        (["train", "-m", "size=80k,81k"], "size '81k' is not known. Did you mean '80k'?"),
        (["train", "-m", "seed=0,1", "+typo=5"], "key 'typo' is not known"),
        (["train", "-m", "precision=fp23", "seed=0,1"], "fp23"),
        (["sweep", "dmo"], "sweep 'dmo' is not known. Did you mean 'demo'?"),
        (["sweep", "demo", "size=nope"], "size 'nope' is not known"),
        (["train", "budget.finish=lbfgs"], "is chosen from files: write budget/finish=lbfgs"),
        (["train", "optim.schedule=linear"], "is chosen from files: write optim/schedule=linear"),
        (["train", "task=text", "task.tokeniser=bpe"], "write task/tokeniser=bpe"),
        (["sweep", "demo", "seed="], "seed must be a whole number from 0 up, got ''"),
        (
            ["sweep", "text_demo", "host=slurm_multinode", "host.tasks_per_node=5", "log=none"],
            "10 processes (host.nodes x host.tasks_per_node) cannot share batches of 32",
        ),
        (
            ["sweep", "heads", "host=slurm_multinode", "host.tasks_per_node=4", "log=none"],
            "budget.finish trains in one process, not in 8",
        ),
        ([*TEXT, "task.source.paths=[x.txt]"], "no file is called 'x.txt'"),
        ([*TEXT, f"task.source.paths=[{__file__}]"], "is more than the train pool holds; windows"),
        (
            ["train", *TEXT[1:], f"task.source.paths=[{__file__}]", "-m"],
            "than the train pool holds",
        ),
        (
            ["train", "task=text", "task/source=huggingface", "task.source.repository=rote/none"],
            "cannot read 'rote/none' from the Hugging Face hub",
        ),
        (["train", "measure=[superset]"], "measure=superset: Uniform is no part of a larger set"),
        (["sweep", "demo", "--mode", "bogus"], "--mode must be one of cached, retry, repair"),
        (["fit", "demo", "--resamples", "-1"], "--resamples must be a whole number from 0 to"),
        (["status", "demo"], "launched sweep 'demo' is not known"),
        (["status", "--jsn"], "flag '--jsn' is not known. Did you mean '--json'?"),
        (["trian"], "command 'trian' is not known. Did you mean 'train'?"),
        (["status", "demo", "text"], "'text' is one word too many; see rote status --help"),
        (["audit", "model"], "give --members and --nonmembers, or --suite NAME FOLDER"),
        (["fit", "demo", "--law"], "--law must have a value"),
        (["fit", "demo", "--law", "size", "--law", "data"], "--law must be given once"),
        (
            ["fit", "demo", "--count", "all"],
            "--count must be one of total, non-embedding, got 'all'",
        ),
        (["logs", "demo"], "RUN_ID must be 16 hex digits"),
        (["report", "demo"], "launched sweep 'demo' is not known"),
        (["collect", "demo"], "launched sweep 'demo' is not known"),
    ],
)
def test_one_line_and_nothing_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.delenv("ROTE_OUTPUTS", raising=False)
    done = rote(tmp_path, *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("outputs/runs/*"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("question: [", "is not a sweep: while parsing"),
        ("grid: {filter: seed > 5}", "grid.filter must be a list of expressions"),
        ("grid: {product: [1]}", "grid.product must be keys with values"),
        ("fixed: [1]", "fixed must be keys with values"),
    ],
)
def test_a_sweep_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, text: str,
    told: str,
) -> None:  # fmt: skip
    (tmp_path / "sweeps").mkdir()
    whole = text if text.startswith("q") else f"question: none?\nreport: capacity\n{text}\n"
    (tmp_path / "sweeps" / "wrong.yaml").write_text(whole)
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "wrong"]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, name: str,
    content: str, told: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    plan = plant(tmp_path, Spec.from_config(COMPOSER.config(list(TINY))), name="own", num_runs=1)
    (Store(tmp_path).run(plan.run_ids[0]).path / name).write_text(content)
    assert main(["collect", "own"]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert plan.run_ids[0] in said
    assert said.count("\n") == 1


def test_a_plan_without_runs_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    (tmp_path / "sweeps" / "own").mkdir(parents=True)
    plain = '{"name": "own", "question": "?", "report": "capacity", "points": []}'
    (tmp_path / "sweeps" / "own" / "plan.json").write_text(plain)
    for command in ("status", "resume", "dashboard"):
        assert main([command, "own"]) == 2
        assert "plan.json is damaged: it holds no run" in capsys.readouterr().err


def test_status_shows_the_sound_sweeps_and_names_the_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    plant(tmp_path, Spec.from_config(COMPOSER.config(list(TINY))), name="sound", num_runs=1)
    (tmp_path / "sweeps" / "broken").mkdir()
    (tmp_path / "sweeps" / "broken" / "plan.json").write_text("{")
    assert main(["status"]) == 2
    said = capsys.readouterr()
    assert "sound" in said.out
    assert "broken/plan.json is damaged" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("words", [["sweep", "demo"], ["train", "size=demo_s"]])
def test_outputs_that_cannot_be_written_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "file" / "outputs"))
    done = rote(tmp_path, *words)
    assert done.returncode == 2
    assert f"cannot write to the outputs folder {tmp_path}/file/outputs" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


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


def test_doctor_finds_what_is_needed(tmp_path: Path) -> None:
    done = rote(tmp_path, "doctor")
    assert done.returncode == 0, done.stderr
    assert "bf16 in the processor" in done.stdout
