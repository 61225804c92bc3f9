"""Resources that depend on the size, and keys that are none."""

from pathlib import Path

import pytest
from tests.conftest import COMPOSER, plan_of, point_of

from rote.cluster.host import LaunchRequest, host_of
from rote.cluster.journal import Journal
from rote.cluster.slurm import SlurmHost
from rote.ledger.spec import Spec


def host(*overrides: str) -> SlurmHost:
    config = COMPOSER.config(["host=slurm", *overrides])
    made = host_of(config["host"])
    assert isinstance(made, SlurmHost)
    return made


def test_the_first_rule_that_fits_overrides_the_rest() -> None:
    rules = "[{up_to_parameters: 500000, gpus_per_node: 0}, {up_to_parameters: null, nodes: 2}]"
    made = host("host.gpus_per_node=1", f"host.by_parameters={rules}")
    assert (made.resources(500_000).gpus_per_node, made.resources(500_000).nodes) == (0, 1)
    assert (made.resources(500_001).gpus_per_node, made.resources(500_001).nodes) == (1, 2)


def test_what_is_not_asked_for_is_not_sent() -> None:
    asked = host("host.extra_sbatch=[hold,'mail-type=FAIL']").resources(1).sbatch()
    assert not {"partition", "account", "qos", "gpus_per_node", "setup"} & set(asked)
    wanted = {"requeue": True, "hold": True, "mail-type": "FAIL"}
    assert asked["additional_parameters"] == wanted


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{up_to_parameters: 1, partitoin: x}", "Did you mean 'partition'"),
        ("{nodes: 2}", "a rule needs up_to_parameters"),
    ],
)
def test_a_rule_with_a_wrong_key_is_refused(rule: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        host(f"host.by_parameters=[{rule}]")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["host.nodes=2", "host.tasks_per_node=4"], "8 processes .* cannot share batches of 12"),
        (["host.nodes=2", "task.num_sequences=7"], "2 processes .* cannot share batches of 7"),
        (["host.nodes=2", "host.strategy=fsdp", "optim=soap"], "SOAP does not go with .*fsdp"),
        (["host.runs_at_once=3"], "host.cpus_per_task is 1: too few"),
        (["host.runs_at_once=2", "host.nodes=2"], "shares its job with no other"),
    ],
)
def test_what_cannot_be_shared_is_refused(overrides: list[str], told: str) -> None:
    spec = Spec.from_config(COMPOSER.config(["host=slurm", "budget.batch_size=12", *overrides]))
    with pytest.raises(ValueError, match=told):
        host(*overrides).check(point_of(spec))


@pytest.mark.parametrize("key", ["nodes", "tasks_per_node", "runs_at_once", "time_minutes"])
def test_numbers_that_are_none_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=rf"host\.{key} must be a whole number from 1"):
        host(f"host.{key}=0")


def test_gpus_go_by_size() -> None:
    made = host("host=slurm_gpu")
    asked = [made.resources(size) for size in (500_000, 124_000_000, 1_500_000_000)]
    assert [one.runs_at_once for one in asked] == [2, 1, 1]
    assert [one.sbatch()["gpus_per_node"] for one in asked] == [1, 1, 8]
    assert [one.tasks_per_node for one in asked] == [1, 1, 8]


@pytest.mark.parametrize(
    ("overrides", "most"),
    [
        ([], 1),  # on CPUs
        (["host.gpus_per_node=1"], 32),  # 0.8 of 40 GiB
        (["host.gpus_per_node=1", "host.accelerator=cpu"], 1),
        (["host.accelerator=gpu", "host.gpu_memory_gib=20"], 16),
        (["host.gpus_per_node=1", "host.runs_at_once=2"], 16),
        (["host.gpus_per_node=2", "host.runs_at_once=2"], 32),
        (["host.gpus_per_node=1", "host.gpu_memory_gib=null"], 16),
        (["host.gpus_per_node=2", "host.tasks_per_node=2"], 1),
        (["host.stack=3"], 3),
        (["host.gpus_per_node=1", "host.by_parameters=[{up_to_parameters:9,stack:3}]"], 3),
    ],
)
def test_auto_stacks_what_fits_into_a_share_of_a_gpu(overrides: list[str], most: int) -> None:
    spec = Spec.from_config(COMPOSER.config(["host=slurm"]))
    assert host(*overrides).stack_of(point_of(spec, stack_run_bytes=1 << 30)) == most


@pytest.mark.parametrize(
    ("overrides", "max_flops", "suspect", "seeds"),
    [
        # Runs of 10 minutes: stacks of three, and packs of 30 minutes.
        (["host.stack=3", "host.step_overhead_seconds=0"], 6e12, {1: 1},
         [[[1]], [[0, 2, 3]], [[4, 5, 6]]]),
        (["host.stack=4"], 1.0, {1: 2, 2: 2, 3: 2, 4: 2}, [[[3, 4]], [[1, 2]], [[0, 5, 6]]]),
    ],
)  # fmt: skip
def test_stacks_are_packed_whole_and_those_whose_worker_died_are_smaller_in_jobs_of_their_own(
    tmp_path: Path,
    overrides: list[str],
    max_flops: float,
    suspect: dict[int, int],
    seeds: list[list[list[int]]],
) -> None:
    specs = [Spec.from_config(COMPOSER.config([f"seed={seed}"])) for seed in range(7)]
    plan = plan_of(point_of(spec, max_flops=max_flops) for spec in specs)
    order = LaunchRequest(
        plan=plan,
        outputs=tmp_path,
        journal=Journal(tmp_path),
        todo=plan.points,
        suspect={specs[seed].run_id: most for seed, most in suspect.items()},
    )
    ((_, jobs),) = host(*overrides)._arrays(order, size=100)
    assert seeds == [[[spec.what["seed"] for spec in one] for one in job.stacks] for job in jobs]
