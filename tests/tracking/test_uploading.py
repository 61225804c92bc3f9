"""`rote sync`: each log once, whatever died before, and never a false mark."""

import json
from pathlib import Path

import pytest
from tests.conftest import Refused
from tests.tracking.conftest import Rote, Swept
from tests.tracking.wandb_server import Run, Server

from rote.tracking.mirror import RECORD
from rote.tracking.offline import logs, read_log, whole_bytes
from rote.tracking.uploading import SENT, Upload, failed_runs, offline_logs

STEPS = [10, 20, 30]


def steps(run: Run) -> list[int]:
    return [json.loads(row)["step"] for row in run.history]


def states(rote: Rote, *words: str) -> list[str]:
    return [log["state"] for log in json.loads(rote("sync", "--json", *words).stdout)["logs"]]


def test_a_dry_run_lists_and_sends_nothing(copied: Swept, rote: Rote, server: Server) -> None:
    said = rote("sync", "tiny", "--dry-run")
    assert said.returncode == 0
    assert said.stdout.count("pending: ") == 4
    assert said.stdout.endswith("4 offline logs: 4 pending\n")
    assert server.operations == []


def test_each_log_is_sent_once_and_lives_are_joined(
    copied: Swept, rote: Rote, server: Server
) -> None:
    assert states(rote, "tiny") == ["sent"] * 4
    assert {run_id: steps(run) for run_id, run in server.runs.items()} == dict.fromkeys(
        copied.plan.run_ids, STEPS
    )
    config = json.loads(server.runs[copied.killed].config)
    assert config["task"]["value"]["num_sequences"] == 4
    asked = len(server.operations)
    assert states(rote) == ["sent"] * 4
    assert len(server.operations) == asked


@pytest.mark.slow
def test_a_torn_tail_is_cut_and_the_next_life_follows(
    copied: Swept, rote: Rote, server: Server
) -> None:
    first, _ = logs(copied.store.run(copied.killed).path)
    whole = first.read_bytes()
    first.write_bytes(whole + whole[-20:])  # a record that begins and does not end
    assert whole_bytes(first) == len(whole) < first.stat().st_size
    assert states(rote, "tiny") == ["sent"] * 4
    assert first.read_bytes() == whole
    assert steps(server.runs[copied.killed]) == STEPS


@pytest.mark.slow
def test_what_a_server_refused_is_told_not_marked_and_sent_again(
    copied: Swept, rote: Rote, server: Server
) -> None:
    server.is_broken = True
    said = rote("sync", "tiny")
    assert said.returncode == 1
    assert said.stdout.count("failed: ") == 4
    assert not list(copied.outputs.rglob("sent.json"))
    assert not list(copied.outputs.rglob("*.synced"))
    server.is_broken = False
    assert states(rote, "tiny") == ["sent"] * 4
    assert steps(server.runs[copied.killed]) == STEPS


@pytest.mark.slow
def test_a_process_that_died_at_its_very_end_is_spoken_for(
    copied: Swept, rote: Rote, server: Server
) -> None:
    run_id = copied.plan.run_ids[-1]
    (log,) = logs(copied.store.run(run_id).path)
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) // 2])
    torn = read_log(log)
    assert torn.run_id == run_id
    assert RECORD not in torn.summary
    assert states(rote, "tiny") == ["sent"] * 5
    assert steps(server.runs[run_id]) == STEPS
    record = copied.store.run(run_id).record_path.read_text()
    assert json.loads(server.runs[run_id].summary)[RECORD] == record
    assert states(rote, "tiny") == ["sent"] * 5


def test_a_log_that_says_nothing_stops_no_other(copied: Swept, rote: Rote, server: Server) -> None:
    last = copied.store.run(copied.plan.run_ids[-1]).path
    (log,) = logs(last)
    log.write_bytes(log.read_bytes()[:5])
    assert states(rote, "tiny") == ["sent"] * 3 + ["empty"]
    assert len(server.runs) == 2


def test_a_running_run_is_left_alone(copied: Swept, rote: Rote) -> None:
    with copied.store.run(copied.killed).claim():
        found = states(rote, "tiny", "--dry-run")
    assert found == ["running"] * 2 + ["pending"] * 2


def test_a_mark_holds_for_the_bytes_that_were_sent(copied: Swept) -> None:
    folder = copied.store.run(copied.killed).path
    first, second = offline_logs(folder, is_running=False)
    for upload in (first, second):
        upload.mark.write_text(json.dumps({"sha256": "of something else"}))
    assert [one.state for one in offline_logs(folder, is_running=False)] == ["pending"] * 2
    assert SENT not in {one.state for one in offline_logs(folder, is_running=True)}


def test_without_a_login_one_line_says_so(
    copied: Swept,
    refused: Refused,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert refused("sync").startswith("rote: no login for wandb: run `wandb login`")
    assert server.operations == []


def test_a_server_that_does_not_answer_is_named_at_once(
    copied: Swept, refused: Refused, server: Server
) -> None:
    server.server_close()
    assert refused("sync").startswith(f"rote: {server.url} does not answer")


def test_a_crash_blames_what_wandb_left_unmarked(copied: Swept) -> None:
    first, second, other = (
        Upload(path=copied.outputs / name / "run.wandb", run_id=run_id, state="pending")
        for name, run_id in (("a", "one"), ("b", "one"), ("c", "other"))
    )
    for upload in (first, second):
        upload.path.parent.mkdir()
        upload.path.with_name("run.wandb.synced").touch()
    uploads = [first, second, other]
    assert failed_runs(uploads, ["Error: lost"]) == {"other": "Error: lost"}
    assert failed_runs(uploads, ["wandb: ERROR [p/one] fatal"]).keys() == {"one", "other"}
    assert failed_runs(uploads[:2], ["Error: lost"]) == {"one": "Error: lost"}
    assert failed_runs(uploads[:2], []) == {}
