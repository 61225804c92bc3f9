"""Names and paths that files or commands give lead nowhere else; text from files is only text."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from socket import gethostname

import pytest

from rote.cluster import queue
from rote.cluster.journal import Journal
from rote.cluster.launching import cancel
from rote.cluster.liveness import WORKER, sent_jobs
from rote.io.read import printable
from rote.site.site import build_site
from tests.damage import world
from tests.damage.conftest import Rote

BAD_NAMES = ("", ".", "..", "../own", "a/b", "/etc", "own\x1b[2J", "x" * 300)
TAKE_A_SWEEP = (
    ["status", "{}"], ["collect", "{}"], ["report", "{}"], ["compare", "{}", "own"],
    ["compare", "own", "{}"], ["fit", "{}"], ["plan", "--from", "{}", "--flops", "1e15"],
    ["resume", "{}"], ["retry", "{}"], ["repair", "{}"], ["cancel", "{}"], ["dashboard", "{}"],
    ["sync", "{}", "--dry-run"],
)  # fmt: skip
TAKE_A_RUN = (
    ["logs", "{}"],
    ["compress", "{}", "sweeps/own.yaml", "-o", "own.rote"],
    ["audit", "{}", "--members", "sweeps/own.yaml", "--nonmembers", "sweeps/own.yaml"],
)


def files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize("words", [*TAKE_A_SWEEP, *TAKE_A_RUN], ids=lambda words: " ".join(words))
def test_a_name_that_is_a_path_is_bad_input(outputs: Path, rote: Rote, words: list[str]) -> None:
    before = files(outputs.parent)
    for name in BAD_NAMES:
        assert rote(*[word.format(name) for word in words]).code == 2, name
    assert files(outputs.parent) == before


@pytest.mark.parametrize("name", ["../../stolen", "/tmp/stolen", "other", "", "a\nb"])
def test_a_plan_of_another_name_than_its_folder_is_damaged(
    outputs: Path, rote: Rote, name: str
) -> None:
    path = outputs / "sweeps" / "own" / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": name}))
    before = files(outputs.parent)
    for words in (["report", "own"], ["collect", "own"], ["fit", "own"], ["resume", "own"]):
        said = rote(*words)
        assert said.code == 2
        assert "own/plan.json is damaged: it is of sweep" in said.err
    assert files(outputs.parent) == before
    assert not (outputs.parent.parent / "stolen").exists()


def note_log(outputs: Path, log: str) -> str:
    run = world.run_of(outputs, 3)
    path = run.path / "worker.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "log": log}))
    return run.run_id


@pytest.mark.parametrize("way", ["a path", "a link", "a relative path"])
def test_a_log_outside_of_the_outputs_is_not_shown(outputs: Path, rote: Rote, way: str) -> None:
    secret = outputs.parent / "secret.txt"
    secret.write_text("the secret\n")
    link = outputs / "link.err"
    link.symlink_to(secret)
    told = {"a path": str(secret), "a link": str(link), "a relative path": "secret.txt"}[way]
    said = rote("logs", note_log(outputs, told))
    assert said.code == 2
    assert "lies outside of" in said.err
    assert "the secret" not in said.out + said.err
    site = build_site(outputs).index.parent
    assert not any("the secret" in path.read_text() for path in site.rglob("*.js"))


def test_a_report_that_links_elsewhere_is_not_copied_into_the_site(
    outputs: Path, rote: Rote
) -> None:
    secret = outputs.parent / "secret.html"
    secret.write_text("the secret")
    page = outputs / "reports" / "own" / "report.html"
    page.unlink()
    page.symlink_to(secret)
    said = rote("report", "--all")
    assert said.code == 0
    assert "report.html is damaged: it lies outside of" in said.out
    assert not any("the secret" in path.read_text() for path in outputs.rglob("site/**/*.html"))


def test_a_list_of_pages_deletes_nothing_elsewhere(outputs: Path, rote: Rote) -> None:
    kept = [outputs.parent / "kept.txt", outputs / "runs" / "kept.txt"]
    for path in kept:
        path.write_text("kept")
    made = outputs / "site" / "made.json"
    names = ["../../kept.txt", str(kept[0]), "../runs/kept.txt"]
    made.write_text(json.dumps(dict.fromkeys(names, "")))
    assert rote("report", "--all").code == 0
    assert all(path.exists() for path in kept)


def test_what_a_terminal_would_carry_out_is_not_printed(outputs: Path, rote: Rote) -> None:
    evil = "\x1b]0;title\x07\x1b[2J[/red]:smile: \x9b31mred"
    log = outputs / "sweeps" / "own" / "jobs" / world.UID / "71_0_log.err"
    log.write_text(f"{evil}\n")
    world.run_of(outputs, 2).fail(evil, evil, {})
    path = outputs / "sweeps" / "own" / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "question": evil}))
    ids = [world.run_of(outputs, index).run_id for index in (2, 3)]
    for words in (["status"], ["status", "own"], *(["logs", run_id] for run_id in ids)):
        said = rote(*words)
        assert said.code == 0
        assert "[/red]:smile:" in said.out
        assert not set("\x1b\x07\x9b") & set(said.out)
    assert printable("a\x1b[31mb\x1b]8;;http://x\x1b\\c\td\n") == "abc\td\n"


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen]]:
    """Ended at the end, whatever became of them."""
    started: list[subprocess.Popen] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def name_a_job(outputs: Path, pid: int, *, asked_unix_seconds: float) -> Path:
    """In the journal of "own", as if a worker of it had this number; returns its folder."""
    path = outputs / "sweeps" / "own" / "jobs.json"
    content = json.loads(path.read_text())
    content["submissions"][0] |= {
        "host": gethostname(), "jobs": {str(pid): []}, "time_unix_seconds": asked_unix_seconds,
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path.parent / "jobs" / world.UID


def sleeping(*words: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words])


@pytest.mark.parametrize(
    ("words", "hours_too_late", "is_ended"),
    [
        ([WORKER.strip(), "{folder}"], 0, True),
        ([WORKER.strip(), "{folder}"], 2, False),  # begun before it was asked for
        (["{folder}"], 0, False),  # somebody reads its logs
        ([WORKER.strip(), "{folder}/71_0_log.err"], 0, False),
        ([WORKER.strip(), "/elsewhere/jobs/" + world.UID], 0, False),
        ([], 0, False),
    ],
)
def test_only_a_worker_of_the_sweep_is_ended(
    outputs: Path, rote: Rote, processes: list[subprocess.Popen], words: list[str],
    hours_too_late: float, is_ended: bool,
) -> None:  # fmt: skip
    folder = outputs / "sweeps" / "own" / "jobs" / world.UID
    process = sleeping(*[word.format(folder=folder) for word in words])
    processes.append(process)
    name_a_job(outputs, process.pid, asked_unix_seconds=time.time() + 3600 * hours_too_late)
    assert f"{int(is_ended)} jobs cancelled" in rote("cancel", "own").out
    if is_ended:
        assert process.wait(10) == -15
    else:
        time.sleep(0.1)
        assert process.poll() is None


@pytest.mark.parametrize("pid", ["0", "-1", "1 2", "--help", "99999999999999999999", "1;2"])
def test_what_is_no_number_of_a_process_is_never_signalled(
    outputs: Path, rote: Rote, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("somebody was signalled"))
    path = outputs / "sweeps" / "own" / "jobs.json"
    content = json.loads(path.read_text())
    content["submissions"][0] |= {"host": gethostname(), "jobs": {pid: []}}
    path.write_text(json.dumps(content))
    for command in ("cancel", "sweep"):
        said = rote(command, "own")
        assert said.code == 2
        assert "jobs.json is damaged" in said.err


def slurm_says(monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[list[str]]:
    """What squeue answers; returns the orders that are given."""
    orders: list[list[str]] = []

    def ask(command: list[str], timeout_seconds: float) -> str:
        orders.append(command)
        return "\n".join(lines) if command[0] == "squeue" else ""

    monkeypatch.setattr(queue, "_ask", ask)
    return orders


def on_slurm(outputs: Path, *jobs: str) -> None:
    path = outputs / "sweeps" / "own" / "jobs.json"
    content = json.loads(path.read_text())
    run_ids = [world.run_of(outputs, index).run_id for index in (2, 3)]
    content["submissions"][0] |= {"host": "slurm", "jobs": dict.fromkeys(jobs, run_ids)}
    content["submissions"][0]["time_unix_seconds"] = 2e9  # after the failure
    path.write_text(json.dumps(content))


def test_only_jobs_that_slurm_knows_as_the_sweeps_are_cancelled(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_slurm(outputs, "97_0", "12345")
    orders = slurm_says(
        monkeypatch,
        f"97|0|RUNNING|0|None|rote submission={world.UID}",
        "12345|N/A|RUNNING|0|None|rote submission=ba9876543210",
    )
    assert [job.job_id for job in cancel(outputs, "own")] == ["97_0"]
    assert orders[-1] == ["scancel", "97"]


@pytest.mark.parametrize(
    ("state", "reason", "is_held"),
    [
        ("PENDING", "launch failed requeued held", True),
        ("PENDING", "JobHeldUser", True),
        ("PENDING", "JobHoldMaxRequeue", True),
        ("REQUEUE_HOLD", "None", True),
        ("PENDING", "Priority", False),
        ("RUNNING", "None", False),
    ],
)
def test_for_a_job_that_slurm_holds_it_is_said_what_to_type(
    outputs: Path, rote: Rote, monkeypatch: pytest.MonkeyPatch, state: str, reason: str,
    is_held: bool,
) -> None:  # fmt: skip
    on_slurm(outputs, "97_0")
    slurm_says(monkeypatch, f"97|0|{state}|1|{reason}|rote submission={world.UID}")
    for words in (["status"], ["status", "own"], ["sweep", "own"], ["resume", "own"]):
        assert ("scontrol release 97_0" in rote(*words).out) == is_held, words
    (job,) = sent_jobs(Journal(outputs / "sweeps" / "own").submissions(), timeout_seconds=1)
    assert job.is_held == is_held
