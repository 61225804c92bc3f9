"""`host.stack: auto` plans stacks on a GPU, here a pretended one, and none on a CPU."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.conftest import COMPOSER, MakeSpec
from torch import nn

from rote.cluster import local
from rote.cluster.host import host_of
from rote.cluster.pack import stacks
from rote.cluster.plan import Plan, load_plan
from rote.cluster.planning import make_plan
from rote.config.compose import OWN
from rote.config.sweep import Grid, Sweep, load_sweep, with_overrides
from rote.ledger.store import Store
from rote.models.gpt import GPT
from rote.planner.sweep_bill import make_bill
from rote.run.preflight import Facts, Preflight
from rote.training import distributed
from rote.training.stack import why_apart


class Foreign(GPT):
    """A model that is not rote's."""


ON_GPU = "host.accelerator=gpu"


def planned(*overrides: str, name: str = "capacity_80k") -> tuple[Plan, list[Facts]]:
    return make_plan(with_overrides(load_sweep(name), overrides, OWN), COMPOSER)


def pretend(monkeypatch: pytest.MonkeyPatch, *memory_gib: float) -> None:
    """A machine with such GPUs; none: with a CPU alone."""
    monkeypatch.setattr(distributed, "require_device", lambda accelerator: None)
    monkeypatch.setattr(local, "gpus_gib", lambda accelerator: memory_gib)
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: set(range(16)))


def local_host(plan: Plan) -> local.LocalHost:
    made = host_of(plan.host)
    assert isinstance(made, local.LocalHost)
    return made


def sizes(plan: Plan) -> Sequence[int]:
    return [len(stack) for stack in stacks(plan.points, local_host(plan).stack_of)]


def test_capacity_80k_plans_six_stacks_of_twelve_two_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As `host.stack=12 host.workers=2` does, and after a round through its file."""
    pretend(monkeypatch, 79.1)
    plan, facts = planned(ON_GPU)
    assert sizes(plan) == [12] * 6
    assert local_host(plan)._places() == 2
    by_hand, _ = planned(ON_GPU, "host.stack=12", "host.workers=2")
    assert plan.run_ids == by_hand.run_ids
    for mine, theirs in zip(
        *(stacks(one.points, local_host(one).stack_of) for one in (plan, by_hand)), strict=True
    ):
        assert [point.run_id for point in mine] == [point.run_id for point in theirs]
    plan.save(tmp_path)
    assert load_plan(tmp_path, plan.name) == plan
    assert make_bill(plan, facts, range(72), Store(tmp_path)).num_stacks == 6
    pretend(monkeypatch, 79.1, 79.1)
    assert local_host(plan)._places() == 4


def test_a_smaller_gpu_has_smaller_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 2.0)
    plan, _ = planned(ON_GPU)
    assert 1 < max(sizes(plan)) < 12
    assert sum(sizes(plan)) == 72


def test_on_a_cpu_each_run_trains_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its bits must not depend on its sweep; the hours of a GPU are of stacks all the same."""
    pretend(monkeypatch)
    plan, facts = planned("host.accelerator=cpu", "seed=0")
    assert set(sizes(plan)) == {1}
    assert local_host(plan)._places() == 16
    total = make_bill(plan, facts, range(24), Store(tmp_path))
    assert total.num_stacks == 24
    alone, facts = planned("host.accelerator=cpu", "seed=0", "host.stack=1")
    single = make_bill(alone, facts, range(24), Store(tmp_path))
    assert total.gpu_hours["H100"][1] < single.gpu_hours["H100"][1]


@pytest.mark.parametrize(
    ("overrides", "is_stacked"),
    [
        ([], True),
        (["optim=soap"], True),
        (["+control=dropout"], False),
        (["model._target_=tests.cluster.test_stacking.Foreign"], False),
    ],
)
def test_what_no_stack_is_known_to_train_trains_alone(
    tiny: MakeSpec, overrides: list[str], is_stacked: bool
) -> None:
    assert (Preflight().facts(tiny(*overrides)).stack is not None) is is_stacked


def test_optimisers_that_are_not_known_to_keep_runs_apart_train_them_alone() -> None:
    model = nn.Linear(2, 2)
    assert why_apart(model, [torch.optim.AdamW(model.parameters())]) is None
    assert why_apart(model, [torch.optim.Adagrad(model.parameters())])
    assert why_apart(nn.Sequential(model, nn.Dropout()), [torch.optim.SGD(model.parameters())])


def test_a_stack_takes_more_of_a_gpu_than_its_runs_alone_keep(tiny: MakeSpec) -> None:
    """Plain attention instead of the fused kernel, and the weights from before an update."""
    fact = Preflight().facts(tiny())
    alone = replace(fact.step, on_cpu=False).peak_bytes(
        optimiser_copies=fact.optimiser_copies, recomputed=False
    )
    assert fact.stack is not None
    assert alone < fact.stack.run_bytes < 2 * alone
    assert fact.stack.base_bytes == 0
    finished = Preflight().facts(tiny("budget/finish=lbfgs")).stack
    assert finished is not None
    assert finished.base_bytes > 0


def test_300_runs_of_two_shapes_and_two_number_formats_are_stacks_of_one_of_each() -> None:
    """As the jobs of a GPU cluster get them: nothing of the plan needs a GPU."""
    overrides = (
        "host=slurm", ON_GPU, "host.gpus_per_node=1", "size=demo_s,demo_m",
        "precision=fp32,bf16_mixed", "seed=range(0,75)", "budget=demo", "task.num_sequences=20",
    )  # fmt: skip
    empty = Sweep(name="x", question="", report="capacity", fixed={}, grid=Grid())
    plan, _ = make_plan(with_overrides(empty, overrides, OWN), COMPOSER)
    made = host_of(plan.host)
    together = stacks(plan.points, made.stack_of)
    assert [len(stack) for stack in together] == [75] * 4
    assert sorted(point.run_id for stack in together for point in stack) == sorted(plan.run_ids)
    kinds = [
        {(point.parameters, point.spec.what["precision"]["name"]) for point in stack}
        for stack in together
    ]
    assert [len(kind) for kind in kinds] == [1] * 4
    assert len(set.union(*kinds)) == 4
    alike = [point for stack in together[:2] for point in stack] * 2  # 300 of two kinds
    assert sorted(map(len, stacks(alike, made.stack_of))) == [22, 22, 128, 128]
