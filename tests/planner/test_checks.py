"""A plan names the commands that check it, with what it expects of each."""

import random
import shlex
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from tests.inprocess import rote

from rote.planner.checks import FEWEST, MOST, checks
from rote.planner.fitted import published_estimates
from rote.planner.plan import TrainingPlan, make_plan
from rote.planner.projection import Value
from rote.planner.request import PlanRequest


@pytest.fixture(scope="module")
def plan() -> TrainingPlan:
    return make_plan(PlanRequest(flops=1e18), published_estimates())


def with_f1(plan: TrainingPlan, f1: float) -> TrainingPlan:
    rows = [replace(row, f1=Value(value=f1, interval=None)) for row in plan.rows]
    return replace(plan, rows=tuple(rows))


def test_membership_extraction_and_the_long_tail_are_checked(plan: TrainingPlan) -> None:
    membership, extraction, tail = checks(plan)
    row = plan.rows[plan.best or 0]
    assert f"F1 {row.f1.value:.3f}" in membership.expects
    assert "no law in this plan" in extraction.expects  # nothing is published for it
    assert "--canaries" in tail.command


def test_each_command_is_understood(plan: TrainingPlan, tmp_path: Path) -> None:
    for check in checks(plan):
        done = rote(tmp_path, *shlex.split(check.command)[1:])
        assert done.returncode == 2
        assert "MODEL" in done.stderr or "TRAIN" in done.stderr, done.stderr


@pytest.mark.parametrize("f1", [0.505, 0.51])
def test_so_many_documents_tell_the_projected_f1_from_chance(plan: TrainingPlan, f1: float) -> None:
    (check, *_) = checks(with_f1(plan, f1))
    number = int(check.needs.split()[0].replace(",", ""))
    draw = random.Random(0)
    found = []
    for _ in range(400):
        hits = draw.getrandbits(number).bit_count()
        misses = draw.getrandbits(number).bit_count()
        found.append(2 * hits / (hits + misses + number))
    assert 1.96 * statistics.stdev(found) == pytest.approx(f1 - 0.5, rel=0.15)


def test_the_number_of_documents_has_bounds(plan: TrainingPlan) -> None:
    assert f"{FEWEST:,} documents" in next(iter(checks(with_f1(plan, 0.99)))).needs
    assert f"{MOST:,} documents" in next(iter(checks(with_f1(plan, 0.5)))).needs
