"""A search on the cluster, preempted, killed and called again, finds what it finds in peace."""

import signal

import pytest

from rote.cluster.plan import launched
from tests.slurm.conftest import Bench, assert_equal, command, until

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(600)]

SEARCH = (
    "train", "-m", "hydra/sweeper=rote_optuna", "hydra.sweeper.metric=memorised_bits",
    "hydra.sweeper.direction=maximize", "optim.optimiser.lr=tag(log,interval(1e-3,1e-1))",
    "size=demo_s", "task.length=8", "task.vocab_size=16", "task.num_sequences=12",
    "task.num_heldout_sequences=4", "budget=demo", "budget.max_steps=300", "budget.batch_size=4",
    "budget.check_every_steps=20", "log=none", "host.accelerator=cpu",
)  # fmt: skip
ON_SLURM = (
    "hydra/launcher=rote_slurm", "host=slurm", "host.partition=low", "host.mem_per_cpu_mb=900",
    "host.checkpoint_every_seconds=0.2",
)  # fmt: skip
NUM_TRIALS, AT_ONCE = 20, 4


def num_done(bench: Bench) -> int:
    return len(list(bench.outputs.glob("runs/*/record.json")))


def best_of(text: str) -> str:
    """The best value, its trial, its run and the command that trains it, without the host."""
    words = text[text.index("best: ") :].split()
    return " ".join(word for word in words if word not in ON_SLURM)


def name_of(bench: Bench) -> str:
    (name,) = launched(bench.outputs)
    return name


def test_a_search_that_is_preempted_and_killed_finds_the_same_best(
    bench: Bench, peace: Bench
) -> None:
    undisturbed = peace.rote(*SEARCH)
    search = bench.start(*SEARCH, *ON_SLURM)
    until(lambda: num_done(bench) >= AT_ONCE + 1, 120)  # in the middle of the second batch
    (job,) = bench.live(name_of(bench))
    command("scontrol", "requeue", job.job_id)
    until(lambda: num_done(bench) >= 2 * AT_ONCE + 1, 120)
    search.send_signal(signal.SIGKILL)
    search.communicate(timeout=30)
    before = {path: path.stat().st_mtime_ns for path in bench.outputs.glob("runs/*/record.json")}
    again = bench.rote(*SEARCH, *ON_SLURM)
    name = name_of(bench)
    assert bench.restarts(name) >= 1
    assert bench.counts(name) == {"done": NUM_TRIALS}
    assert {path: path.stat().st_mtime_ns for path in before} == before  # none trained twice
    sent = [run_id for one in bench.journal(name).submissions() for run_ids in one.jobs.values()
            for run_id in run_ids]  # fmt: skip
    assert sorted(sent) == sorted(bench.plan(name).run_ids)
    assert bench.plan(name).run_ids == peace.plan(name).run_ids  # the same trials in their order
    assert_equal(bench, peace, name)
    assert best_of(again) == best_of(undisturbed)
