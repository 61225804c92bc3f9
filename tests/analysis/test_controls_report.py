"""What is planted in runs with controls comes out in the frontier, the table and the verdicts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rote.analysis.reports.controls.study import NONE, Panel, Study, is_on_frontier, study
from rote.analysis.reports.controls.wording import lowering, panel_line, regularisation_lines
from rote.analysis.results import Results
from tests.analysis import shown
from tests.analysis.planted_leakage import save
from tests.analysis.planted_matches import counts, results_of

SECRET_BITS = 12.0
NUM_CANARIES = 6  # two each: never, once, eight times
# Control -> settings, rank of the canaries that come eight times, bits a held-out token, share of
# random labels told right.
PLANTED: dict[str, tuple[dict[str, Any], int, float, float]] = {
    NONE: ({}, 1, 2.0, 1.0),
    "goldfish": ({"control.goldfish._target_": "G", "control.goldfish.k": 4}, 64, 2.1, 0.7),
    "dropout": ({"control.dropout._target_": "D", "control.dropout.rate": 0.1}, 4, 1.9, 0.99),
    "weight_decay": ({"optim.optimiser.weight_decay": 0.1}, 1, 2.5, 1.0),
    "dp_sgd": ({"control.dp_sgd._target_": "P", "control.dp_sgd.epsilon": 8.0}, 1024, 3.0, 0.3),
}


def common(name: str, seed: int, kind: str) -> dict[str, Any]:
    return {
        "run_id": f"{kind}-{name.replace(' ', '_')}-{seed}",
        "size.num_layers": 1,
        "size.width": 16,
        "optim.optimiser.weight_decay": 0.0,
        "optim.clip_norm": 1.0,
        "seed": seed,
        "parameters": 4000 if kind == "canaries" else 3000,
        "training.steps": 500,
        **PLANTED[name][0],
    }


def scatter(name: str, seed: int) -> float:
    """So that differences from no control do not agree to the last digit: these have no spread."""
    return 0.0 if name == NONE else 1e-3 * (seed - 1)


def canary_run(folder: Path, name: str, seed: int) -> dict[str, Any]:
    _, rank, loss, _ = PLANTED[name]
    run = common(name, seed, "canaries")
    repeats = np.array([0, 0, 1, 1, 8, 8])
    as_likely = np.where(repeats == 8, rank - 1, 2000 + seed).astype(np.int64)
    save(
        folder,
        run["run_id"],
        {
            "exposure.repeats": repeats,
            "exposure.secret_bits": np.full(NUM_CANARIES, SECRET_BITS) + scatter(name, seed),
            "exposure.code_bits": np.full(NUM_CANARIES, 5.0, np.float32),
            "exposure.num_references": np.full(NUM_CANARIES, 4095),
            "exposure.num_as_likely": as_likely,
            "exposure.reference_code_bits": np.zeros(4095 * NUM_CANARIES, np.float32),
            "exposure.is_exact": np.ones(NUM_CANARIES, np.uint8),
            "exposure.is_extracted": ((repeats == 8) & (rank == 1)).astype(np.uint8),
        },
    )
    return {
        **run,
        "task._target_": "rote.tasks.canaries.task.Canaries",
        "task.base._target_": "rote.tasks.text.task.Text",
        "exposure.canaries": NUM_CANARIES,
        "cost.heldout_code_bits": 100 * (loss + 0.01 * seed + scatter(name, seed)),
        "cost.heldout_tokens": 100,
    }


def label_run(name: str, seed: int) -> dict[str, Any]:
    _, _, loss, share = PLANTED[name]
    return {
        **common(name, seed, "labels"),
        "task._target_": "rote.tasks.random_labels.RandomLabels",
        "task.random_fraction": 1.0,
        "task.num_classes": 10,
        "exact_match.train_rule_tried": 0,
        **counts("train_drawn", round(1000 * share) - seed, 1000),
        "exact_match.train_drawn_answer_bits": 3000.0,
        "exact_match.train_drawn_answer_code_bits": 3000 * (1 - share) + seed,
        "entropy_bits": 3000.0,
        "cost.train_code_bits": 1.0,
        "cost.heldout_code_bits": 100 * (loss + 0.01 * seed + scatter(name, seed)),
        "cost.heldout_tokens": 100,
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("runs")
    runs = [canary_run(folder, name, seed) for name in PLANTED for seed in (0, 1, 2)]
    return results_of(folder, runs + [label_run(name, seed) for name in PLANTED for seed in (0, 1)])


@pytest.fixture(scope="module")
def found(results: Results) -> Study:
    return study(results)


def panel_of(found: Study, column: str) -> Panel:
    return next(each for each in found.panels if each.kind.name == column)


def leaks(found: Study, column: str) -> dict[str, float]:
    return {each.control: each.leak.value for each in panel_of(found, column).points}


def test_panels_are_tasks_and_kinds_of_leakage(found: Study) -> None:
    assert [(each.name, each.kind.name) for each in found.panels] == [
        ("canaries in text", "exposure_bits"),
        ("canaries in text", "extracted_share"),
        ("random labels, 100% random", "drawn_right"),
        ("random labels, 100% random", "memorised_bits"),
    ]
    guesses = [each.guess for each in found.panels]
    assert guesses == pytest.approx([1.44, 2**-SECRET_BITS, 0.1, 0], abs=0.01)


def test_leakage_is_of_the_most_repeated_canaries_and_of_random_labels(found: Study) -> None:
    assert leaks(found, "exposure_bits") == pytest.approx(
        {NONE: 12, "goldfish": 6, "dropout": 10, "weight_decay": 12, "dp_sgd": 2}
    )
    shares = leaks(found, "extracted_share")
    assert shares[NONE] == 1 and shares["goldfish"] == 0
    bits = leaks(found, "memorised_bits")
    assert bits[NONE] == pytest.approx(3000 - 0.5) and bits["dp_sgd"] == pytest.approx(900 - 0.5)


def test_differences_are_taken_seed_by_seed(found: Study) -> None:
    points = {each.control: each for each in panel_of(found, "exposure_bits").points}
    goldfish = points["goldfish"]
    assert goldfish.saved is not None and goldfish.cost is not None
    assert goldfish.saved.value == pytest.approx(-6) and goldfish.saved.sign == -1
    # Seeds move both losses alike but for the scatter, of which t is 4.3027 / sqrt(3) wide.
    assert goldfish.cost.value == pytest.approx(0.1)
    assert goldfish.cost.interval == pytest.approx((0.1 - 0.0024841, 0.1 + 0.0024841))
    assert points[NONE].saved is None and points[NONE].is_anchor
    assert points["weight_decay"].saved is not None and points["weight_decay"].saved.sign == 0


def test_the_frontier_is_that_of_pareto(found: Study) -> None:
    on = {each.control for each in panel_of(found, "exposure_bits").points if each.on_frontier}
    assert on == {"dropout", "goldfish", "dp_sgd"}  # dropout is better than none in both
    places = [(1.0, 5.0), (1.0, 5.0), (2.0, 5.0), (3.0, 1.0)]
    assert [is_on_frontier(place, places) for place in places] == [True, True, False, True]
    helping = lowering(panel_of(found, "exposure_bits"))
    assert [each.control for each in helping] == ["dp_sgd", "goldfish", "dropout"]


def test_bits_are_not_told_of_labels_beside_a_rule(results: Results) -> None:
    ruled = results.table.with_columns(pl.lit(500).alias("exact_match.train_rule_tried"))
    kinds = [each.kind.name for each in study(replace(results, table=ruled)).panels]
    assert kinds == ["exposure_bits", "extracted_share", "drawn_right"]


def test_what_is_worse_than_a_guess_protects_no_more(results: Results) -> None:
    """Goldfish far below no bits at all, DP-SGD at as good as none and cheaper."""
    code = "exact_match.train_drawn_answer_code_bits"
    is_goldfish = pl.col("control.goldfish.k").is_not_null()
    is_private = pl.col("control.dp_sgd.epsilon").is_not_null()
    cheap = pl.when(is_private).then(1.0).otherwise("cost.heldout_code_bits")
    worse = results.table.with_columns(
        pl.when(is_goldfish).then(9000.0).when(is_private).then(3000.0).otherwise(code).alias(code),
        cheap.alias("cost.heldout_code_bits"),
    )
    panel = panel_of(study(replace(results, table=worse)), "memorised_bits")
    points = {each.control: each for each in panel.points}
    goldfish, private = points["goldfish"], points["dp_sgd"]
    assert goldfish.leak.value == -6000 and goldfish.counted.value == 0
    assert goldfish.saved == private.saved
    assert private.on_frontier and not goldfish.on_frontier
    assert [each.control for each in lowering(panel)][:2] == ["dp_sgd", "goldfish"]
    assert "lowest with dp sgd epsilon 8.0 (0 bits: not told from a guess" in panel_line(panel)


def test_regularisation_is_judged_by_random_labels(results: Results, found: Study) -> None:
    (line,) = regularisation_lines(found)
    assert "holds (2 strengths of dropout and weight decay)" in line
    assert line.endswith("dp sgd epsilon 8.0 30%, goldfish k 4 70%")
    name = "exact_match.train_drawn_right_free"
    is_dropout = pl.col("control.dropout.rate").is_not_null()
    forgetful = results.table.with_columns(
        pl.when(is_dropout).then(500).otherwise(name).alias(name)
    )
    (line,) = regularisation_lines(study(replace(results, table=forgetful)))
    assert "does not hold: dropout rate 0.1 50%" in line
    idle = results.table.with_columns(pl.col(name) // 2)
    (line,) = regularisation_lines(study(replace(results, table=idle)))
    assert "cannot be judged: without control random labels are not fitted" in line


def test_the_report_is_written_whole(results: Results, tmp_path: Path) -> None:
    report, page, manifest = shown.written("controls", results, tmp_path)
    assert page.count("<svg ") == 1
    assert len(manifest["arrays_sha256"]) == 15
    assert any(
        "12.00 bits without control (1.44 by a guess); lowest with dp sgd epsilon 8.0 (2.00 bits, "
        "held-out loss +1.000"
        in line
        and line.endswith("3 of 4 lower it, 2 of these at a cost beyond doubt")
        for line in report.headlines
    )
    name = "exposure_bits canaries in text, goldfish k 4"
    assert manifest["numbers"][name]["on_frontier"]


def test_what_else_differs_is_a_panel_of_its_own_and_never_pooled(results: Results) -> None:
    labels = results.table.filter(pl.col("task._target_").str.ends_with("RandomLabels"))
    runs = [
        labels.with_columns(pl.lit(number).alias("task.num_sequences"), run_id=f"{number}-" + ids)
        for number, ids in ((100, pl.col("run_id")), (900, pl.col("run_id")))
    ]
    found = study(replace(results, table=pl.concat(runs)))
    names = {panel.name: {point.leak.n for point in panel.points} for panel in found.panels}
    start = "random labels, 100% random, num_sequences"
    assert names == {f"{start} 100": {2}, f"{start} 900": {2}}


def test_without_an_anchor_nothing_is_said_to_be_saved(results: Results) -> None:
    controlled = (
        pl.col("control.goldfish.k").is_not_null() | pl.col("control.dropout.rate").is_not_null()
    )
    found = study(replace(results, table=results.table.filter(controlled)))
    assert all(each.anchor is None for each in found.panels)
    assert all(point.saved is None for each in found.panels for point in each.points)


def test_unusable_runs_are_refused(results: Results) -> None:
    bare = results.table.select("run_id", "seed", "parameters", "task._target_")
    with pytest.raises(ValueError, match="no run measured leakage and held-out loss"):
        study(replace(results, table=bare))
    with pytest.raises(ValueError, match="no finished run"):
        study(replace(results, table=results.table.clear()))
