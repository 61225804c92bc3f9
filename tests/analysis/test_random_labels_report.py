"""What is planted in runs on random labels comes out in steps, shares and bits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rote.analysis.reports.random_labels.report import make
from rote.analysis.reports.random_labels.study import Row, steps_to_fit, study
from rote.analysis.results import Results
from rote.core.units import nats_from_bits
from tests.analysis import shown
from tests.analysis.planted_matches import counts, results_of

CLASSES, NUM_SEQUENCES, NUM_HELDOUT = 4, 1000, 400
STEPS = {0.0: 100, 0.5: 200, 1.0: 400}  # to fit, by share of random labels
PATTERNS = "1x16, patterned inputs"


def planted_run(inputs: str, fraction: float, seed: int) -> tuple[dict[str, Any], list[Any]]:
    """The larger share is fitted later; half a bit of every random label is not stored."""
    unruled = 1.0 if inputs == "random" else fraction
    drawn = round(unruled * NUM_SEQUENCES)
    right = round(NUM_HELDOUT * (0.9 - 0.65 * unruled))
    curve = [
        {"step": step, "loss_nats_per_token": nats_from_bits(0.5 if step < STEPS[unruled] else 0.1)}
        for step in range(50, 501, 50)
    ]
    run = {
        "run_id": f"{inputs}-{fraction}-{seed}",
        "task._target_": "rote.tasks.random_labels.RandomLabels",
        "task.inputs": inputs,
        "task.random_fraction": fraction,
        "task.num_sequences": NUM_SEQUENCES,
        "task.input_length": 16,
        "task.num_classes": CLASSES,
        "size.num_layers": 1,
        "size.width": 16,
        "precision.name": "fp32",
        "seed": seed,
        "parameters": 4000,
        "training.steps": 500,
        **counts("train_rule", NUM_SEQUENCES - drawn, NUM_SEQUENCES - drawn),
        **counts("train_drawn", drawn, drawn),
        **counts("heldout_rule", 0, 0),
        **counts("heldout_drawn", 0, 0),
        **counts(f"heldout_{'drawn' if inputs == 'random' else 'rule'}", right, NUM_HELDOUT),
        "exact_match.train_drawn_answer_bits": 2.0 * drawn,
        "exact_match.train_drawn_answer_code_bits": 0.5 * drawn + seed,
    }
    return run, curve


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    cases = [*(("patterns", fraction) for fraction in STEPS), ("random", 0.0)]
    made = [planted_run(*case, seed) for case in cases for seed in (0, 1, 2)]
    curves = {run["run_id"]: curve for run, curve in made}
    return results_of(tmp_path_factory.mktemp("runs"), [run for run, _ in made], curves)


@pytest.fixture(scope="module")
def found(results: Results) -> list[Row]:
    return study(results)[1]


def of(points: list[Row], series: str) -> list[Row]:
    return [each for each in points if each["series"] == series]


def test_steps_to_fit_are_the_first_below_a_tenth_of_a_guess() -> None:
    losses = [2.0, 0.21, 0.19, 0.25]  # bits; log2 C = 2
    curve = [
        {"step": 10 * place, "loss_nats_per_token": nats_from_bits(loss)}
        for place, loss in enumerate(losses)
    ]
    assert steps_to_fit(curve, num_classes=4) == 20
    assert steps_to_fit(curve[:2], num_classes=4) is None
    assert steps_to_fit([], num_classes=4) is None


def test_time_accuracy_and_bits_are_those_planted(found: list[Row]) -> None:
    true, half, noise = of(found, PATTERNS)
    assert [each["unruled"] for each in (true, half, noise)] == [0, 0.5, 1]
    steps = [each["steps_to_fit"].value for each in (true, half, noise) if each["steps_to_fit"]]
    assert steps == pytest.approx([100, 200, 400])
    assert noise["slowdown"] is not None and noise["slowdown"].value == pytest.approx(4)
    assert noise["train"].value == 1 and noise["train"].interval[0] > 0.99
    assert true["heldout"].value == 0.9 and noise["heldout"].value == 0.25
    assert noise["label_entropy_bits"] == 2000
    assert noise["memorised_bits"].value == pytest.approx(1500 - 1)  # seeds 0, 1, 2 cost themselves
    assert half["memorised_bits"].value == pytest.approx(750 - 1)
    assert true["drawn"] is None and true["memorised_bits"].value == pytest.approx(-1)
    (random,) = of(found, "1x16, random inputs")  # no rule gives their labels
    assert random["unruled"] == 1 and random["heldout"].value == 0.25
    assert random["slowdown"] is not None and random["slowdown"].value == pytest.approx(4)


def test_steps_that_scatter_have_an_interval_above_none(results: Results) -> None:
    """100, 200 and 450 by seed: Student's t of the numbers themselves would begin below 0."""
    later = {"patterns-1.0-0": 100, "patterns-1.0-1": 200}
    curves = {
        run_id: [row for row in curve if row["step"] >= 450] if run_id.startswith("patterns-1")
        else curve
        for run_id, curve in results.curves.items()
    }  # fmt: skip
    for run_id, step in later.items():
        curves[run_id] = [{"step": step, "loss_nats_per_token": 0.0}]
    noise = of(study(replace(results, curves=curves))[1], PATTERNS)[-1]
    assert noise["steps_to_fit"] is not None and noise["steps_to_fit"].interval is not None
    assert noise["steps_to_fit"].value == pytest.approx((100 * 200 * 450) ** (1 / 3))
    low, high = noise["steps_to_fit"].interval
    assert 0 < low < 100 and high > 450
    assert low * high == pytest.approx(noise["steps_to_fit"].value ** 2)


def fit_title(results: Results) -> str:
    return shown.lead(make(results)).title


def test_the_title_counts_the_runs_that_fitted(results: Results) -> None:
    assert fit_title(results).endswith("4.0 times the steps of true ones in all 6 runs")
    changed = replace(results, curves={**results.curves, "patterns-1.0-1": []})
    assert fit_title(changed).endswith("in the 5 of 6 runs that fit them")
    assert any("steps by 2 of 3 seeds" in line for line in make(changed).headlines)


def test_nothing_is_claimed_of_runs_at_chance_unfitted_or_alone(results: Results) -> None:
    never = replace(
        results,
        curves={run_id: curve[:1] for run_id, curve in results.curves.items()},
        table=results.table.with_columns(
            pl.col("exact_match.train_drawn_right_free") // CLASSES,
            pl.col("exact_match.train_drawn_answer_bits").alias(
                "exact_match.train_drawn_answer_code_bits"
            ),
        ),
    )
    assert all(each["steps_to_fit"] is None and each["num_fitted"] == 0 for each in study(never)[1])
    content = make(never)
    assert "its interval holds a guess (25%)" in shown.words(content.cards[0].lines)
    titles = shown.titles(content)
    assert titles["fit"] == "Steps to fit against the share of random labels"
    assert "in 0 of 2 settings" in titles["shares"] and titles["shares"].endswith("in 0")
    assert titles["bits"].endswith("seeds leave 2 of 2 in doubt")
    alone = replace(results, table=results.table.filter(pl.col("seed") == 0))
    assert "in doubt" in fit_title(alone) and make(alone).setting.endswith("1 seed.")
    ruled = replace(results, table=alone.table.filter(pl.col("task.random_fraction") == 0.5))
    assert "No run had random labels alone." in make(ruled).headlines
    classes = pl.when(pl.col("seed") == 0).then(8).otherwise("task.num_classes")
    mixed = results.table.with_columns(classes.alias("task.num_classes"))
    assert "16 tokens, 4 to 8 classes;" in make(replace(results, table=mixed)).setting


def test_the_report_is_written_whole(results: Results, tmp_path: Path) -> None:
    report, page, manifest = shown.written("random_labels", results, tmp_path)
    assert page.count("<svg ") == 3
    assert "Inception" in page and "9.78 %" in page
    assert any("fitted after 400" in line and "4.0 x true" in line for line in report.headlines)
    assert any("in 2 of 2 settings" in line for line in report.headlines)
    assert len(manifest["numbers"]) == 4
    table = pl.read_parquet(tmp_path / "table.parquet")
    assert table["steps_to_fit"].null_count() == 0


def test_unusable_runs_are_refused(results: Results) -> None:
    with pytest.raises(ValueError, match="add exact_match to measure"):
        study(replace(results, table=results.table.select("run_id")))
    other = results.table.with_columns(pl.lit("rote.tasks.uniform.Uniform").alias("task._target_"))
    with pytest.raises(ValueError, match="no finished run of task random_labels"):
        study(replace(results, table=other))
