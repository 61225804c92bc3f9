"""Wrong calls: each is one line on standard error and exit code 2, and leaves nothing."""

from pathlib import Path

import pytest
from tests.conftest import Refused

from rote.cli.main import main

WRONG_WHOLE = ["0", "-1", "1.5", "nan", "inf", "-inf", "1e3", "many", "", " ", "\u0663", "9" * 5000]
OF_A_RUN = "0123456789abcdef"
TEXT = ["train", "task=text", "task/source=files", "task.length=64"]
AUDIT = ["audit", "model", "--members", "a.txt", "--nonmembers", "b.txt"]
COMMANDS = (
    "sweep", "status", "resume", "retry", "cancel", "collect", "report", "dashboard", "sync",
    "compare", "compress", "fit", "archive",
)  # fmt: skip
OPERANDS = {"compare": ["other"], "compress": ["file", "-o", "out"]}
EXPLAINED: list[tuple[list[str], str]] = [
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
    (["dashboard", "--html"], "--html draws the runs of a sweep"),
    (["dashboard", "a", "--html", "--push", "a/b"], "--push and --html exclude each other"),
    (["dashboard", "a", "--html", "--all"], "--all is without --kind and --html"),
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
    (["plan"], "nothing is asked: give --flops"),
    (["plan", "--flops", "lots"], "--flops must be a number like 1.5b"),
    (["plan", "--flops", "10", "--params", "1m"], "do not pay for one window"),
    (["plan", "--max-f1", "0.4"], "--max-f1 is above 0.5"),
    (["plan", "--max-exposure", "20"], "nothing is known of exposure"),
    (["plan", "--max-extraction", "0.01"], "--max-extraction needs a fitted law of p_z"),
    (["plan", "--max-extraction", "2"], "--max-extraction is between 0 and 1, got 2"),
    (["plan", "--from", "nothing", "--flops", "1e9"], "launched sweep 'nothing' is not known"),
    (["fit", "nothing"], "launched sweep 'nothing' is not known"),
    (["fit", "none.csv"], "none.csv is not a table"),
    (["fit", "runs.csv", "--law", "chinchila"], "law 'chinchila' is not known"),
    (["fit", "demo", "--columns", "parameters=N"], "--columns maps those of a CSV"),
]
OTHERS: list[list[str]] = [
    *[["logs", OF_A_RUN, "--lines", text] for text in WRONG_WHOLE],
    *[["sync", "--jobs", text] for text in WRONG_WHOLE],
    *[["fit", "runs.csv", "--resamples", text] for text in WRONG_WHOLE if text != "0"],
    *[["serve", "--port", text] for text in ("-1", "65536", "http", "1.0", "\u0968")],
    *[[*AUDIT, "--max-tokens", text] for text in WRONG_WHOLE],
    *[[*AUDIT, "--seed", text] for text in ("-1", "x", str(2**64))],
    *[[*AUDIT, "--start-token", text] for text in ("-1", "x", str(2**40))],
    *[[command, "", *OPERANDS.get(command, [])] for command in COMMANDS],
    *[[command, "a\x1b[31mb", *OPERANDS.get(command, [])] for command in COMMANDS],
    *[["plan", "--flops", text] for text in ("0", "-1", "nan", "inf", "1e999", "lots", "1,5")],
    ["plan", "--flops", "\u0661"],
    *[["plan", "--params", text] for text in (",", "1m,", "x", "-3")],
    *[["plan", "--flops", "1e20", "--count", text] for text in ("", "all")],
    ["plan", "--flops", "1e20", "--from", ""],
    [""], ["--bogus"], ["-q"], [], ["status", "a", "b"],
    ["compare", "one"], ["compare"], ["sweep"], ["resume"], ["logs"], ["logs", "nosuchrun"],
    ["logs", ".."], ["logs", "../../etc"], ["completion"], ["completion", "tcsh"],
    ["report"], ["report", "a", "--all"], ["report", "demo", "--kind="], ["dashboard", "--kind="],
    ["report", "--kind", "capacity"], ["dashboard", "a", "--push", ""], ["fit"],
    ["fit", "x" * 300 + ".csv"], ["fit", "runs.csv", "--law", ""],
    ["fit", "runs.csv", "--law"], ["fit", "demo", "--count", "some"], ["sweep", "demo", "--mode="],
    ["sweep", "demo", ""], ["sweep", "demo", "--dry-runn"], ["sweep", "a/../demo"],
    ["sweep", "demo", "se ed=1"], ["status", "x" * 300], ["decompress", "run"],
    ["compress", OF_A_RUN], ["compress", OF_A_RUN, "-o", ""], ["collect", "a", "--from", ""],
    [*AUDIT, "--accelerator", "tpu"], [*AUDIT, "--output", ""],
    [*AUDIT, "--field", ""], [*AUDIT, "--reference"], ["doctor", "extra"], ["serve", "--prt", "1"],
    ["train", "--lines"], ["train", ""], ["train", "seed"], ["train", "--cfg"], ["train", "-m", ""],
    ["train", "--info", "x"], ["train", "seed=1,2"],
    ["train", "\x00=1"], ["train", "seed=\x1b[31m"], ["train", "size=80k,93k"],
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"), [*EXPLAINED, *((words, "") for words in OTHERS)],
    ids=lambda each: str(each)[:60],
)  # fmt: skip
def test_a_wrong_call_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Refused,
    words: list[str],
    told: str,
) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # put back after the test
    monkeypatch.setattr("sys.argv", ["rote"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").write_text("parameters,tokens,loss_nats\n1,2,3\n")
    said = refused(*words)
    assert told in said
    assert said.strip().isprintable()
    # What is explained may have prepared a corpus.
    assert not list(tmp_path.glob("outputs/runs/*" if told else "outputs/**/*.*"))


def test_what_hydra_says_of_a_package_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # put back after the test
    monkeypatch.setattr("sys.argv", ["rote"])
    assert main(["train", "--cfg", "job", "-p", "nothing"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
