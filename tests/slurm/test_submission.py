"""What reaches the queue: everything once, or nothing at all. Held jobs: nothing trains here."""

import os
import signal
import time
from collections import Counter

import pytest

from tests.slurm.conftest import Bench, command, pid_of, until

pytestmark = [pytest.mark.slurm]

HELD = "host.extra_sbatch=[hold]"


def live_run_ids(bench: Bench, name: str) -> list[str]:
    return [run_id for job in bench.live(name) for run_id in job.run_ids]


def test_a_refused_job_is_one_line_and_leaves_nothing(bench: Bench) -> None:
    bench.write("t-refused", seeds=[0, 1, 2])
    rules = "host.by_parameters=[{up_to_parameters: null, partition: nosuch}]"
    for wrong in (
        "host.partition=nosuch",
        "host.account=nosuch",
        "host.time_minutes=999999",
        rules,
    ):
        told = bench.sweep("t-refused", wrong, code=2).strip().splitlines()
        assert len(told) == 4, told  # the question, the bill here and on a GPU, the error
        assert "sbatch refused the job: " in told[3]
    assert not bench.live("t-refused") if bench.journal("t-refused").path.exists() else True
    assert not list(bench.outputs.glob("sweeps/*/jobs/*"))
    assert not list(bench.outputs.glob("sweeps/*/plan.json"))


def test_an_earlier_array_is_taken_back_when_a_later_one_is_refused(bench: Bench) -> None:
    bench.write("t-half", seeds=[0], num_sequences=(4, 8))
    rules = "[{up_to_parameters: 2000, partition: low}, {up_to_parameters: null, partition: no}]"
    bench.sweep("t-half", f"host.by_parameters={rules}", "size=demo_s,demo_m", HELD, code=2)
    names = [path.name for path in bench.outputs.glob("sweeps/t-half*")]
    assert len(names) == 1
    assert not bench.live(names[0])
    assert {one.state for one in bench.journal(names[0]).submissions()} == {"withdrawn"}


def test_twice_is_once_and_cancel_ends_it(bench: Bench) -> None:
    bench.write("t-twice", seeds=[0, 1, 2])
    told = bench.sweep("t-twice", HELD)
    assert "3 runs in 3 jobs" in told
    sent = bench.journal("t-twice").path.read_bytes()
    bench.sweep("t-twice", HELD)
    bench.rote("resume", "t-twice")
    bench.rote("retry", "t-twice")
    assert bench.journal("t-twice").path.read_bytes() == sent
    assert bench.counts("t-twice") == {"pending": 3}
    assert "JobHeldUser" in bench.rote("status", "t-twice")
    assert "3 jobs cancelled" in bench.rote("cancel", "t-twice")
    until(lambda: bench.counts("t-twice") == {"waiting": 3}, 20)


def test_a_waiting_job_that_the_user_cancels_leaves_its_run_waiting(bench: Bench) -> None:
    bench.write("t-scancel", seeds=[0, 1, 2])
    bench.sweep("t-scancel", HELD)
    command("scancel", bench.live("t-scancel")[1].job_id)
    until(lambda: bench.counts("t-scancel") == {"pending": 2, "waiting": 1}, 20)
    assert "1 runs in 1 job" in bench.rote("resume", "t-scancel")


def test_two_launchers_at_once_send_each_run_once(bench: Bench) -> None:
    bench.write("t-both", seeds=list(range(6)))
    words = ("sweep", "t-both", "host=slurm", "host.partition=low", "host.pack_minutes=0", HELD)
    for launcher in [bench.start(*words) for _ in range(2)]:
        launcher.communicate(timeout=120)
    assert sorted(live_run_ids(bench, "t-both")) == sorted(bench.plan("t-both").run_ids)


def test_more_jobs_than_an_array_may_have(bench: Bench) -> None:
    bench.write("t-large", seeds=list(range(103)))
    bench.sweep("t-large", HELD, "host.max_parallel_jobs=3")
    jobs = bench.live("t-large")
    arrays = Counter(job.job_id.partition("_")[0] for job in jobs)
    assert sorted(arrays.values()) == [2, 101]
    assert sorted(live_run_ids(bench, "t-large")) == sorted(bench.plan("t-large").run_ids)
    told = [command("scontrol", "show", "job", array) for array in sorted(arrays, key=int)]
    assert all("ArrayTaskThrottle=" in each for each in told)
    assert "Dependency=singleton" in told[1]  # of the first, SLURM forgets what has come true
    bench.rote("cancel", "t-large")
    until(lambda: not bench.live("t-large"), 20)


def test_a_lost_answer_of_sbatch_is_looked_for_before_another_try(bench: Bench) -> None:
    bench.write("t-lost", seeds=[0, 1, 2])
    controller = pid_of("slurmctld")
    os.kill(controller, signal.SIGSTOP)
    try:
        launcher = bench.start(
            "sweep",
            "t-lost",
            "host=slurm",
            "host.partition=low",
            "host.pack_minutes=0",
            "host.max_array_size=100",
            HELD,
        )
        # Let the request be sent and its time-out (10 s) pass.
        until(lambda: bench.journal("t-lost").path.exists(), 60)
        time.sleep(13)
    finally:
        os.kill(controller, signal.SIGCONT)
    launcher.communicate(timeout=150)
    assert launcher.returncode == 0
    assert sorted(live_run_ids(bench, "t-lost")) == sorted(bench.plan("t-lost").run_ids)
    queued = command("squeue", "-h", "-r", "--name=rote:t-lost", "-o", "%i").split()
    assert sorted(queued) == sorted(job.job_id for job in bench.live("t-lost"))
    assert [one.state for one in bench.journal("t-lost").submissions()] == ["withdrawn", "sent"]


def test_status_without_an_answering_controller_tells_from_files(bench: Bench) -> None:
    bench.write("t-silent", seeds=[0, 1])
    bench.sweep("t-silent", HELD)
    controller = pid_of("slurmctld")
    os.kill(controller, signal.SIGSTOP)
    try:
        started = time.monotonic()
        told = bench.rote("status", "t-silent")
        assert time.monotonic() - started < 8
    finally:
        os.kill(controller, signal.SIGCONT)
    assert "queue unknown" in told
    assert "2 unknown" in told


OWN_MODEL = """
from rote.models.gpt import GPT


class Mine(GPT):
    pass


print("own model of version {version}", flush=True)
"""


def test_a_task_of_ones_own_is_trained_as_it_was_when_it_was_sent(bench: Bench) -> None:
    """Module, helper and YAML are edited, so that nothing can be imported, while the job waits."""
    bench.rote("new", "task", "halves")
    module, helper = bench.folder / "halves.py", bench.folder / "own_helper" / "__init__.py"
    helper.parent.mkdir()
    helper.write_text("print('own helper of version 1', flush=True)\n")
    module.write_text(f"import own_helper  # noqa: F401\n{module.read_text()}")
    bench.write("t-own", seeds=[0])
    bench.sweep("t-own", HELD, "task=halves", "host.code=snapshot")
    (name,) = [path.name for path in bench.outputs.glob("sweeps/t-own*")]
    for path in (module, helper):
        path.write_text("raise RuntimeError('edited')\n")
    (bench.folder / "conf" / "task" / "halves.yaml").write_text("edited: true\n")
    (job,) = bench.live(name)
    command("scontrol", "release", job.job_id)
    bench.wait_done(name)
    (run,) = bench.runs(name)
    (code,) = (bench.outputs / "sweeps" / name / "code").iterdir()
    assert run.circumstances()["snapshot"] == code.name
    assert run.circumstances()["submitted_by"]["snapshot"] == code.name
    (log,) = (bench.outputs / "sweeps" / name / "jobs").glob("*/*_log.out")
    assert "own helper of version 1" in log.read_text()
    assert run.record().entropy_bits == 8 * 4 * 4  # sequences, tokens of the first half, bits each
    until(lambda: not bench.live(name), 20)
    assert "1 copies of the code archived" in bench.rote("archive", name)
    assert [path.name for path in code.parent.iterdir()] == [f"{code.name}.zip"]


def test_with_live_code_a_job_runs_what_it_finds_at_its_start(bench: Bench) -> None:
    (bench.folder / "edited_models.py").write_text(OWN_MODEL.format(version=1))
    bench.write("t-live", seeds=[0])
    bench.sweep("t-live", HELD, "model._target_=edited_models.Mine", "host.code=live")
    (name,) = [path.name for path in bench.outputs.glob("sweeps/t-live*")]
    (bench.folder / "edited_models.py").write_text(OWN_MODEL.format(version=2))
    (job,) = bench.live(name)
    command("scontrol", "release", job.job_id)
    bench.wait_done(name)
    (run,) = bench.runs(name)
    assert run.circumstances()["snapshot"] is None
    (log,) = (bench.outputs / "sweeps" / name / "jobs").glob("*/*_log.out")
    assert "own model of version 2" in log.read_text()
