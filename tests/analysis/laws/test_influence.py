"""A few runs that decide a constant are named; runs that follow the law are not."""

import numpy as np
import pytest

from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import FitEffort, LawData, RunCount
from rote.analysis.laws.parametric import Parametric
from tests.analysis.laws.planted import grid, of

TRUE = Parametric(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
EFFORT = FitEffort(num_resamples=0)


def runs(num_sizes: int, num_data: int, seed: int = 0) -> LawData:
    data, sizes = grid(np.geomspace(1e9, 1e11, num_data), np.geomspace(1e7, 1e9, num_sizes))
    inputs = {"parameters": sizes, "tokens": data}
    return of(inputs, "loss_nats", TRUE.predict(sizes, data), noise=0.01, seed=seed)


def deciding(name: str, measured: LawData) -> list[str]:
    return [said for said in law(name).fit(measured, EFFORT).warnings if "decide" in said]


@pytest.mark.parametrize("name", ["parametric", "variable_projection"])
@pytest.mark.parametrize("shape", [(4, 5), (12, 20)])
def test_runs_that_follow_the_law_are_not_named(name: str, shape: tuple[int, int]) -> None:
    for seed in range(3):
        assert not deciding(name, runs(*shape, seed))


def test_one_run_that_diverged_is_named_by_squares() -> None:
    measured = runs(5, 6)
    measured["loss_nats"][7] *= 1.5
    said = deciding("variable_projection", measured)
    assert len(said) == 1
    assert "1 of 30 runs decide: without run 8 (parameters 3.16e+07" in said[0]


def test_runs_of_few_tokens_that_leave_the_law_are_named() -> None:
    """As in the digitised runs of Hoffmann et al.: far out, a few runs bend beta even for Huber."""
    measured = runs(12, 20)
    few, most = np.full(5, 2e8), np.geomspace(2e9, 8e9, 5)
    bent = {"parameters": most, "tokens": few, "loss_nats": TRUE.predict(most, few) * 1.35}
    both = {name: np.append(bent[name], measured[name]) for name in bent}
    said = deciding("parametric", LawData(columns=both, count=RunCount.TOTAL))
    assert len(said) == 1
    assert "5 of 245 runs decide: without runs 1 (parameters 2e+09, tokens 2e+08" in said[0]
    assert "beta" in said[0]
