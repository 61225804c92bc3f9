"""A sweep stops at a limit: what waits in the queue is cancelled, and a higher limit goes on."""

import pytest

from rote.cluster.liveness import last_attempt
from tests.slurm.conftest import Bench, until

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
RATES = "    optim.optimiser.lr: {rates}\n"


def test_a_failed_run_ends_the_sweep_and_its_waiting_jobs(bench: Bench) -> None:
    bench.write("t-fails", seeds=[0])
    with (bench.folder / "sweeps" / "t-fails.yaml").open("a") as file:
        file.write(RATES.format(rates="[1.0e+9, 1.0e+8, 1.0e-3, 2.0e-3]"))
    bench.sweep("t-fails", "--max-failures=1", "host.max_parallel_jobs=1")
    until(lambda: not bench.live("t-fails"), 90)
    assert bench.counts("t-fails") == {"failed": 1, "waiting": 3}
    assert sum(1 for _ in bench.outputs.glob("sweeps/t-fails/jobs/*/*_log.err")) == 1  # one began
    assert "stopped: 1 runs failed, and --max-failures is 1" in bench.rote("status", "t-fails")
    assert "give a higher limit" in bench.rote("resume", "t-fails", code=2)
    assert "3 runs in 3 jobs" in bench.rote("resume", "t-fails", "--max-failures=3")
    bench.wait_over("t-fails")
    assert bench.counts("t-fails") == {"done": 2, "failed": 2}


def test_at_its_gpu_hours_a_sweep_leaves_checkpoints_and_goes_on_from_them(bench: Bench) -> None:
    bench.write("t-hours", seeds=[0, 1, 2], max_steps=3000, check_every_steps=50)
    bench.sweep(
        "t-hours", "--max-gpu-hours=0.001", "host.gpus_per_node=1", "host.max_parallel_jobs=1"
    )
    until(lambda: not bench.live("t-hours"), 120)
    assert bench.counts("t-hours") == {"waiting": 3}
    begun = [run for run in bench.runs("t-hours") if run.has_checkpoint()]
    assert len(begun) == 1
    assert "(--max-gpu-hours)" in bench.rote("status", "t-hours")
    assert "3 runs in 3 jobs" in bench.rote("resume", "t-hours", "--max-gpu-hours=1")
    bench.wait_done("t-hours")
    assert (last_attempt(begun[0]) or {})["step"] > 0
