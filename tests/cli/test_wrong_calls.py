"""A hundred wrong calls: each is one line on standard error and exit code 2, and leaves nothing."""

from pathlib import Path

import pytest

from rote.cli.main import main

WRONG_WHOLE = ["0", "-1", "1.5", "nan", "inf", "-inf", "1e3", "many", "", " ", "\u0663", "9" * 5000]
OF_A_RUN = "0123456789abcdef"
AUDIT = ["audit", "model", "--members", "a.txt", "--nonmembers", "b.txt"]
COMMANDS = (
    "sweep", "status", "resume", "retry", "cancel", "collect", "report", "dashboard", "sync",
    "compare", "compress", "fit", "archive",
)  # fmt: skip
OPERANDS = {"compare": ["other"], "compress": ["file", "-o", "out"]}
CALLS: list[list[str]] = [
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
    [""], ["trian"], ["--bogus"], ["-q"], [], ["status", "--jsn"], ["status", "a", "b"],
    ["compare", "one"], ["compare"], ["sweep"], ["resume"], ["logs"], ["logs", "nosuchrun"],
    ["logs", ".."], ["logs", "../../etc"], ["completion"], ["completion", "tcsh"],
    ["report"], ["report", "a", "--all"], ["report", "demo", "--kind="], ["dashboard", "--kind="],
    ["report", "--kind", "capacity"], ["dashboard", "a", "--push", ""], ["fit"],
    ["fit", "none.csv"], ["fit", "x" * 300 + ".csv"], ["fit", "runs.csv", "--law", ""],
    ["fit", "runs.csv", "--law"], ["fit", "demo", "--count", "some"], ["sweep", "demo", "--mode="],
    ["sweep", "demo", ""], ["sweep", "demo", "--dry-runn"], ["sweep", "a/../demo"],
    ["sweep", "demo", "se ed=1"], ["status", "x" * 300], ["decompress", "run"],
    ["compress", OF_A_RUN], ["compress", OF_A_RUN, "-o", ""], ["collect", "a", "--from", ""],
    ["audit", "model"], [*AUDIT, "--accelerator", "tpu"], [*AUDIT, "--output", ""],
    [*AUDIT, "--field", ""], [*AUDIT, "--reference"], ["doctor", "extra"], ["serve", "--prt", "1"],
    ["train", "--lines"], ["train", ""], ["train", "seed"], ["train", "--cfg"], ["train", "-m", ""],
    ["train", "--cfg", "job", "-p", "nothing"], ["train", "--info", "x"], ["train", "seed=1,2"],
    ["train", "\x00=1"], ["train", "seed=\x1b[31m"], ["train", "size=80k,93k"],
]  # fmt: skip


@pytest.mark.parametrize(
    "words", CALLS, ids=lambda words: " ".join(words).encode("unicode_escape").decode()[:60]
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # put back after the test
    monkeypatch.setattr("sys.argv", ["rote"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").write_text("parameters,tokens,loss_nats\n1,2,3\n")
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.strip().isprintable()
    assert not list(tmp_path.glob("outputs/**/*.*"))


def test_there_are_a_hundred() -> None:
    assert len(CALLS) > 100
