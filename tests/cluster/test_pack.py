"""Packs hold what fits, and estimates come from what was measured."""

from dataclasses import replace

import pytest
from tests.conftest import MakeSpec, point_of

from rote.cluster.pack import MOST_STACKED, Speed, estimates, packs, stack_on_gpu, stacks
from rote.cluster.plan import Point
from rote.config.host_and_log import AUTO_PARAMETERS
from rote.ledger.store import Store
from rote.planner.bill import RATES
from rote.run.execute import execute

SPEED = Speed(flops_per_second=100.0, step_overhead_seconds=0.5)


@pytest.fixture
def points(tiny: MakeSpec) -> list[Point]:
    """Four runs of 30 steps, of one shape."""
    return [
        point_of(tiny(f"seed={seed}"), parameters=1000 * seed, max_flops=500.0) for seed in range(4)
    ]


def test_an_unmeasured_run_costs_its_flops_and_its_steps(points: list[Point], store: Store) -> None:
    assert estimates(points, points[:1], store, SPEED) == [500 / 100 + 30 * 0.5]


def test_a_finished_run_of_the_same_kind_tells_the_speed(
    points: list[Point], store: Store, tiny: MakeSpec
) -> None:
    execute(points[0].spec, store)
    first, second = estimates(points, points[1:3], store, SPEED)
    assert first == second < 20
    unlike = point_of(tiny("precision=bf16_mixed"), max_flops=500.0)
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
    made = [[point.spec for point in stack] for stack in stacks(map(point_of, mixed), lambda _: 3)]
    assert [list(map(alike.index, stack)) for stack in made if stack[0] in alike] == [
        [0, 1, 2], [3, 4],
    ]  # fmt: skip
    assert [stack for stack in made if stack[0] in other] == [[spec] for spec in other]
    assert stacks(map(point_of, alike), lambda _: 1) == [(point_of(spec),) for spec in alike]


def test_the_run_with_least_room_limits_its_stack(points: list[Point]) -> None:
    most = dict(zip((point.run_id for point in points), (4, 2, 4, 4), strict=True))
    made = stacks(points, lambda point: most[point.run_id])
    assert made == [tuple(points[:2]), tuple(points[2:])]


@pytest.mark.parametrize(
    ("changes", "memory_gib", "most"),
    [
        ({}, 80.0, 128),  # 64 GiB hold 640 runs
        ({}, 10.0, 80),
        ({"stack_base_bytes": 4 << 30}, 10.0, 40),
        ({}, 0.01, 1),
        ({}, None, 16),
        ({"stack_run_bytes": None}, 80.0, 1),
        ({"parameters": 535_168}, 80.0, 128),
        ({"parameters": 535_169}, 80.0, 1),
    ],
)
def test_a_gpu_stacks_as_many_as_fit_up_to_the_most_timed(
    points: list[Point], changes: dict[str, int | None], memory_gib: float | None, most: int
) -> None:
    point = replace(points[0], **({"stack_run_bytes": (1 << 30) // 10} | changes))
    assert stack_on_gpu(point, memory_gib) == most


def test_the_most_stacked_are_the_fastest_and_the_largest_timed() -> None:
    timed = [row for row in RATES if row.stack > 1]
    assert max(row.parameters for row in timed) == AUTO_PARAMETERS
    for size in {row.parameters for row in timed}:
        of_size = [row for row in timed if row.parameters == size]
        assert max(of_size, key=lambda row: row.steps_per_second).stack == MOST_STACKED
