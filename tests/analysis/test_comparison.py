"""Two sweeps are matched by what they share, and differ by what they do not."""

from pathlib import Path

import polars as pl
import pytest

from rote.analysis.comparison import comparable, compare, comparison_json
from tests.analysis.scaled import noisy, results, table


def half() -> pl.DataFrame:
    return table().filter(pl.col("training.best_step").is_null())


def with_precision(runs: pl.DataFrame, name: str, more_nats: float) -> pl.DataFrame:
    """The same runs in another precision, at a loss higher by a fraction; ids of their own."""
    return runs.with_columns(
        pl.lit(name).alias("precision.name"),
        (pl.col("run_id") + name).alias("run_id"),
        pl.col("cost.heldout_code_bits") * (1 + more_nats),
    )


def tables(tmp_path: Path, first: pl.DataFrame, second: pl.DataFrame) -> list[pl.DataFrame]:
    settings = {"budget.max_steps": pl.col("training.steps")}
    return [
        comparable(results(each.with_columns(**settings), tmp_path)) for each in (first, second)
    ]


def test_a_setting_that_differs_as_a_whole_is_what_is_compared(tmp_path: Path) -> None:
    fp32, bf16 = tables(tmp_path, half(), noisy(with_precision(half(), "bf16_mixed", 0.1), 0.001))
    found = compare(("a", "b"), fp32, bf16)
    assert [(each.key, each.first, each.second) for each in found.differing] == [
        ("precision.name", "fp32", "bf16_mixed")
    ]
    assert found.num_pairs == half().height
    (heldout,) = [each for each in found.compared if each.metric.column == "heldout_bits_per_token"]
    assert heldout.is_told
    assert heldout.difference == pytest.approx(0.1 * heldout.first.mean(), rel=0.05)
    (steps,) = [each for each in found.compared if each.metric.column == "training.steps"]
    assert (steps.difference, steps.is_told) == (0, False)
    assert comparison_json(found)["metrics"]["heldout_bits_per_token"]["pairs"] == half().height


def test_runs_that_only_one_sweep_has_are_left_out(tmp_path: Path) -> None:
    fewer = with_precision(half(), "bf16_mixed", 0.1).filter(pl.col("size.width") > 8)
    first, second = tables(tmp_path, half(), fewer)
    found = compare(("a", "b"), first, second)
    assert found.num_pairs == fewer.height
    assert found.num_runs == (half().height, fewer.height)


def test_sweeps_without_a_common_point_are_refused(tmp_path: Path) -> None:
    small, large = tables(
        tmp_path,
        half().filter(pl.col("size.width") <= 16),
        half().filter(pl.col("size.width") > 16),
    )
    with pytest.raises(ValueError, match="no run of a matches one of b"):
        compare(("a", "b"), small, large)


def test_runs_that_match_twice_are_refused(tmp_path: Path) -> None:
    first, second = tables(tmp_path, half(), half())
    hidden = second.with_columns(pl.col("run_id") + "x")
    doubled = pl.concat([second, hidden])
    with pytest.raises(ValueError, match="match more than once"):
        compare(("a", "b"), first, doubled)
