"""Suffixes of runs: planted log probabilities come back by how often text occurs."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rote.analysis.laws import kinds
from rote.analysis.laws.law import RunCount
from rote.analysis.quantities.scaling import (
    by_repeats,
    doubts,
    measured,
    scaling_runs,
    with_suffixes,
)
from tests.analysis import scaled

LENGTH, PREFIX = scaled.LENGTH, scaled.LENGTH // 2
SUFFIX = LENGTH - PREFIX
ONCE, AGAIN = 1.5, 0.25  # nats per token of a suffix that occurs once, and eight times
SETTINGS = {"num_sequences": 10, "duplicated_fraction": 0.2, "repeats": 8, "length": LENGTH}


def table(task: str = "task.", **settings: Any) -> pl.DataFrame:
    """Two runs that measured suffixes, on ten windows of which two occur eight times."""
    named = {f"{task}{name}": value for name, value in {**SETTINGS, **settings}.items()}
    return scaled.table().head(2).with_columns(**{
        name: pl.lit(value) for name, value in {**named, "discoverable.train_tried": 24}.items()
    })  # fmt: skip


def with_arrays(runs: pl.DataFrame, folder: Path) -> Any:
    """Arrays as the measure writes them: 10 windows and 14 copies, two prefixes and samplers."""
    nats_N = np.array([AGAIN * 0.8, AGAIN * 1.2, *np.full(8, ONCE), *np.full(14, AGAIN)])
    for run_id in runs["run_id"]:
        (folder / run_id).mkdir()
        np.savez(
            folder / run_id / "arrays.npz",
            **{
                f"discoverable.train_log_p_plain_{PREFIX}": -nats_N * SUFFIX,
                "discoverable.train_log_p_plain_2": np.full(24, -1e3),
                f"discoverable.train_log_p_top_k_{PREFIX}": np.full(24, -np.inf),
                f"discoverable.heldout_log_p_plain_{PREFIX}": np.full(24, -1e3),
            },
        )
    return scaled.results(runs, folder)


@pytest.mark.parametrize(
    ("task", "settings", "nats"),
    [
        ("task.", {}, {"8": AGAIN, "1": ONCE}),
        ("task.base.", {}, {"8": AGAIN, "1": ONCE}),
        ("task.", {"duplicated_fraction": 0.0}, {"1": (AGAIN + 4 * ONCE) / 5}),
    ],
)
def test_means_are_those_of_the_longest_prefix_without_copies(
    tmp_path: Path, task: str, settings: dict[str, float], nats: dict[str, float]
) -> None:
    runs = table(task, **settings)
    found = with_suffixes(with_arrays(runs, tmp_path), runs)
    assert found["suffix_tokens"].to_list() == [SUFFIX] * 2
    named = {f"suffix_token_p.{times}": np.exp(-each) for times, each in nats.items()}
    assert {name for name in found.columns if name.startswith("suffix_token_p")} == set(named)
    for name, each in named.items():
        assert found[name].to_list() == pytest.approx([each] * 2)


def test_a_task_of_unknown_repeats_measures_nothing(tmp_path: Path) -> None:
    runs = table().drop("task.num_sequences")
    assert by_repeats(with_suffixes(with_arrays(runs, tmp_path), runs)).equals(runs)
    bare = scaled.table()
    assert with_suffixes(scaled.results(bare, tmp_path), bare) is bare


def test_the_law_has_a_row_for_each_number_of_repeats(tmp_path: Path) -> None:
    runs = scaling_runs(with_arrays(table(), tmp_path), RunCount.TOTAL)
    points = measured(runs, kinds.law("extraction"), RunCount.TOTAL)
    rows = sorted(zip(points["run"], points["repeats"], points["suffix_token_p"], strict=True))
    once, again = np.exp(-ONCE), np.exp(-AGAIN)
    expected = [(1, 1, once), (1, 8, again), (2, 1, once), (2, 8, again)]
    np.testing.assert_allclose(rows, expected)
    assert len(measured(runs, kinds.law("repetition"), RunCount.TOTAL)) == 2
    assert doubts(runs, kinds.law("extraction")) == []


def test_runs_that_measured_no_suffix_are_named(tmp_path: Path) -> None:
    runs = scaling_runs(scaled.results(scaled.table(), tmp_path), RunCount.TOTAL)
    with pytest.raises(ValueError, match="no run has repeats and suffix_token_p"):
        measured(runs, kinds.law("extraction"), RunCount.TOTAL)
