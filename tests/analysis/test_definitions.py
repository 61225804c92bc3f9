"""Definitions of memorisation agree, disagree and change as they were planted to."""

import math
from pathlib import Path

import numpy as np
import pytest

from rote.analysis.definitions_table import definition_numbers, definitions_section
from rote.analysis.page import Heading
from rote.analysis.quantities.definitions import (
    FEWEST,
    beside_references,
    compare,
    counterfactual,
    flip_rates,
    marks,
    mean_counterfactual,
    reference_halves,
)
from rote.analysis.quantities.definitions_of_runs import ComparedGroup, compare_definitions
from rote.analysis.quantities.leakage import leakage_runs
from rote.analysis.reports.leakage import report
from rote.analysis.results import Results
from rote.analysis.table import Table
from rote.core.units import nats_from_bits
from rote.scores.shadow_models import Shadows, lira_online
from tests.analysis import planted_leakage as planted

LENGTH, VOCABULARY = 8, 16
ENTROPY_BITS = LENGTH * math.log2(VOCABULARY)


def halves(num_runs: int, num_samples: int) -> np.ndarray:
    """Which samples each run was trained on: a random half."""
    order = np.random.default_rng(7).random((num_runs, num_samples)).argsort(axis=1)
    return order < num_samples // 2


def test_a_lookup_table_memorises_the_entropy_of_each_sample() -> None:
    trained_RB = halves(6, 60)
    bits_RB = np.where(trained_RB, 0.0, ENTROPY_BITS)
    bits_B, _ = counterfactual(bits_RB, trained_RB)
    has_both_B = trained_RB.any(axis=0) & ~trained_RB.all(axis=0)
    assert (bits_B[has_both_B] == ENTROPY_BITS).all()
    assert np.isnan(bits_B[~has_both_B]).all()
    mean = mean_counterfactual(bits_RB, trained_RB)
    assert (mean.value, mean.n, mean.interval) == (ENTROPY_BITS, 6, None)
    with pytest.raises(ValueError, match="no sample has runs that were trained on it and runs"):
        mean_counterfactual(bits_RB, np.ones_like(trained_RB))


def test_a_model_without_memory_has_none_within_its_intervals() -> None:
    trained_RB, random = halves(8, 400), np.random.default_rng(1)
    bits_RB = random.normal(60, 8, 400) + random.normal(0, 1, (8, 400))
    mean = mean_counterfactual(bits_RB, trained_RB)
    assert mean.low < 0 < mean.high and mean.high - mean.low < 0.5
    bits_B, reach_B = counterfactual(bits_RB, trained_RB)
    known_B = ~np.isnan(reach_B)
    assert np.mean(np.abs(bits_B) <= reach_B, where=known_B) > 0.93


def test_the_bits_that_memory_saves_are_found_whatever_a_run_is_worth() -> None:
    trained_RB, random = halves(8, 400), np.random.default_rng(2)
    worth_of_run_R1 = random.normal(0, 2, (8, 1))
    bits_RB = random.normal(60, 8, 400) + worth_of_run_R1 - 3.0 * trained_RB
    mean = mean_counterfactual(bits_RB, trained_RB)
    assert mean.value == pytest.approx(3, abs=0.1) and mean.low < 3 < mean.high


def test_marks_share_what_is_left_among_ties() -> None:
    values_KN = np.array([[3.0, 2, 2, 1], [5, 5, 5, 5], [1, -np.inf, 2, 3], [np.nan] * 4])
    expected_KN = [[1, 0.5, 0.5, 0], [0.5] * 4, [0, 0, 1, 1], [np.nan] * 4]
    np.testing.assert_array_equal(marks(values_KN, 0.5), expected_KN)
    # 0.3 of 4 samples are 1.2: one whole and a fifth.
    np.testing.assert_allclose(marks(values_KN[2:3], 0.3), [[0, 0, 0.2, 1]])


def test_equal_definitions_agree_and_independent_ones_agree_by_chance() -> None:
    random = np.random.default_rng(3)
    one_TB, other_TB = random.normal(size=(2, 3, 500))
    values_TDB = np.stack([one_TB, np.exp(one_TB), other_TB], axis=1)
    equal, independent, _ = compare(values_TDB, ["one", "same", "other"], share=0.1)
    assert (equal.one, equal.other, equal.num_targets) == ("one", "same", 3)
    assert equal.rho.value == pytest.approx(1) and equal.disagreement.ends == (0, 0)
    assert independent.rho.low < 0 < independent.rho.high
    assert independent.rho.high - independent.rho.low < 0.2
    assert independent.disagreement.low < 0.9 < independent.disagreement.high
    assert independent.disagreement.n == 500


def test_disagreement_is_the_share_of_marks_that_move() -> None:
    one_B = np.arange(100.0)
    other_B = one_B.copy()
    other_B[[97, 98, 99]] = -1  # three of the ten highest fall; 87, 88 and 89 move up
    (found,) = compare(np.stack([one_B, other_B])[None], ["one", "other"], share=0.1)
    assert found.disagreement.value == pytest.approx(0.3)
    # A definition that is equal for all samples ranks none, and disagrees by chance.
    (found,) = compare(np.stack([one_B, np.zeros(100)])[None], ["one", "constant"], share=0.1)
    assert found.rho is None and found.disagreement.value == pytest.approx(0.9)


def test_a_missing_definition_leaves_the_others_their_targets_and_samples() -> None:
    values_TDB = np.random.default_rng(4).normal(size=(3, 4, 100))
    values_TDB[0, 2] = np.nan  # one target did not measure it
    values_TDB[:, 3, FEWEST - 1 :] = np.nan  # too few samples everywhere
    found = {(each.one, each.other): each for each in compare(values_TDB, list("abcd"), share=0.1)}
    assert set(found) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert [each.num_targets for each in found.values()] == [3, 2, 2]
    assert compare(np.full((2, 2, 50), np.nan), ["a", "b"], share=0.1) == []
    # Samples are those that all definitions of a target have.
    one_DB = np.random.default_rng(5).normal(size=(3, 100))
    one_DB[1, 30:] = np.nan
    common = compare(one_DB[None], list("abc"), share=0.1)
    assert [each.disagreement.n for each in common] == [30, 30, 30]


def test_marks_flip_with_the_seed_as_far_as_they_are_noise() -> None:
    random = np.random.default_rng(6)
    worth_B = random.normal(size=600)
    first, second = (np.stack([worth_B, random.normal(size=600)]) for _ in range(2))
    stable, noise = flip_rates([(first, second)], share=0.1)
    assert stable.ends == (0, 0)
    assert noise.low < 0.9 < noise.high
    unknown = flip_rates([(np.full((1, 50), np.nan), np.zeros((1, 50)))], share=0.1)
    constant = flip_rates([(np.zeros((1, 50)), np.zeros((1, 50)))], share=0.1)
    assert unknown == constant == [None]


def test_scores_beside_references_are_of_the_targets_samples_alone() -> None:
    trained_RB, random = halves(5, 200), np.random.default_rng(8)
    bits_RB = random.normal(60, 8, 200) + random.normal(0, 1, (5, 200)) - 4.0 * trained_RB
    others = [0, 1, 3, 4]
    found_B, lira_B = beside_references(
        bits_RB, trained_RB, target=2, references=others, length=LENGTH
    )
    both_B = trained_RB[others].any(axis=0) & ~trained_RB[others].all(axis=0)
    np.testing.assert_array_equal(np.isnan(lira_B), ~(trained_RB[2] & both_B))
    assert np.isnan(found_B[~trained_RB[2]]).all()
    log_p_RB = -nats_from_bits(bits_RB) / LENGTH
    rows = np.ix_(others, both_B)
    shadows = Shadows(log_p_SB=log_p_RB[rows], trained_SB=trained_RB[rows])
    expected = lira_online(log_p_RB[2, both_B], shadows, fixed_variance=True)
    np.testing.assert_allclose(lira_B[both_B & trained_RB[2]], expected[trained_RB[2, both_B]])


def test_sets_of_references_share_none_and_change_nothing_without_noise() -> None:
    trained_RB, random = halves(9, 400), np.random.default_rng(9)
    worth_B, saved_B = random.normal(60, 8, 400), random.uniform(1, 9, 400)
    bits_RB = worth_B - saved_B * trained_RB
    found, _ = flip_rates(reference_halves(bits_RB, trained_RB, number=4, length=LENGTH), share=0.1)
    assert found.value == 0
    noisy_RB = worth_B + random.normal(0, 1, (9, 400))
    noise, _ = flip_rates(
        reference_halves(noisy_RB, trained_RB, number=4, length=LENGTH), share=0.1
    )
    assert noise.low > 0.5
    with pytest.raises(ValueError, match="two sets of 4 references of a run take 9 runs"):
        reference_halves(bits_RB[:8], trained_RB[:8], number=4, length=LENGTH)


def found_in(results: Results) -> list[ComparedGroup]:
    return compare_definitions(results, leakage_runs(results))


def add(results: Results, run_id: str, arrays: dict[str, np.ndarray]) -> None:
    """Arrays beside those that a run has."""
    path = results.folders[run_id].path / "arrays.npz"
    np.savez(path, **dict(np.load(path)), **arrays)


def with_measures(results: Results) -> Results:
    """A quarter of the samples extracted, by their ids, in runs but one; p_z falls with the id."""
    for run_id in results.table["run_id"]:
        ids = results.folders[run_id].arrays()["cost.train_sample_ids"]
        extracted = {
            "extraction.train_sample_ids": ids,
            "extraction.train_extracted_2": np.zeros(len(ids), np.uint8),
            "extraction.train_extracted_16": (ids % 4 == 0).astype(np.uint8),
        }
        discoverable = {
            "discoverable.train_sample_ids": ids,
            "discoverable.train_log_p_top_k_16": -ids.astype(np.float64),
        }
        add(results, run_id, discoverable | (extracted if run_id != "train-6" else {}))
    return results


def test_all_definitions_of_shadow_runs_are_compared(tmp_path: Path) -> None:
    (group,) = found_in(with_measures(planted.text_results(tmp_path, seeds=range(5, 10))))
    assert (group.series, group.num_sequences, len(group.runs)) == ("1x8", planted.TRAINED, 5)
    assert group.mean_bits.value == pytest.approx(planted.SAVED_BITS, abs=0.2)
    assert group.mean_bits.low < planted.SAVED_BITS < group.mean_bits.high
    assert group.mem_u_bits is not None
    assert group.mem_u_bits.value == pytest.approx(planted.SAVED_BITS, abs=0.3)
    assert group.share == pytest.approx(0.25, abs=0.05)
    found = {(each.one, each.other): each for each in group.agreements}
    names = ["loss", "mem_U", "extraction from 16 tokens", "discoverable from 16 tokens",
             "counterfactual", "LiRA online"]  # fmt: skip
    assert {name for pair in found for name in pair} == set(names)
    assert len(found) == math.comb(len(names), 2)
    measured = [each.num_targets for pair, each in found.items() if names[2] in pair]
    assert measured == [4] * 5
    assert found["loss", "mem_U"].num_targets == 5
    assert found["mem_U", "LiRA online"].rho.low > 0.3  # both see the target's own noise
    assert found["loss", "counterfactual"].rho.excludes(0) is False
    flips = {(each.name, each.num_references): each.rate for each in group.flips}
    assert set(flips) == {
        *((name, None) for name in names if name != "counterfactual"),
        ("counterfactual", 2), ("LiRA online", 2),
    }  # fmt: skip
    # The same ids are first.
    assert flips["discoverable from 16 tokens", None].value == pytest.approx(0)
    assert flips["loss", None].value < flips["LiRA online", None].value  # all samples save alike
    numbers = definition_numbers([group])
    named = numbers[f"definitions loss and mem_U, 1x8, N = {planted.TRAINED}"]
    assert named["targets"] == 5 and named["runs"] == group.runs
    blocks = definitions_section([group]).blocks
    headings = [each.title for each in blocks if isinstance(each, Heading)]
    assert headings == ["Pairs of definitions", "Stability"]


def test_two_runs_have_counterfactuals_but_no_likelihood_ratio(tmp_path: Path) -> None:
    (group,) = found_in(planted.text_results(tmp_path, seeds=(0, 1)))
    names = {name for each in group.agreements for name in (each.one, each.other)}
    assert names == {"loss", "mem_U", "counterfactual"}
    assert group.above_zero.trials == 0  # no sample has two runs on each side
    assert group.mean_bits.interval is None and group.mean_bits.why_none.startswith("2 runs")
    assert group.flips == []  # of samples that both were trained on, nothing is known without them
    of_group = next(each for each in definitions_section([group]).blocks if isinstance(each, Table))
    assert "too few runs" in [cell.text for cell in of_group.cells[0]]


def test_the_section_is_there_only_for_shadow_runs(tmp_path: Path) -> None:
    shadows = planted.text_results(tmp_path / "shadows", seeds=(0, 1))
    content = report.make(shadows)
    title = "Definitions of memorisation compared"
    assert [each.title for each in content.sections][-2:] == [title, "Runs"]
    assert any(name.startswith("definitions ") for name in content.numbers)
    alone = planted.text_results(tmp_path / "alone", seeds=(0,))
    assert title not in [each.title for each in report.make(alone).sections]
    # Two runs on the same samples have nothing to compare with.
    arrays = dict(np.load(shadows.folders["train-0"].path / "arrays.npz"))
    np.savez(shadows.folders["train-1"].path / "arrays.npz", **arrays)
    assert found_in(shadows) == []


def test_ten_percent_are_marked_where_few_or_most_are_extracted(tmp_path: Path) -> None:
    for extracted, share in ((1, 0.1), (40, 0.2), (150, 0.1)):
        results = planted.text_results(tmp_path / str(extracted), seeds=(0, 1, 2))
        for run_id in results.table["run_id"]:
            ids = results.folders[run_id].arrays()["cost.train_sample_ids"]
            is_extracted = np.arange(planted.TRAINED) < extracted
            extraction = {"train_sample_ids": ids, "train_extracted_4": is_extracted}
            add(results, run_id, {f"extraction.{name}": each for name, each in extraction.items()})
        (group,) = found_in(results)
        assert group.share == pytest.approx(share, abs=0.03)
