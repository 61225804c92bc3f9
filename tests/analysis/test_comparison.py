"""Two sweeps are matched by what they share, and differ by what they do not."""

import json
from pathlib import Path

import polars as pl
import pytest

from rote.analysis.comparison import comparable, compare, comparison_json
from rote.analysis.comparison_page import write_comparison
from rote.analysis.comparison_wording import change, finding, headlines, pairs, sides
from rote.files import sha256
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
    assert heldout.difference.sign == 1
    assert heldout.difference.value == pytest.approx(0.1 * heldout.first.mean(), rel=0.05)
    (steps,) = [each for each in found.compared if each.metric.column == "training.steps"]
    assert (steps.difference.value, steps.difference.sign) == (0, 0)
    assert comparison_json(found)["metrics"]["heldout_bits_per_token"]["pairs"] == half().height


def test_runs_that_only_one_sweep_has_are_left_out(tmp_path: Path) -> None:
    fewer = with_precision(half(), "bf16_mixed", 0.1).filter(pl.col("size.width") > 8)
    first, second = tables(tmp_path, half(), fewer)
    found = compare(("a", "b"), first, second)
    assert found.num_pairs == fewer.height
    assert found.num_runs == (half().height, fewer.height)
    left = half().filter(pl.col("size.width") <= 8)["run_id"].to_list()
    assert comparison_json(found)["alone"] == {"a": left, "b": []}
    assert pairs(found) == f"{fewer.height} runs match; {len(left)} of a do not"
    assert set(found.alone["point"].str.split(" ").list.last()) == {"width=8"}


def test_what_is_said_is_what_was_planted(tmp_path: Path) -> None:
    fp32, bf16 = tables(tmp_path, half(), with_precision(half(), "bf16_mixed", 0.0))
    moved = bf16.with_columns(heldout_bits_per_token=pl.col("heldout_bits_per_token") + 0.25)
    found = compare(("a", "b"), fp32, moved)
    assert sides(found) == ("fp32", "bf16_mixed")
    (heldout,) = found.moved
    assert (heldout.num_higher, change(heldout)) == (
        found.num_pairs,
        "+0.250 bits per token (all pairs alike, no interval)",
    )
    assert finding(found) == (
        f"bf16_mixed against fp32: held-out loss {change(heldout)}; 0 of 3 intervals leave out 0"
    )


def test_one_pair_has_no_interval_and_one_run_in_both_is_called_so(tmp_path: Path) -> None:
    one = tables(tmp_path, half().head(1), with_precision(half(), "bf16_mixed", 0.1).head(1))
    found = compare(("a", "b"), *one)
    assert finding(found).startswith("bf16_mixed against fp32: held-out loss +0.710 bits per token")
    assert "(one pair, no interval); 0 of 3" in finding(found)
    same = compare(("a", "b"), *tables(tmp_path, half(), half()))
    assert pairs(same) == "16 runs match, 16 of them the same run in both"
    assert headlines(same) == ("b against a: training loss equal in every pair",)
    folder = tmp_path / "a-b"
    held = results(half(), tmp_path)
    assert write_comparison(found, held, results(one[1], tmp_path), folder).page.exists()
    assert write_comparison(same, held, held, folder).headlines == headlines(same)


def test_a_comparison_is_a_folder_like_a_report(tmp_path: Path) -> None:
    runs = [half(), noisy(with_precision(half(), "bf16_mixed", 0.1), 0.001).slice(3)]
    found = compare(("a", "b"), *tables(tmp_path, *runs))
    report = write_comparison(found, *(results(each, tmp_path) for each in runs), tmp_path / "a-b")
    manifest = json.loads((report.folder / "manifest.json").read_text())
    page, tables_tex = report.page.read_text(), (report.folder / "tables.tex").read_text()
    left = half()["run_id"][:3].to_list()
    assert set(manifest["records_sha256"]) == {*found.pairs["run_id"], *runs[1]["run_id"]}
    assert all(run_id in page for run_id in (*left, *manifest["records_sha256"]))
    for name, digest in manifest["files_sha256"].items():
        assert sha256((report.folder / name).read_bytes()) == digest
    assert {"pairs.svg", "differences.png", "comparison.json"} <= set(manifest["files_sha256"])
    assert r"bf16\_mixed" in tables_tex
    assert manifest["sweeps"] == ["a", "b"]
    assert manifest["headlines"][0].startswith("bf16_mixed against fp32: held-out loss +")


def test_a_sweep_is_not_compared_with_itself(tmp_path: Path) -> None:
    first, second = tables(tmp_path, half(), half())
    with pytest.raises(ValueError, match="a is one sweep"):
        compare(("a", "a"), first, second)


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
