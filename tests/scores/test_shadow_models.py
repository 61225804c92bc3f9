"""LiRA and RMIA against loops over documents, and on ties, few shadows and certain models."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from rote.scores.shadow_models import (
    Shadows,
    lira_offline,
    lira_online,
    logit_confidence,
    offline_prior,
    online_prior,
    rmia,
)

S, B = 16, 30


@pytest.fixture
def shadows() -> Shadows:
    """Documents are half a nat likelier to models that were trained on them."""
    generator = np.random.default_rng(0)
    trained_SB = np.array([generator.permutation(S) < S // 2 for _ in range(B)]).T
    log_p_SB = -np.abs(generator.normal(2.5, 0.2, (S, B))) + 0.5 * trained_SB
    return Shadows(log_p_SB=log_p_SB, trained_SB=trained_SB)


@pytest.fixture
def log_p_B() -> np.ndarray:
    return -np.abs(np.random.default_rng(1).normal(2.2, 0.3, B))


def logit(log_p: float) -> float:
    return math.log(math.exp(log_p) / (1 - math.exp(log_p)))


def test_confidence_is_the_logit_and_finite_at_both_ends() -> None:
    np.testing.assert_allclose(logit_confidence(np.array([-2.0, -0.1])), [logit(-2), logit(-0.1)])
    ends = logit_confidence(np.array([-1e6, 0.0]))
    assert ends == pytest.approx([-1e6, 25 * math.log(2)])


def sides(shadows: Shadows, document: int) -> tuple[list[float], list[float]]:
    values = [logit(value) for value in shadows.log_p_SB[:, document]]
    trained = shadows.trained_SB[:, document]
    return (
        [value for value, seen in zip(values, trained, strict=True) if seen],
        [value for value, seen in zip(values, trained, strict=True) if not seen],
    )


@pytest.mark.parametrize("fixed_variance", [False, True])
def test_lira_against_a_loop(fixed_variance: bool, shadows: Shadows, log_p_B: np.ndarray) -> None:
    pairs = [sides(shadows, document) for document in range(B)]
    pooled = [np.sqrt(np.mean([np.var(pair[side], ddof=1) for pair in pairs])) for side in (0, 1)]
    online, offline = [], []
    for log_p, (with_it, without) in zip(log_p_B, pairs, strict=True):
        spreads = (
            pooled if fixed_variance else [np.std(each, ddof=1) for each in (with_it, without)]
        )
        densities = [
            norm.logpdf(logit(log_p), np.mean(each), spread)
            for each, spread in zip((with_it, without), spreads, strict=True)
        ]
        online.append(densities[0] - densities[1])
        offline.append(norm.cdf(logit(log_p), np.mean(without), spreads[1]))
    found = lira_online(log_p_B, shadows, fixed_variance=fixed_variance)
    np.testing.assert_allclose(found, online, rtol=1e-9)
    z = lira_offline(log_p_B, shadows, fixed_variance=fixed_variance)
    np.testing.assert_allclose(norm.cdf(z), offline, rtol=1e-9)


def test_lira_tells_members_from_others(shadows: Shadows) -> None:
    member_B, other_B = np.full(B, -2.0), np.full(B, -2.5)
    for fixed in (False, True):
        for attack in (lira_online, lira_offline):
            score_member = attack(member_B, shadows, fixed_variance=fixed)
            assert score_member.mean() > attack(other_B, shadows, fixed_variance=fixed).mean()


def test_lira_of_shadows_that_agree_is_finite() -> None:
    trained_SB = np.arange(4)[:, None] % 2 == np.zeros(3)
    equal = Shadows(log_p_SB=np.full((4, 3), -1.0), trained_SB=trained_SB)
    target_B = np.array([-1.0, -2.0, 0.0])
    for fixed in (False, True):
        assert lira_online(target_B, equal, fixed_variance=fixed) == pytest.approx([0.0] * 3)
        offline = lira_offline(target_B, equal, fixed_variance=fixed)
        assert offline[1] < offline[0] == 0 < offline[2] < np.inf
    pair = Shadows(log_p_SB=np.array([[-1.0], [-3.0]]), trained_SB=np.array([[True], [False]]))
    likelier = [lira_online(np.array([at]), pair, fixed_variance=True)[0] for at in (-1.5, -2.5)]
    assert likelier[0] > 0 > likelier[1]


def test_a_document_without_shadows_on_a_side_is_refused(
    shadows: Shadows, log_p_B: np.ndarray
) -> None:
    trained_SB = shadows.trained_SB.copy()
    trained_SB[:, 4] = True
    one_sided = Shadows(log_p_SB=shadows.log_p_SB, trained_SB=trained_SB)
    for attack in (lira_online, lira_offline):
        with pytest.raises(ValueError, match=r"document 4: shadows trained without it: 0"):
            attack(log_p_B, one_sided, fixed_variance=True)
    trained_SB[0, 4] = False
    with pytest.raises(ValueError, match="this score takes 2"):
        lira_online(log_p_B, one_sided, fixed_variance=False)


@pytest.mark.parametrize("wrong", [0.1, np.nan, -np.inf])
def test_what_is_no_log_probability_is_refused(wrong: float, shadows: Shadows) -> None:
    with pytest.raises(ValueError, match="finite and at most 0"):
        lira_online(np.full(B, wrong), shadows, fixed_variance=True)
    with pytest.raises(ValueError, match="finite and at most 0"):
        Shadows(log_p_SB=np.full((S, B), wrong), trained_SB=shadows.trained_SB)


def test_priors_by_hand() -> None:
    shadows = Shadows(
        log_p_SB=np.log([[0.5], [0.3], [0.1]]), trained_SB=np.array([[True], [False], [False]])
    )
    assert np.exp(online_prior(shadows)) == pytest.approx([(0.5 + 0.2) / 2])
    assert np.exp(offline_prior(shadows, a=1.0)) == pytest.approx([0.2])
    assert np.exp(offline_prior(shadows, a=0.0)) == pytest.approx([(0.2 + 1) / 2])
    assert np.exp(offline_prior(shadows, a=0.3)) == pytest.approx([(1.3 * 0.2 + 0.7) / 2])


def test_the_offline_prior_keeps_probabilities_that_1_would_swallow() -> None:
    unlikely = Shadows(log_p_SB=np.array([[-60.0]]), trained_SB=np.array([[False]]))
    assert offline_prior(unlikely, a=1.0) == pytest.approx([-60.0])


def test_rmia_against_every_pair() -> None:
    generator = np.random.default_rng(0)
    target_B, prior_B, target_Z, prior_Z = (-generator.random(n) for n in (40, 40, 50, 50))
    found = rmia(target_B, prior_B, target_Z, prior_Z, gamma=1.3)
    ratio_B, ratio_Z = np.exp(target_B - prior_B), np.exp(target_Z - prior_Z)
    slow = [sum(x / z >= 1.3 for z in ratio_Z) / 50 for x in ratio_B]
    assert found == pytest.approx(slow)
    assert len(set(slow)) > 10


def test_rmia_counts_equals_and_refuses_nonsense() -> None:
    zero = np.zeros(3)
    assert rmia(zero, zero, zero, zero, gamma=1.0).tolist() == [1.0] * 3
    assert rmia(zero, zero, zero, zero, gamma=1.1).tolist() == [0.0] * 3
    with pytest.raises(ValueError, match="population"):
        rmia(zero, zero, zero[:0], zero[:0], gamma=1.0)
    with pytest.raises(ValueError, match="gamma must be 1 or more"):
        rmia(zero, zero, zero, zero, gamma=0.5)
    with pytest.raises(ValueError, match="a must be from 0 to 1"):
        offline_prior(Shadows(log_p_SB=zero[None], trained_SB=zero[None] > 0), a=1.5)
