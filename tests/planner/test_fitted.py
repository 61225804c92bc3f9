"""Repetition in a plan: a sweep's own law where its runs tell it, else the published worth."""

from pathlib import Path

import numpy as np
import pytest
from tests.analysis import scaled

from rote.analysis.laws.law import RunCount
from rote.analysis.laws.repetition import Repetition
from rote.analysis.quantities.scaling import scaling_runs
from rote.core.units import bits_from_nats
from rote.planner.fitted import fitted_estimates
from rote.planner.law_estimates import LawEstimates
from rote.planner.page import plan_json
from rote.planner.plan import make_plan
from rote.planner.request import PlanRequest
from rote.planner.wording import notes

PLANTED = Repetition(E=1.2, A=40.0, B=150.0, alpha=0.4, beta=0.35, R_D=4.0, R_N=3.0)


def estimates(folder: Path, *, repeated: bool) -> LawEstimates:
    """Of runs that follow `PLANTED`, once over all data and again over a tenth of them."""
    table = scaled.table()
    runs = table if repeated else table.filter(table["training.best_step"].is_null())
    seen = runs["training.best_step"].fill_null(0).to_numpy()
    steps = np.where(seen > 0, seen, runs["training.steps"].to_numpy())
    loss_nats = PLANTED.predict(
        runs["parameters"].to_numpy(),
        steps * scaled.LENGTH * scaled.BATCH,
        runs["cost.train_tokens"].to_numpy(),
    )
    bits = bits_from_nats(loss_nats) * scaled.HELDOUT_TOKENS
    runs = scaled.noisy(runs.with_columns(**{"cost.heldout_code_bits": bits}), 1e-4)
    results = scaled.results(runs, folder)
    return fitted_estimates(
        "mine", scaling_runs(results, RunCount.TOTAL), RunCount.TOTAL, results.alphas
    )


def test_the_own_law_serves_where_runs_repeat_their_data(tmp_path: Path) -> None:
    own = estimates(tmp_path, repeated=True)
    data_limited = PlanRequest(tokens=1e5, flops=6 * 3e4 * 1e6, parameters=(9e3, 3e4, 1e5))
    plan = make_plan(data_limited, own)
    for row in plan.rows:
        planted = float(PLANTED.predict(row.parameters, row.tokens, row.unique_tokens))
        assert row.loss_nats.value == pytest.approx(planted, rel=2e-3)
        low, high = row.loss_nats.interval or (0, 0)
        assert low < high
    content = plan_json(plan)["repetition"]
    assert content["source"] == "fitted to 32 runs of mine"
    assert content["R_D"] == pytest.approx(4, rel=0.05)
    assert content["R_N"] == pytest.approx(3, rel=0.1)
    told = " ".join(notes(plan))
    assert "repetition: fitted to 32 runs of mine" in told
    assert "Excess parameters are worth less too" in told
    fresh = make_plan(PlanRequest(flops=6 * 3e4 * 1e6, parameters=(3e4,)), own)
    assert "repetition" not in " ".join(notes(fresh))


def test_the_published_worth_serves_where_no_run_repeats_its_data(tmp_path: Path) -> None:
    plan = make_plan(PlanRequest(tokens=1e5, flops=1.8e11), estimates(tmp_path, repeated=False))
    content = plan_json(plan)["repetition"]
    assert content["source"] == "published: Muennighoff et al. 2023, arXiv 2305.16264"
    assert (content["R_D"], content["R_N"]) == (pytest.approx(15.39, abs=0.01), None)
    assert "not fitted to mine: law repetition takes runs that repeat" in content["warnings"][0]
