"""A few runs that decide a constant are named; runs that follow the law are not."""

import numpy as np
import pytest

from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import FitEffort, Floats, LawData, RunCount
from rote.analysis.laws.parametric import Parametric

TRUE = Parametric(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
EFFORT = FitEffort(num_resamples=0)


def grid(num_sizes: int, num_data: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    sizes = np.repeat(np.geomspace(1e7, 1e9, num_sizes), num_data)
    data = np.tile(np.geomspace(1e9, 1e11, num_data), num_sizes)
    noise = np.random.default_rng(seed).standard_normal(len(sizes))
    return sizes, data, TRUE.predict(sizes, data) * np.exp(0.01 * noise)


def deciding(name: str, sizes: Floats, data: Floats, loss: Floats) -> list[str]:
    runs = LawData(
        columns={"parameters": sizes, "tokens": data, "loss_nats": loss}, count=RunCount.TOTAL
    )
    return [said for said in law(name).fit(runs, EFFORT).warnings if "decide" in said]


@pytest.mark.parametrize("name", ["parametric", "variable_projection"])
@pytest.mark.parametrize("shape", [(4, 5), (12, 20)])
def test_runs_that_follow_the_law_are_not_named(name: str, shape: tuple[int, int]) -> None:
    for seed in range(3):
        assert not deciding(name, *grid(*shape, seed))


def test_one_run_that_diverged_is_named_by_squares() -> None:
    sizes, data, loss = grid(5, 6)
    loss[7] *= 1.5
    said = deciding("variable_projection", sizes, data, loss)
    assert len(said) == 1
    assert "1 of 30 runs decide: without run 8 (parameters 3.16e+07" in said[0]


def test_runs_of_few_tokens_that_leave_the_law_are_named() -> None:
    """As in the digitised runs of Hoffmann et al.: far out, a few runs bend beta even for Huber."""
    sizes, data, loss = grid(12, 20)
    few = np.full(5, 2e8)
    most = np.geomspace(2e9, 8e9, 5)
    bent = TRUE.predict(most, few) * 1.35
    said = deciding(
        "parametric",
        np.concatenate([most, sizes]), np.concatenate([few, data]), np.concatenate([bent, loss]),
    )  # fmt: skip
    assert len(said) == 1
    assert "5 of 245 runs decide: without runs 1 (parameters 2e+09, tokens 2e+08" in said[0]
    assert "beta" in said[0]
