"""Planted half-lives come back, and nothing is claimed where nothing is forgotten.

Shapes: N sequences, T looks.
"""

import numpy as np
import pytest

from rote.analysis.fits.forgetting import (
    EXPONENTIAL,
    POWER_LAW,
    Forgetting,
    Retention,
    forgetting,
    half_life_steps,
)
from rote.analysis.quantities.learning import (
    last_looks_before,
    learning,
    learnt_above_bits,
    memorised_bits,
    with_the_end,
)

AGES_T = np.array([0, 1, 2, 5, 10, 20, 50, 100, 200, 400])
HALF_LIFE = 80.0
START_BITS = 20.0
RATE = 0.12  # of the power law: half is left after 63 steps


def retention(
    random: np.random.Generator, *, form: str = EXPONENTIAL, start: float = START_BITS,
    rate: float = np.log(2) / HALF_LIFE, noise: float = 0.5, number: int = 12,
) -> Retention:  # fmt: skip
    """One run: runs and sequences differ in their start, and the code of each drifts."""
    ages_NT = AGES_T + random.integers(0, 20, (number, 1))  # shown last at random steps
    share_NT = np.exp(-rate * ages_NT) if form == EXPONENTIAL else 1 - rate * np.log1p(ages_NT)
    starts_N1 = start * random.uniform(0.7, 1.3, (number, 1)) * random.normal(1, 0.1)
    drift_NT = random.normal(0, noise, ages_NT.shape).cumsum(axis=1)
    return Retention(
        sequences_P=np.repeat(np.arange(number), len(AGES_T)),
        ages_P=ages_NT.ravel().astype(np.float64),
        bits_P=(starts_N1 * share_NT + drift_NT).ravel(),
    )


def planted(seed: int, runs: int, **settings: float | str) -> Forgetting:
    random = np.random.default_rng(seed)
    return forgetting([retention(random, **settings) for _ in range(runs)])  # type: ignore[arg-type]


@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize(
    ("form", "rate"), [(EXPONENTIAL, np.log(2) / HALF_LIFE), (POWER_LAW, RATE)]
)
def test_the_interval_holds_a_planted_half_life_as_often_as_it_says(
    form: str, rate: float, runs: int
) -> None:
    truth = half_life_steps(form, rate)
    found = [planted(seed, runs, form=form, rate=rate) for seed in range(100)]
    chosen = [each for each in found if each.form == form]
    assert len(chosen) >= 80
    claims = [each.half_life_steps for each in chosen if each.half_life_steps]
    assert len(claims) >= 75
    held = np.mean([low <= truth <= high for low, high in (each.ends for each in claims)])
    assert held >= 0.88
    assert np.median([each.value for each in claims]) == pytest.approx(truth, rel=0.1)


def test_what_is_never_forgotten_has_no_half_life() -> None:
    found = [planted(seed, 3, rate=0.0) for seed in range(60)]
    assert all(each.acquired_bits.sign > 0 for each in found)
    claims = [each for each in found if each.half_life_steps or each.lost_bits.sign > 0]
    assert len(claims) <= 4  # 2.5 % are expected by chance
    said = [each.reason for each in found if each not in claims]
    assert all(reason.startswith("not forgotten beyond doubt within the looks") for reason in said)


@pytest.mark.parametrize("runs", [1, 3])
def test_noise_alone_is_not_called_memory(runs: int) -> None:
    found = [planted(seed, runs, start=0.0) for seed in range(50)]
    silent = [each for each in found if each.half_life_steps is None]
    assert len(silent) >= 48
    assert sum("nothing is memorised" in each.reason for each in silent) >= 46


def test_few_ages_fit_no_curve() -> None:
    run = Retention(sequences_P=np.array([0, 0]), ages_P=np.array([0.0, 9.0]), bits_P=np.ones(2))
    found = forgetting([run])
    assert (found.form, found.half_life_steps) == ("", None)
    assert found.reason == "fewer than 3 ages after the last showing"
    with pytest.raises(ValueError, match="no run"):
        forgetting([])


def test_a_half_life_beyond_the_looks_is_marked() -> None:
    found = planted(0, 3, rate=np.log(2) / 600, noise=0.05)
    assert found.is_beyond
    assert found.half_life_steps.value == pytest.approx(600, rel=0.1)


STEPS_T = np.array([0, 10, 20, 30, 40])


def codes(memory_TN: np.ndarray, *, controls: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Code lengths of sequences with this memory, and of controls: all fall by general training."""
    random = np.random.default_rng(0)
    general_T1 = np.linspace(0, -50, len(STEPS_T))[:, None]
    easier_N = random.normal(0, 10, memory_TN.shape[1])
    control_TC = 100 + general_T1 + random.normal(0, 10, controls)
    return 100 + general_T1 + easier_N - memory_TN, control_TC + random.normal(
        0, 0.1, control_TC.shape
    )


def test_general_training_and_easy_sequences_count_as_no_memory() -> None:
    memory_TN = np.array([[0, 0], [0, 0], [8, 4], [6, 0], [4, 8.0]])
    code_TN, control_TC = codes(memory_TN)
    before_N = last_looks_before(STEPS_T, [20, 11])
    assert before_N.tolist() == [1, 1]
    bits_TN = memorised_bits(code_TN, control_TC, before_N)
    assert bits_TN == pytest.approx(memory_TN, abs=0.1)
    assert last_looks_before(STEPS_T, [0]).tolist() == [-1]
    with pytest.raises(ValueError, match="no look before"):
        memorised_bits(code_TN, control_TC, np.array([-1, 0]))
    with pytest.raises(ValueError, match="nothing to compare with"):
        memorised_bits(code_TN, control_TC[:, :0], before_N)


def test_learning_and_forgetting_events_are_counted() -> None:
    memory_TN = np.array([[0, 0, 0], [8, 0, 0.0], [0, 0, 9], [8, 0, 9], [0, 0, 9]])
    found = learning(STEPS_T, memory_TN, above_bits=1.0)
    assert found.first_step_N.tolist()[::2] == [10, 20]
    assert found.ever_learnt_N.tolist() == [True, False, True]
    assert found.forgetting_events_N.tolist() == [2, 0, 0]
    assert found.learnt_at_end_N.tolist() == [False, False, True]


def test_a_sequence_that_was_never_shown_counts_as_learnt_in_one_case_of_twenty() -> None:
    random = np.random.default_rng(1)
    learnt = []
    for _ in range(300):
        code_TN, control_TC = random.normal(50, 3, (5, 10)), random.normal(50, 3, (5, 39))
        above = learnt_above_bits(control_TC, before=0)
        bits_TN = memorised_bits(code_TN, control_TC, np.zeros(10, int))
        learnt.append(learning(STEPS_T, bits_TN, above).ever_learnt_N.mean())
    assert np.mean(learnt) == pytest.approx(0.05, abs=0.015)
    assert learnt_above_bits(random.normal(50, 3, (5, 18)), before=0) is None


def test_early_bits_that_predict_the_end_within_groups_are_told_from_groups_alone() -> None:
    random = np.random.default_rng(2)
    groups_N = np.repeat([1, 8], 30)
    end_N = groups_N * 5 + random.normal(0, 1, 60)
    early_TN = np.stack([end_N + random.normal(0, 0.2, 60), groups_N * 5 + random.normal(0, 1, 60)])
    alike, apart, own = with_the_end(np.vstack([early_TN, end_N[None]]), groups_N)
    assert alike.value > 0.9
    assert not apart.excludes(0.0)
    assert own.value == pytest.approx(1.0)
