"""Plans: published numbers come out, ceilings are kept, what cannot be asked is refused."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.planner.known_estimates import HOFFMANN, believed, exposure

from rote.analysis.published import VALIDATIONS
from rote.planner.fitted import published_estimates, published_membership
from rote.planner.page import plan_json, write_plan
from rote.planner.plan import make_plan
from rote.planner.request import PlanRequest
from rote.planner.wording import answer, marks, notes


def test_chinchilla_comes_out_of_its_own_constants() -> None:
    """Hoffmann et al. 2022, table A3, approach 3: 5.76e23 FLOPs for 40B parameters, nearly."""
    plan = make_plan(PlanRequest(flops=5.76e23), believed())
    best = plan.rows[plan.best]
    assert best.parameters == plan.optimum == pytest.approx(3.2e10, rel=0.15)
    assert best.flops == pytest.approx(5.76e23)
    assert best.loss_nats.value == min(row.loss_nats.value for row in plan.rows)


def test_the_published_target_needs_the_published_windows() -> None:
    """Morris et al. 2025: F1 = 0.55 at 1,556,075,200 parameters takes 170,654,583 windows."""
    plan = make_plan(PlanRequest(max_f1=0.55, parameters=(1_556_075_200,)), believed())
    (row,) = plan.rows
    assert row.least_tokens / 64 == pytest.approx(170_654_583, rel=0.005)
    assert row.f1.value == pytest.approx(0.55)
    assert not row.breaks
    assert re.search(r"171,\d{3},\d{3} windows of 64", " ".join(answer(plan)))


def test_a_budget_under_a_ceiling_takes_the_largest_size_that_keeps_it() -> None:
    """Where the optimum leaks, a smaller model on more data is best, exactly at the ceiling."""
    question = PlanRequest(flops=1e18, max_f1=0.500001)
    plan = make_plan(question, believed())
    best = plan.rows[plan.best]
    assert best.parameters < plan.optimum
    assert best.f1.value == pytest.approx(0.500001, abs=1e-7)
    broken = [row for row in plan.rows if row.parameters > best.parameters * 1.001]
    assert broken and all(row.breaks == ("membership F1 above 0.500001",) for row in broken)


def test_a_target_is_reached_by_every_row_and_cheapest_by_the_best() -> None:
    plan = make_plan(PlanRequest(loss_nats=2.2), believed())
    assert {round(row.loss_nats.value, 6) for row in plan.rows} == {2.2}
    assert plan.rows[plan.best].flops == min(row.flops for row in plan.rows)
    assert any("never reaches 2.2 nats" in reason for reason in plan.left_out)


def test_no_row_of_the_pareto_set_is_beaten_and_every_other_is() -> None:
    plan = make_plan(PlanRequest(flops=1e18), believed(exposure=exposure()))
    costs = [
        (row.loss_nats.value, row.f1.value, row.exposure_bits.value)  # type: ignore[union-attr]
        for row in plan.rows
    ]

    def beaten(mine: tuple[float, ...]) -> bool:
        return any(
            all(a <= b * (1 + 1e-6) for a, b in zip(other, mine, strict=True))
            and any(a < b * (1 - 1e-6) for a, b in zip(other, mine, strict=True))
            for other in costs
        )

    assert plan.pareto == tuple(index for index, mine in enumerate(costs) if not beaten(mine))
    assert 0 < len(plan.pareto) < len(plan.rows)


def test_tokens_seen_again_are_worth_less_and_leak_as_distinct_ones() -> None:
    fresh = make_plan(PlanRequest(flops=1e21), believed())
    data_limited = make_plan(PlanRequest(flops=1e21, tokens=6e9), believed())
    again = data_limited.rows[data_limited.best]
    assert again.parameters == data_limited.optimum
    assert again.epochs == pytest.approx(again.tokens / 6e9)
    assert again.epochs > 1
    assert again.loss_nats.value > fresh.rows[fresh.best].loss_nats.value
    assert again.parameters > fresh.rows[fresh.best].parameters  # repeats are worth less than size
    assert again.unique_tokens == 6e9
    told = " ".join(notes(data_limited))
    assert "repetition: published: Muennighoff et al. 2023" in told
    assert "R_D = 15.4" in told and "Excess parameters are not discounted." in told
    assert plan_json(data_limited)["repetition"]["R_N"] is None


def test_intervals_are_those_of_rivals_and_say_which() -> None:
    rivals = (HOFFMANN, replace(HOFFMANN, E=1.8))
    loss = replace(believed().loss, rivals=rivals)
    plan = make_plan(PlanRequest(flops=1e21), believed(loss=loss, exposure=exposure()))
    low, high = plan.rows[0].loss_nats.interval or (0, 0)
    assert high - low == pytest.approx(0.11)
    told = " ".join(notes(plan))
    assert "span of 2 published fits" in told
    assert "exposure: fitted to 9 runs of a test; intervals: 95 %" in told


def test_what_lies_beyond_the_data_is_said() -> None:
    plan = make_plan(PlanRequest(flops=1e26), believed())
    best = plan.rows[plan.best]
    inputs = {each.input for each in best.beyond if each.law == "loss"}
    assert inputs >= {"parameters", "tokens"}
    assert all(each.factor > 1 for each in best.beyond)
    assert "EXTRAPOLATED" in " ".join(notes(plan))
    within = make_plan(PlanRequest(flops=1e21, parameters=(2e9,)), believed())
    assert not [each for each in within.rows[0].beyond if each.law == "loss"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({}, "nothing is asked"),
        ({"flops": 5.0}, "--flops pays for one parameter and token, 6, got 5"),
        ({"max_f1": 0.5}, "above 0.5"),
        ({"max_extracted": 2.0}, "a share"),
        ({"max_exposure_bits": 3.0}, "nothing is known of exposure: --from"),
        ({"loss_nats": 1.0}, "no model reaches 1 nats"),
        ({"flops": 1e3, "parameters": (1e6,)}, "do not pay for one window"),
        ({"max_f1": 0.6, "parameters": (1e6,), "loss_nats": 1.7}, "never reaches 1.7 nats"),
    ],
)
def test_what_cannot_be_answered_is_refused(question: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_plan(PlanRequest(**question), believed())


def test_the_page_holds_every_row_and_escapes_the_command(tmp_path: Path) -> None:
    plan = make_plan(PlanRequest(flops=1e21), believed(exposure=exposure()))
    write_plan(plan, tmp_path / "plan.html", "rote plan <b>")
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"plan.html", "plan.svg", "plan.png", "plan.csv", "tables.tex"}
    html = (tmp_path / "plan.html").read_text()
    assert "rote plan &lt;b&gt;" in html
    assert html.count("<tr>") == len(plan.rows) + 1
    content = plan_json(plan)
    assert content["laws"]["loss"]["constants"]["alpha"] == 0.34
    assert len(content["rows"]) == len(plan.rows)
    assert marks(plan, plan.best).startswith("best, least loss")


def test_the_published_f1_has_the_interval_of_its_own_misses() -> None:
    """By hand: errors of the six printed rows against the law, root mean square times t of 6."""
    law = published_membership()
    errors = [
        each.observed_f1 - float(law.curve.predict(each.num_samples, each.parameters))
        for each in VALIDATIONS
    ]
    reach = 2.4469 * np.sqrt(np.mean(np.square(errors)))
    assert law.validation_errors.reach == pytest.approx(reach, 1e-4)
    for each in VALIDATIONS:
        low, high = law.interval(each.parameters, each.num_samples)
        assert low <= each.observed_f1 <= high <= 1.0
    assert law.interval(1e6, 1e9)[0] == 0.5
    plan = make_plan(PlanRequest(flops=1e21), published_estimates())
    assert all(row.f1 and row.f1.interval for row in plan.rows)
    assert any("root mean square of errors" in note for note in notes(plan))


def test_a_plan_claims_nothing_that_it_does_not_know(tmp_path: Path) -> None:
    """One size: no best row, no Pareto front to compare; a membership F1 that is a guess's."""
    plan = make_plan(PlanRequest(tokens=1e12, parameters=(1e6,)), believed())
    write_plan(plan, tmp_path / "plan.html", "rote plan")
    html = (tmp_path / "plan.html").read_text()
    assert plan.best is None and "What each size would cost and leak" in html
    assert ">best<" not in html and "asked: at most" not in html
    budget = make_plan(PlanRequest(flops=1e21), believed())
    assert "a membership F1 of 0.500 (0.500 to 0.608), that of a guess" in " ".join(answer(budget))
