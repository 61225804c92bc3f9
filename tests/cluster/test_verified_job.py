"""A job that waits: who changes its pickle, or lays modules beside it, runs nothing."""

import json
import os
import pickle
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.test_foreign_files import Touches
from tests.conftest import COMPOSER, TINY, plan_of, point_of

from rote.cluster import verified_job
from rote.cluster.journal import Journal
from rote.cluster.launching import launch
from rote.cluster.plan import Plan
from rote.io.write import sha256
from rote.ledger.spec import Spec

SHADOWS = ("random", "torch", "submitit", "yaml", "numpy", "rich", "pickle", "filelock", "inspect")
PID = "4711"


@cache
def planned(*overrides: str, num_runs: int = 1) -> Plan:
    configs = (COMPOSER.config([*TINY, f"seed={n}", *overrides]) for n in range(num_runs))
    return plan_of(map(point_of, map(Spec.from_config, configs)))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What submitit would have started, and did not."""
    kept: dict[str, Any] = {}

    def start_controller(folder: Path, command: str, **_: object) -> SimpleNamespace:
        mode = folder.stat().st_mode & 0o777
        kept.update(command=shlex.split(command), environment=dict(os.environ), mode=mode)
        return SimpleNamespace(pid=int(PID), poll=lambda: None)

    monkeypatch.setattr("submitit.local.local.start_controller", start_controller)
    return kept


@pytest.fixture
def job(tmp_path: Path, started: dict[str, Any]) -> Path:
    """The pickle of a job that was sent."""
    launch(planned(), tmp_path / "outputs", "cached")
    (path,) = tmp_path.glob("outputs/sweeps/own/jobs/*/*_submitted.pkl")
    return path


def journal_of(job: Path) -> Path:
    return job.parents[2] / "jobs.json"


def run(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job's start, in this process."""
    monkeypatch.setattr(verified_job, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", PID)
    monkeypatch.setenv("SUBMITIT_FOLDER", "")
    monkeypatch.setattr(
        sys, "argv", ["sealed", "-u", "-m", "submitit.core._submit", str(job.parent)]
    )
    verified_job.main()


def test_a_pickle_is_its_owners_and_its_digest_is_in_the_journal(
    job: Path, started: dict[str, Any]
) -> None:
    assert job.stat().st_mode & 0o777 == 0o600
    (submission,) = Journal(job.parents[2]).submissions()
    assert submission.digests == {PID: sha256(job.read_bytes())}
    assert started["mode"] == 0o700, "nobody else may enter before the digests are taken"
    assert job.parent.stat().st_mode == job.parents[1].stat().st_mode


def test_what_was_sent_is_run(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr("rote.cluster.worker.work", given.append)
    run(job, monkeypatch)
    assert [spec.what["seed"] for spec in given[0].specs] == [0]


@pytest.mark.parametrize("also", ["nothing", "journal lost", "withdrawn", "another job's digest"])
def test_a_changed_pickle_is_not_opened(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, also: str
) -> None:
    mark = tmp_path / "mark"
    job.write_bytes(pickle.dumps(Touches(mark)))
    journal = json.loads(journal_of(job).read_text())
    (submission,) = journal["submissions"]
    if also == "withdrawn":
        submission["state"] = also
    if also == "another job's digest":
        submission["digests"] = {"5": sha256(job.read_bytes())}
    journal_of(job).write_text(json.dumps(journal))
    if also == "journal lost":
        journal_of(job).unlink()
    with pytest.raises(SystemExit, match="nothing is run") as ended:
        run(job, monkeypatch)
    assert str(journal_of(job)) in str(ended.value)
    assert (str(job) in str(ended.value)) is (also == "nothing")
    assert not mark.exists()


def test_a_journal_without_digests_is_still_read(job: Path) -> None:
    content = json.loads(journal_of(job).read_text())
    del content["submissions"][0]["digests"]
    journal_of(job).write_text(json.dumps(content))
    (submission,) = Journal(job.parents[2]).submissions()
    assert submission.digests == {} and list(submission.jobs) == [PID]


@pytest.mark.parametrize("uid", ["../../../../home", "", ".", "0" * 11, "0" * 12 + "/.."])
def test_a_journal_leads_nowhere_else(tmp_path: Path, uid: str) -> None:
    with pytest.raises(ValueError, match=r"jobs\.json is damaged"):
        Journal(tmp_path).jobs_folder(uid)


def test_a_worker_imports_nothing_from_the_folder_that_it_is_started_in(
    job: Path, tmp_path: Path, started: dict[str, Any]
) -> None:
    mark, foreign = tmp_path / "mark", tmp_path / "foreign"
    foreign.mkdir()
    for name in SHADOWS:
        (foreign / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')\n")
    job.write_bytes(pickle.dumps(Touches(mark)))
    assert started["environment"]["PYTHONSAFEPATH"] == "1"
    assert "PYTHONSAFEPATH" not in os.environ, "the launcher's own process stays as it was"
    own = {"SUBMITIT_EXECUTOR": "local", "SUBMITIT_LOCAL_JOB_ID": PID}
    for command in (started["command"], [sys.executable, "-c", "import random, rote.cluster"]):
        done = subprocess.run(
            command, cwd=foreign, env=started["environment"] | own, capture_output=True, text=True
        )
        assert not mark.exists(), done.stderr
    said = subprocess.run(
        started["command"], cwd=foreign, env=os.environ | own, capture_output=True, text=True
    )
    assert said.returncode == 1 and said.stderr.count("\n") == 1
    assert f"rote: {job} was changed after it was sent" in said.stderr
    assert not mark.exists()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller that takes everything; the number of its job is 97."""
    (tmp_path / "bin").mkdir()
    for name, line in (("sbatch", "echo Submitted batch job 97"), ("srun", ""), ("squeue", "")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


SLURM = ("host=slurm", "host.max_array_size=9", "host.pack_minutes=0")


@pytest.mark.parametrize(("num_runs", "job_ids"), [(1, {"97"}), (3, {"97_0", "97_1", "97_2"})])
def test_slurm_jobs_are_sealed_too(
    slurm: None, tmp_path: Path, num_runs: int, job_ids: set[str]
) -> None:
    launch(planned(*SLURM, num_runs=num_runs), tmp_path / "outputs", "cached")
    folder = tmp_path / "outputs" / "sweeps" / "own"
    (submission,) = Journal(folder).submissions()
    pickles = {path.name.removesuffix("_submitted.pkl"): path for path in folder.rglob("*.pkl")}
    assert set(pickles) == set(submission.jobs) == job_ids
    assert submission.digests == {one: sha256(path.read_bytes()) for one, path in pickles.items()}
    assert {path.stat().st_mode & 0o777 for path in pickles.values()} == {0o600}
    (script,) = folder.rglob("*_submission.sh")
    assert "PYTHONSAFEPATH=1" in script.read_text()
    assert "-P -u -m rote.cluster.verified_job" in script.read_text()


@pytest.mark.parametrize(
    "override",
    ["host.partition", "host.account", "host.qos", "host.constraint", "host.gpus_per_node"],
)
def test_a_setting_adds_no_line_to_a_jobs_script(
    slurm: None, tmp_path: Path, override: str
) -> None:
    plan = planned(*SLURM)
    how: dict[str, Any] = {**plan.specs[0].how, "host": dict(plan.host)}
    how["host"][override.partition(".")[2]] = f"normal\ntouch {tmp_path / 'mark'}\n"
    spec = Spec(what=plan.specs[0].what, how=how)
    with pytest.raises(ValueError) as refused:
        launch(plan_of([point_of(spec)]), tmp_path / "outputs", "cached")
    assert override.partition(".")[2] in str(refused.value)
    assert not list(tmp_path.rglob("*.sh"))
