"""A ceiling on p_z: the planner inverts the law exactly, and does not extrapolate it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.analysis import scaled
from tests.planner.known_estimates import believed

from rote.analysis.laws.extraction import Extraction
from rote.analysis.laws.law import RunCount
from rote.analysis.quantities.scaling import scaling_runs
from rote.planner.fitted import fitted_estimates
from rote.planner.law_estimates import LawEstimate, LawEstimates, SuffixLaw
from rote.planner.page import plan_json
from rote.planner.plan import make_plan
from rote.planner.request import PlanRequest
from rote.planner.wording import answer, notes

LAW = Extraction(X=2.4, A=1e-3, alpha=1.2, beta=0.9, gamma=1.5)
SUFFIX_TOKENS, SIZE = 32, 1e8
RANGES = {
    "parameters": (1e6, 1e10), "tokens": (1e3, 1e14), "epochs": (1.0, 100.0), "repeats": (1.0, 16.0)
}  # fmt: skip


def estimates(**ranges: tuple[float, float]) -> LawEstimates:
    law = LawEstimate(
        name="p_z",
        inputs=("parameters", "tokens", "epochs", "repeats"),
        curve=LAW,
        rivals=(replace(LAW, X=2.2), LAW, replace(LAW, X=2.6)),
        is_resampled=True,
        source="fitted to 40 points of a test",
        ranges=RANGES | ranges,
    )
    return believed(suffix=SuffixLaw(estimate=law, suffix_tokens=SUFFIX_TOKENS))


def distinct_tokens(p_z: float, repeats: float, seen: float | None = None) -> float:
    """The law solved by hand for the tokens of an epoch; ``seen`` are fixed, or one epoch."""
    k = LAW.X * SUFFIX_TOKENS / -math.log(p_z) - 1
    scale = LAW.A * SIZE**LAW.alpha * repeats**LAW.gamma / k
    if seen is None:
        return scale ** (1 / LAW.beta)
    return (scale * seen**LAW.gamma) ** (1 / (LAW.beta + LAW.gamma))


@pytest.mark.parametrize("repeats", [1.0, 8.0])
@pytest.mark.parametrize("p_z", [1e-12, 1e-3, 0.5])
def test_the_fewest_distinct_tokens_are_those_of_the_closed_form(
    p_z: float, repeats: float
) -> None:
    question = PlanRequest(max_p_z=p_z, repeats=repeats, parameters=(SIZE,))
    (row,) = make_plan(question, estimates()).rows
    assert row.least_tokens == pytest.approx(distinct_tokens(p_z, repeats), rel=1e-8)
    assert row.tokens == row.unique_tokens == pytest.approx(row.least_tokens)
    assert row.p_z is not None and row.p_z.value == pytest.approx(p_z)
    assert not row.breaks


def test_repeats_and_epochs_count_alike() -> None:
    seen = 1e10
    question = PlanRequest(max_p_z=1e-9, tokens=1e9, flops=6 * SIZE * seen, parameters=(SIZE,))
    (row,) = make_plan(question, estimates()).rows
    assert row.epochs == pytest.approx(10)
    assert row.least_tokens == pytest.approx(distinct_tokens(1e-9, 1, seen), rel=1e-8)
    (ten,) = make_plan(replace(question, tokens=None, repeats=10), estimates()).rows
    once = make_plan(replace(question, tokens=None), estimates()).rows[0]
    assert once.p_z.value < ten.p_z.value < row.p_z.value  # ten epochs leave a tenth of the data


def test_the_interval_is_that_of_the_bootstrap() -> None:
    plan = make_plan(PlanRequest(tokens=1e9, parameters=(SIZE,)), estimates())
    (row,) = plan.rows
    nats = -math.log(LAW.predict(SIZE, 1e9, 1, 1))
    assert row.p_z.value == pytest.approx(math.exp(-SUFFIX_TOKENS * nats))
    low, high = row.p_z.interval
    worst = math.exp(-SUFFIX_TOKENS * nats * 2.6 / 2.4)
    assert worst <= low < row.p_z.value < high
    assert "p_z: fitted to 40 points of a test; intervals: 95 %." in list(notes(plan))
    assert plan_json(plan)["laws"]["p_z"]["constants"]["gamma"] == 1.5
    assert plan_json(plan)["rows"][0]["p_z"]["value"] == row.p_z.value


def test_a_budget_under_a_ceiling_takes_a_size_that_keeps_it() -> None:
    plan = make_plan(PlanRequest(flops=1e20, max_p_z=1e-31, repeats=4), estimates())
    best = plan.rows[plan.best]
    assert best.p_z is not None and best.p_z.value <= 1e-31 * (1 + 1e-6)
    larger = [row for row in plan.rows if row.parameters > best.parameters * 1.001]
    assert larger and all(row.breaks == ("p_z above 1e-31",) for row in larger)
    assert "p_z at most 1e-31" in next(answer(plan))


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"max_p_z": 1.0}, "--max-extraction is between 0 and 1, got 1"),
        ({"max_p_z": 0.1, "repeats": 0.5}, "--repeats is at least 1, got 0.5"),
        ({"max_p_z": 0.1, "repeats": 17.0}, "--repeats 17 is outside the 1 to 16 repeats"),
        ({"max_p_z": 0.1, "parameters": (1e12,)}, r"outside the runs of .*\(parameters x100 of"),
        ({"max_p_z": 1e-34, "parameters": (SIZE,)}, "no amount of data keeps the ceiling"),
    ],
)
def test_what_the_law_does_not_say_is_refused_in_one_line(question: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        make_plan(PlanRequest(**question), estimates())
    assert "\n" not in str(refused.value)


def test_sizes_beyond_the_runs_are_left_out_of_an_answer_about_p_z() -> None:
    few = estimates(parameters=(5e7, 2e8))
    plan = make_plan(PlanRequest(max_p_z=0.1, parameters=(1e6, SIZE, 1e12)), few)
    assert [row.parameters for row in plan.rows] == [SIZE]
    assert len(plan.left_out) == 2
    shown = make_plan(PlanRequest(tokens=1e9, parameters=(1e6, SIZE, 1e12)), few)
    assert len(shown.rows) == 3  # nobody asked for a ceiling: marked as beyond what was measured
    assert any(each.law == "p_z" for each in shown.rows[0].beyond)


def test_without_the_law_a_ceiling_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a fitted law of p_z \(published laws have none\)"):
        make_plan(PlanRequest(max_p_z=0.1), believed())


def test_the_law_is_fitted_to_the_runs_of_a_sweep(tmp_path: Path) -> None:
    """Runs on windows of which half occur eight times, with p_z by a planted law."""
    planted = Extraction(X=2.4, A=1e-3, alpha=1.0, beta=0.3, gamma=0.6)
    length, prefix, bare = scaled.LENGTH, 4, scaled.table()
    settings = {"num_sequences": 4, "duplicated_fraction": 0.5, "repeats": 8, "length": length}
    table = bare.with_columns(
        **{f"task.{name}": pl.lit(value) for name, value in settings.items()},
        **{"discoverable.train_tried": pl.lit(4)},
    )
    known = scaling_runs(scaled.results(bare, tmp_path), RunCount.TOTAL)
    for run in known.iter_rows(named=True):
        inputs = run["parameters"], run["tokens"], run["epochs"]
        log_q = np.log([planted.predict(*inputs, times) for times in (8, 8, 1, 1)])
        (tmp_path / run["run_id"]).mkdir()
        np.savez(
            tmp_path / run["run_id"] / "arrays.npz",
            **{f"discoverable.train_log_p_plain_{prefix}": log_q * (length - prefix)},
        )
    runs = scaling_runs(scaled.results(table, tmp_path), RunCount.TOTAL)
    own = fitted_estimates("mine", runs, RunCount.TOTAL, {})
    assert own.suffix is not None and own.suffix.suffix_tokens == length - prefix
    sizes = tuple(sorted(scaled.SIZES.values()))
    plan = make_plan(PlanRequest(max_p_z=0.5, repeats=8, tokens=3e6, parameters=sizes), own)
    for row in plan.rows:
        exact = float(planted.predict(row.parameters, 3e6, 1, 8)) ** (length - prefix)
        assert row.p_z.value == pytest.approx(exact, rel=0.01)
    assert "p_z: fitted to 64 points of mine; intervals: 95 %." in list(notes(plan))
