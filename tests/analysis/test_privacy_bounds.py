"""Lower bounds on planted mechanisms whose privacy is known."""

import math

import numpy as np
import pytest

from rote.analysis.quantities.privacy import (
    epsilon_of_mu,
    one_run_epsilon,
    one_run_p_value,
    privacy_bounds,
    tradeoff_bound,
)

SEEDS = 120
ALLOWED = SEEDS // 20  # misses of bounds that hold in 95 % of cases


def responses(epsilon: float, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Randomised response: a member says 1 with odds of exp(epsilon), a non-member 0."""
    random = np.random.default_rng(seed)
    truth = 1 / (1 + math.exp(-epsilon))
    members, others = random.random((2, number))
    return (members < truth).astype(float), (others >= truth).astype(float)


def normals(mu: float, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    members, others = np.random.default_rng(seed).normal(size=(2, number))
    return members + mu, others


@pytest.mark.parametrize("number", [20, 300])
@pytest.mark.parametrize("epsilon", [0.0, 1.0, 3.0])
def test_no_bound_exceeds_the_epsilon_of_randomised_response(epsilon: float, number: int) -> None:
    found = [
        privacy_bounds(*responses(epsilon, number, seed), delta=0.0, seed=seed)
        for seed in range(SEEDS)
    ]
    assert sum(each.epsilon > epsilon for each in found) <= ALLOWED
    assert sum(each.epsilon_one_run > 2 * epsilon for each in found) <= ALLOWED


def test_many_samples_bring_the_bounds_of_randomised_response_close() -> None:
    found = privacy_bounds(*responses(1.0, 20_000, 0), delta=0.0)
    assert 0.8 < found.epsilon <= 1.0
    assert 1.8 < found.epsilon_one_run <= 2.0  # of replacing


@pytest.mark.parametrize("mu", [0.0, 1.0])
def test_the_gaussian_bound_holds_and_comes_close(mu: float) -> None:
    few = [privacy_bounds(*normals(mu, 200, seed), seed=seed).mu for seed in range(SEEDS)]
    assert sum(each > mu for each in few) <= ALLOWED
    many = privacy_bounds(*normals(mu, 100_000, 0)).mu
    assert many <= mu and many >= 0.9 * mu


def test_an_attack_that_shows_nothing_gives_zero() -> None:
    found = privacy_bounds(np.zeros(500), np.zeros(400))
    assert (found.epsilon, found.mu, found.epsilon_by_mu, found.epsilon_one_run) == (0, 0, 0, 0)
    less = privacy_bounds(np.arange(10.0), np.arange(10.0) + 100)  # and one that errs throughout
    assert less.epsilon_one_run == less.mu == 0


def test_a_perfect_attack_is_limited_by_the_number_of_documents_alone() -> None:
    """Each rate is below 1 - (0.05 / 128)^(1 / n), at 32 ranks of two classes and two errors."""
    end = 1 - (0.05 / 128) ** (1 / 100)
    found = privacy_bounds(np.ones(100), np.zeros(100), delta=0.01)
    assert found.epsilon == pytest.approx(math.log((1 - 0.01 - end) / end))
    alone = privacy_bounds(np.ones(1), np.zeros(1))
    assert alone.epsilon == 0


def test_upper_ends_hold_for_all_thresholds_at_once() -> None:
    """Of uniform scores the attack's FPR + FNR is 1 everywhere, which the band may not pass."""
    wrong = 0
    for seed in range(SEEDS):
        members, others = np.random.default_rng(seed).random((2, 150))
        wrong += bool((tradeoff_bound(members, others).sum(axis=1) < 1).any())
    assert wrong <= ALLOWED


def test_delta_of_a_gaussian_mechanism() -> None:
    """Dong et al. 2019: at epsilon 0 delta is Phi(mu / 2) - Phi(-mu / 2)."""
    at_zero = math.erf(0.5 / math.sqrt(2))
    assert epsilon_of_mu(1.0, at_zero + 1e-9) == 0
    assert 0 < epsilon_of_mu(1.0, at_zero - 1e-3) < 0.01
    assert epsilon_of_mu(1.0, 1e-5) == pytest.approx(4.3767, abs=1e-3)
    assert epsilon_of_mu(1.0, 0.0) == math.inf and epsilon_of_mu(0.0, 0.0) == 0


def test_p_value_of_guesses_by_hand() -> None:
    """All of 3 right at epsilon ln 3: (3 / 4)^3, and delta adds 2 m delta times the likeliest i."""
    assert one_run_p_value(3, 3, 3, math.log(3), 0.0) == pytest.approx(27 / 64)
    just_short = max(27 / 64, (27 + 9) / 64 / 2, (27 + 9 + 1) / 64 / 3)  # of 2, 1 to 2, 0 to 2
    wanted = 27 / 64 + 2 * 5 * 0.01 * just_short
    assert one_run_p_value(5, 3, 3, math.log(3), 0.01) == pytest.approx(wanted)


def test_all_of_many_guesses_right() -> None:
    """(1 + exp(-e))^-n = 0.05 at delta 0."""
    found = one_run_epsilon(100, 100, 100, 0.0)
    assert found == pytest.approx(-math.log(0.05 ** (-1 / 100) - 1))
    assert one_run_epsilon(100, 100, 50, 0.0) == 0
    assert one_run_epsilon(100, 100, 100, 1e-3) < found


@pytest.mark.parametrize("delta", [-0.1, 1.0])
def test_a_delta_that_is_no_probability_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match="delta must be from 0 to 1"):
        privacy_bounds(np.zeros(3), np.ones(3), delta=delta)
