"""Outliers, runs that carry the fit, unequal and dependent noise are said; none of them is not."""

import numpy as np
import pytest

from rote.analysis.laws.clusters import alike, cluster_numbers
from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import CLUSTERS, FitEffort, Floats, LawData, RunCount
from rote.cli.main import make_app
from tests.analysis.laws.planted import QUICK, REFIT, grid, of

SIZES, TOKENS = grid(np.geomspace(4e7, 1.6e10, 12), np.geomspace(5e8, 5e11, 10))


def runs(log_noise: Floats) -> LawData:
    loss = REFIT.predict(SIZES, TOKENS) * np.exp(log_noise)
    return of({"parameters": SIZES, "tokens": TOKENS}, "loss_nats", loss)


def gaussian(seed: int) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.01, len(SIZES))


def said(measured: LawData, *words: str, effort: FitEffort = QUICK) -> list[str]:
    warnings = law("variable_projection").fit(measured, effort).warnings
    return [each for each in warnings if any(word in each for word in words)]


def test_equal_and_independent_noise_is_passed_over() -> None:
    for seed in range(3):
        assert not said(runs(gaussian(seed)), "robust", "leverage", "spread", "alike")
    assert not said(runs(np.zeros(len(SIZES))), "robust", "leverage", "spread", "alike")


def test_five_diverged_runs_are_named() -> None:
    noise = gaussian(0)
    noise[[3, 17, 40, 77, 101]] = 0.4
    found = law("parametric").fit(runs(noise), QUICK).warnings
    (sentence,) = [each for each in found if "robust deviations" in each]
    assert sentence.startswith("5 of 120 runs lie more than 6 robust deviations")
    for row in (4, 18, 41, 78, 102):
        assert f"run {row} (parameters" in sentence


def test_a_run_far_from_all_others_carries_the_fit() -> None:
    near = SIZES < 3e8
    measured = runs(gaussian(1)).rows(near | (np.arange(len(SIZES)) == len(SIZES) - 1))
    assert said(measured, "leverage")


def test_noise_that_grows_with_size_is_said() -> None:
    (sentence,) = said(runs(gaussian(2) * np.linspace(0.1, 2, 12)[_rank(SIZES)]), "spread")
    assert "spread more the larger parameters" in sentence


def _rank(values: Floats) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1]


def test_sizes_with_a_residual_of_their_own_are_said_and_allowed_for() -> None:
    own = np.random.default_rng(3).normal(0, 0.02, 12)[_rank(SIZES)]
    measured = runs(gaussian(3) + own)
    (sentence,) = said(measured, "alike")
    assert sentence.startswith("residuals of runs of equal parameters are alike")
    assert "with --clusters parameters the standard error of" in sentence
    by_size = FitEffort(num_resamples=200, profiles=False, clusters="parameters")
    assert not said(measured, "alike", effort=by_size)
    together = law("variable_projection").fit(measured, by_size)
    alone = law("variable_projection").fit(measured, FitEffort(num_resamples=200, profiles=False))
    assert together.method.endswith("runs of equal parameters are drawn together")
    assert alone.method.endswith("runs are drawn one by one")
    wider = [
        (one.standard_error or 0) / (other.standard_error or 1)
        for one, other in zip(together.constants, alone.constants, strict=True)
    ]
    assert max(wider) > 1.3


def test_clusters_are_equal_but_for_how_exactly_they_are_known() -> None:
    columns = {
        "parameters": np.array([1e6, 1.005e6, 2e6, 2e6, 1.02e6]),
        "tokens": np.array([1e8, 1e8, 5e7, 5.3e7, 3e8]),
    }
    measured = LawData(columns=columns, count=RunCount.TOTAL)
    assert cluster_numbers(measured, "parameters").tolist() == [0, 0, 2, 2, 1]
    assert cluster_numbers(measured, "flops").tolist() == [0, 0, 0, 0, 1]
    assert alike(measured, np.array([1.0, 2.0, -1.0, 3.0, 0.5])) == {}
    with pytest.raises(ValueError, match=r"column 'unique_tokens' is needed"):
        cluster_numbers(measured, "unique_tokens")
    with pytest.raises(ValueError, match=r"clusters='size': choose from parameters"):
        cluster_numbers(measured, "size")


def test_too_few_clusters_are_refused() -> None:
    effort = FitEffort(num_resamples=0, clusters="tokens")
    with pytest.raises(ValueError, match="3 clusters of equal tokens, and 5 constants take 7"):
        law("parametric").fit(runs(gaussian(0)).rows(TOKENS < 3e9), effort)


def test_the_command_knows_every_kind_of_cluster() -> None:
    for kind in CLUSTERS:
        _, bound, _ = make_app().parse_args(["fit", "runs.csv", "--clusters", kind])
        assert bound.arguments["clusters"] == kind
