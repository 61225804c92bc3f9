"""A plan on disk: groups once, older versions as before, and damage in one line."""

import json
from pathlib import Path

import pytest
from tests.conftest import COMPOSER, TINY, MakeSpec, plan_of, point_of

from rote.cluster.plan import Plan, load_plan, plan_path
from rote.cluster.planning import make_plan
from rote.config.grammar import parse
from rote.config.sweep import Grid, Sweep
from rote.io.read import Damaged
from rote.ledger.spec import Spec


@pytest.fixture
def plan(tiny: MakeSpec) -> Plan:
    specs = [tiny(f"seed={seed}", f"precision={name}") for name in ("fp32", "tf32")
             for seed in range(50)]  # fmt: skip
    return plan_of(point_of(spec, parameters=7, max_flops=1e9, axes={"seed": 1}) for spec in specs)


def test_a_plan_comes_back_equal_and_holds_each_group_once(tmp_path: Path, plan: Plan) -> None:
    path = plan.save(tmp_path)
    assert load_plan(tmp_path, "own") == plan
    assert len(json.loads(path.read_text())["groups"]) == len(plan.specs[0].what) + 2
    read = load_plan(tmp_path, "own").specs
    assert all(spec.how["host"] is read[0].how["host"] for spec in read)


def test_a_plan_of_version_2_is_read(tmp_path: Path, plan: Plan) -> None:
    path = plan.save(tmp_path)
    content = json.loads(path.read_text())
    del content["groups"]
    for point, spec in zip(content["points"], plan.specs, strict=True):
        point |= {"what": spec.what, "how": spec.how}
    path.write_text(json.dumps({**content, "version": 2}))
    assert load_plan(tmp_path, "own") == plan


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("what", None, "points.1.what must be an object"),
        ("what", {"task": 0, "seed": -1}, "points.1.what.seed must be a whole number"),
        ("what", {"task": "uniform", "seed": 1}, "points.1.what.task must be a whole number"),
        ("what", {"task": 0, "seed": 1}, "points.1.what has no 'model'"),
        ("how", {"host": 0, "log": 999}, "points.1 refers to groups.999, which is not there"),
    ],
)
def test_a_point_that_refers_to_no_group_is_damage(
    tmp_path: Path, plan: Plan, part: str, value: object, message: str
) -> None:
    path = plan.save(tmp_path)
    content = json.loads(path.read_text())
    content["points"][1][part] = value
    path.write_text(json.dumps(content))
    with pytest.raises(Damaged) as caught:
        load_plan(tmp_path, "own")
    assert message in str(caught.value)


def test_points_that_differ_in_their_seed_alone_are_checked_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Spec] = []
    from rote.run.preflight import Preflight

    facts = Preflight.facts
    monkeypatch.setattr(
        Preflight, "facts", lambda self, spec: seen.append(spec) or facts(self, spec)
    )
    fixed = {each.get_key_element(): each.value() for each in parse(TINY)}
    grid = Grid(product={"precision": ["fp32", "tf32"], "seed": list(range(20))})
    plan, found = make_plan(
        Sweep(name="own", question="?", report="capacity", fixed=fixed, grid=grid), COMPOSER
    )
    assert (len(plan.points), len(found), len(seen)) == (40, 40, 2)
    assert [point.spec.what["seed"] for point in plan.points] == [*range(20)] * 2
    assert all(point.run_id == point.spec.run_id for point in plan.points)
    with pytest.raises(ValueError, match="seed must be a whole number"):
        bad = Grid(product={"seed": [0, 1.5]})
        make_plan(Sweep(name="own", question="?", report="x", fixed=fixed, grid=bad), COMPOSER)
    assert not plan_path(tmp_path, "own").exists()
