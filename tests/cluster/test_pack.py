"""Packs hold what fits, and estimates come from what was measured."""

import pytest
from tests.conftest import MakeSpec

from rote.cluster.pack import Speed, estimates, packs, stacks
from rote.cluster.plan import Point
from rote.ledger.store import Store
from rote.run.execute import execute

SPEED = Speed(flops_per_second=100.0, step_overhead_seconds=0.5)


@pytest.fixture
def points(tiny: MakeSpec) -> list[Point]:
    """Four runs of 30 steps."""
    specs = [tiny(f"seed={seed}") for seed in range(4)]
    return [
        Point(run_id=spec.run_id, spec=spec, parameters=1000 * index, max_flops=500.0)
        for index, spec in enumerate(specs)
    ]


def test_an_unmeasured_run_costs_its_flops_and_its_steps(points: list[Point], store: Store) -> None:
    assert estimates(points, points[:1], store, SPEED) == [500 / 100 + 30 * 0.5]


def test_a_finished_run_of_the_same_kind_tells_the_speed(
    points: list[Point], store: Store, tiny: MakeSpec
) -> None:
    execute(points[0].spec, store)
    first, second = estimates(points, points[1:3], store, SPEED)
    assert first == second < 20
    other = tiny("precision=bf16_mixed")
    unlike = Point(run_id=other.run_id, spec=other, parameters=0, max_flops=500.0)
    assert estimates(points, [unlike], store, SPEED) == [20.0]


def test_packs_fill_up_to_the_target(points: list[Point]) -> None:
    seconds = [20.0, 20.0, 50.0, 20.0]
    made = packs(points, seconds, target_seconds=40.0, alone=lambda point: False)
    assert made == [(points[0], points[1]), (points[2],), (points[3],)]
    none_shared = packs(points, seconds, target_seconds=0.0, alone=lambda point: False)
    assert none_shared == [(point,) for point in points]


def test_a_run_whose_worker_died_shares_with_no_other(points: list[Point]) -> None:
    made = packs(points, [1.0] * 4, target_seconds=99.0, alone=lambda point: point == points[1])
    assert made == [(points[1],), (points[0], points[2], points[3])]


def test_a_stack_holds_runs_of_one_shape_up_to_its_size(tiny: MakeSpec) -> None:
    alike = [
        tiny(), tiny("seed=1"), tiny("task.num_sequences=40"), tiny("optim.optimiser.lr=0.5"),
        tiny("budget.max_steps=20"),
    ]  # fmt: skip
    other = [
        tiny("size=demo_m"), tiny("precision=bf16_mixed"), tiny("optim.clip_norm=7"),
        tiny("task.num_sequences=3"), tiny("optim=adamw"),
    ]  # fmt: skip
    mixed = [alike[0], other[0], *alike[1:], *other[1:]]
    made = stacks(mixed, 3)
    assert [list(map(alike.index, stack)) for stack in made if stack[0] in alike] == [
        [0, 1, 2], [3, 4],
    ]  # fmt: skip
    assert [stack for stack in made if stack[0] in other] == [(spec,) for spec in other]
    assert stacks(alike, 1) == [(spec,) for spec in alike]
