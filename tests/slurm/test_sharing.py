"""Jobs of several runs and runs of several processes; a sweep followed from its terminal."""

import json
import math

import pytest

from rote.cluster.liveness import last_attempt
from rote.ledger.store import Store
from tests.slurm.conftest import Bench, assert_equal, command, local_run, until

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

LONG = {"seeds": [0, 1], "max_steps": 5000, "check_every_steps": 50}
SUMS = ("train_code_bits", "heldout_code_bits")


def test_runs_of_one_job_share_its_gpu(bench: Bench, peace: Bench) -> None:
    local_run(peace, "t-fault", **LONG)
    bench.write("t-fault", **LONG)
    told = bench.sweep(
        "t-fault", "host.gpus_per_node=1", "host.cpus_per_task=2", "host.runs_at_once=2",
        "host.pack_minutes=60",
    )  # fmt: skip
    assert "2 runs in 1 job" in told
    until(lambda: bench.all_training("t-fault"), 60)  # both at once
    asked = command("scontrol", "show", "job", bench.live("t-fault")[0].job_id)
    assert "TresPerNode=gres:gpu:1" in asked
    bench.wait_done("t-fault")
    assert_equal(bench, peace, "t-fault")


def test_a_run_on_two_nodes_is_requeued_and_agrees_with_one_process(
    bench: Bench, peace: Bench
) -> None:
    name, shape = "t-nodes", {"seeds": [0, 1], "max_steps": 400, "check_every_steps": 50}
    local_run(peace, name, **shape)
    bench.write(name, **shape)
    told = bench.sweep(name, "host.nodes=2", "host.tasks_per_node=2", "host.pack_minutes=60")
    assert "2 runs in 1 job" in told
    first = bench.runs(name)[0]
    until(lambda: first.last_row() is not None, 90)
    (job,) = bench.live(name)
    command("scontrol", "requeue", job.job_id)
    bench.wait_done(name, 240)
    bench.wait_over(name, 60)
    assert bench.restarts(name) == 1
    resumed = [_circumstances(bench, run.run_id)["resumed_at_step"] for run in bench.runs(name)]
    assert resumed[0] or (last_attempt(first) or {})["restarts"] == 1
    for run in bench.runs(name):
        alone = Store(peace.outputs).run(run.run_id)
        for key in SUMS:
            ours, theirs = (one.record().measures["cost"][key] for one in (run, alone))
            assert math.isclose(ours, theirs, rel_tol=1e-3), key
        for row, expected in zip(run.curve(), alone.curve(), strict=True):
            assert math.isclose(
                row["loss_nats_per_token"], expected["loss_nats_per_token"], rel_tol=1e-3
            )


def test_a_sweep_is_followed_to_its_end(bench: Bench) -> None:
    bench.write("t-follow", seeds=[0, 1])
    told = bench.sweep("t-follow", "--follow")
    assert "t-follow: 2 done" in told
    assert "2 done" in bench.rote("status", "t-follow", "--follow")


def _circumstances(bench: Bench, run_id: str) -> dict[str, object]:
    path = Store(bench.outputs).run(run_id).path / "circumstances.json"
    return dict(json.loads(path.read_text()))
