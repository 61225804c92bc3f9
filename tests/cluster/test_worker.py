"""A job and its processes on this machine: one killed, the code changed, no step ever taken."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cluster.test_sweep_end_to_end import SWEEP, runs, wait_for_rows
from tests.conftest import MakeSpec
from tests.inprocess import rote

from rote.cluster import worker
from rote.cluster.preemption import StopFlag
from rote.core import provenance
from rote.ledger.store import Store

FAST = SWEEP.replace("  budget: demo", "  optim: adamw\n  budget: demo")
LONG = FAST.format(rates="[1e-2]").replace("max_steps: 60", "max_steps: 6000")


def write_sweep(folder: Path, text: str) -> None:
    (folder / "sweeps").mkdir()
    (folder / "sweeps" / "long.yaml").write_text(text)


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "rote", "sweep", "long", *words]
    # A session of its own: a signal to its group is what Ctrl-C is in a terminal.
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def processes_of_runs(folder: Path) -> list[int]:
    """Those that a worker of this folder has forked."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True
    ).stdout.splitlines()
    split = [line.split() for line in listed if f"{folder}/outputs/sweeps" in line]
    workers = {words[0] for words in split if "-u" in words}
    return [int(words[0]) for words in split if words[0] in workers and words[1] in workers]


@pytest.mark.slow
def test_a_killed_process_is_lost_alone_and_resumed(tmp_path: Path) -> None:
    write_sweep(tmp_path, LONG)
    launcher = start(tmp_path, "host.workers=2", "host.checkpoint_every_seconds=0.1")
    wait_for_rows(tmp_path, "long", 2)
    time.sleep(0.5)
    os.kill(processes_of_runs(tmp_path)[0], signal.SIGKILL)
    out, errors = launcher.communicate(timeout=240)
    assert launcher.returncode == 1, out + errors
    assert "2 done, 1 lost" in out
    assert "its process was killed by SIGKILL" in out
    assert "killed by SIGKILL" in rote(tmp_path, "status", "long").stdout
    resumed = rote(tmp_path, "resume", "long")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "1 runs in 1 job" in resumed.stdout
    assert "3 done" in resumed.stdout
    facts = [run.circumstances() for run in runs(tmp_path, "long")]
    assert sum(fact["resumed_at_step"] is not None for fact in facts) == 1
    here = provenance.code()
    assert all(fact["submitted_by"] == here for fact in facts)


@pytest.mark.slow
def test_runs_of_one_shape_train_as_one_stack(tmp_path: Path, preloaded_workers: None) -> None:
    text = SWEEP.format(rates="[1e-2, 1e-3]").replace(
        "budget: demo", "budget: demo\n  optim: adamw"
    )
    write_sweep(tmp_path, text)
    done = rote(tmp_path, "sweep", "long", "host.stack=8")
    assert done.returncode == 0, done.stdout + done.stderr
    facts = [run.circumstances() for run in runs(tmp_path, "long")]
    # Two rates of each data set; the smallest set is smaller than a batch, as is the next.
    assert [fact.get("stacked", 1) for fact in facts] == [2] * 6
    assert rote(tmp_path, "status", "long").stdout.count(" done ") == 6


@pytest.mark.slow
def test_ctrl_c_leaves_checkpoints_and_resume_goes_on(tmp_path: Path) -> None:
    write_sweep(tmp_path, LONG)
    launcher = start(tmp_path, "host.workers=3")
    wait_for_rows(tmp_path, "long", 3)
    os.killpg(launcher.pid, signal.SIGINT)
    _, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == 130, errors
    assert "Traceback" not in errors
    assert all(run.has_checkpoint() and not run.is_done() for run in runs(tmp_path, "long"))
    assert not processes_of_runs(tmp_path)
    resumed = rote(tmp_path, "resume", "long")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    facts = [run.circumstances() for run in runs(tmp_path, "long")]
    assert all(fact["resumed_at_step"] > 0 for fact in facts)


def test_code_that_changed_after_submission_is_told(caplog: pytest.LogCaptureFixture) -> None:
    here = provenance.code()
    worker._compare_code(here)
    assert not caplog.records
    worker._compare_code({**here, "commit": "0" * 40})
    assert "the code has changed since submission" in caplog.text


@pytest.mark.parametrize(
    ("lives", "begun"), [(worker.MAX_RESTARTS_WITHOUT_STEP, False), (1, False), (9, True)]
)
def test_a_job_that_never_takes_a_step_is_not_requeued_for_ever(
    tiny: MakeSpec,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    lives: int,
    begun: bool,
) -> None:
    spec = tiny()
    if begun:
        store.run(spec.run_id).checkpoints_path.mkdir(parents=True)
        (store.run(spec.run_id).checkpoints_path / "checkpoint").touch()
    left: list[Path] = []
    monkeypatch.setattr(worker, "leave", left.append)
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(lives))
    assignment = worker.Assignment(
        stacks=((spec,),),
        outputs=str(store.outputs),
        retry_failures={},
        runs_at_once=1,
        code={},
    )
    flag = StopFlag()
    flag.signal_name = "SIGUSR2"
    worker._Worker(assignment, flag, store.outputs).work_alone()
    in_vain = lives >= worker.MAX_RESTARTS_WITHOUT_STEP and not begun
    assert left == ([] if in_vain else [store.outputs])
    assert ("is host.time_minutes enough to start?" in caplog.text) is in_vain
