"""Two sweeps are matched by what they share, and differ by what they do not."""

import json
from pathlib import Path

import polars as pl
import pytest

from rote.analysis.comparison import Comparison, comparable, compare, comparison_json
from rote.analysis.comparison_page import (
    differences,
    headlines,
    pairs,
    sides,
    verdict,
    write_comparison,
)
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


def compared(tmp_path: Path, first: pl.DataFrame, second: pl.DataFrame) -> Comparison:
    return compare(("a", "b"), *tables(tmp_path, first, second))


def test_a_setting_that_differs_as_a_whole_is_what_is_compared(tmp_path: Path) -> None:
    found = compared(tmp_path, half(), noisy(with_precision(half(), "bf16_mixed", 0.1), 0.001))
    assert [(each.key, each.first, each.second) for each in found.differing] == [
        ("precision.name", "fp32", "bf16_mixed")
    ]
    assert found.pairs.height == half().height
    (heldout,) = [each for each in found.compared if each.metric.name == "heldout_bits_per_token"]
    assert heldout.difference.sign == 1
    assert heldout.difference.value == pytest.approx(0.1 * heldout.first.mean(), rel=0.05)
    (steps,) = [each for each in found.compared if each.metric.name == "training.steps"]
    assert (steps.difference.value, steps.difference.sign) == (0, 0)
    assert comparison_json(found)["metrics"]["heldout_bits_per_token"]["pairs"] == half().height


def test_a_whole_number_with_a_point_is_no_other_setting(tmp_path: Path) -> None:
    """One sweep has 1, the other 1.0: as runs are matched, that is one value."""
    runs = half(), with_precision(half(), "bf16_mixed", 0.1)
    pair = [each.with_columns(**{"optim.lr": pl.lit(lr)})
            for each, lr in zip(runs, (1, 1.0), strict=True)]  # fmt: skip
    found = compared(tmp_path, *pair)
    assert [each.key for each in found.differing] == ["precision.name"]


def test_runs_that_only_one_sweep_has_are_left_out(tmp_path: Path) -> None:
    fewer = with_precision(half(), "bf16_mixed", 0.1).filter(pl.col("size.width") > 8)
    found = compared(tmp_path, half(), fewer)
    assert found.pairs.height == fewer.height
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
    assert heldout.num_higher == found.pairs.height
    assert verdict(heldout) == (
        "held-out loss +0.250 bits per token (all pairs alike, no interval)"
    )
    assert differences(found).title == (
        f"bf16_mixed against fp32: {verdict(heldout)}; 0 of 3 intervals leave out 0"
    )


def test_one_pair_has_no_interval_and_one_run_in_both_is_called_so(tmp_path: Path) -> None:
    one = with_precision(half(), "bf16_mixed", 0.1).head(1)
    found = compared(tmp_path, half().head(1), one)
    title = differences(found).title
    assert title.startswith("bf16_mixed against fp32: held-out loss +0.710 bits per token")
    assert "(one pair, no interval); 0 of 3" in title
    assert pairs(found) == "1 run matches"
    open_runs = half().with_columns(**{"training.converged": pl.lit(False)})
    same = compared(tmp_path, open_runs, open_runs)
    assert same.num_unconverged == 16
    assert pairs(same) == "16 runs match, 16 of them the same run in both"
    assert headlines(same) == ("b against a: training loss equal in every pair",)
    folder = tmp_path / "a-b"
    held = results(half(), tmp_path)
    assert write_comparison(found, held, results(one, tmp_path), folder).page.exists()
    assert write_comparison(same, held, held, folder).headlines == headlines(same)


def test_a_comparison_is_a_folder_like_a_report(tmp_path: Path) -> None:
    runs = [half(), noisy(with_precision(half(), "bf16_mixed", 0.1), 0.001).slice(3)]
    found = compared(tmp_path, *runs)
    report = write_comparison(found, *(results(each, tmp_path) for each in runs), tmp_path / "a-b")
    manifest = json.loads((report.folder / "manifest.json").read_text())
    page, tables_tex = report.page.read_text(), (report.folder / "tables.tex").read_text()
    left = half()["run_id"][:3].to_list()
    assert set(manifest["records_sha256"]) == {*found.pairs["run_id"], *runs[1]["run_id"]}
    assert all(run_id in page for run_id in (*left, *manifest["records_sha256"]))
    assert {"pairs.svg", "differences.png", "comparison.json"} <= set(manifest["files_sha256"])
    assert r"bf16\_mixed" in tables_tex
    assert manifest["sweeps"] == ["a", "b"]
    assert manifest["headlines"][0].startswith("bf16_mixed against fp32: held-out loss +")


def test_one_sweep_no_common_point_and_two_matches_are_refused(tmp_path: Path) -> None:
    first, second = tables(tmp_path, half(), half())
    doubled = pl.concat([second, second.with_columns(pl.col("run_id") + "x")])
    is_small = pl.col("size.width") <= 16
    values = "size.width is 16 or 8 in a and 32 or 64 in b"
    for names, one, other, message in (
        (("a", "a"), first, second, "a is one sweep"),
        (("a", "b"), first, doubled, "match more than once"),
        (("a", "b"), first.filter(is_small), second.filter(~is_small),
         f"no run of a matches one of b: .*{values}"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            compare(names, one, other)


def test_runs_of_two_sizes_match_by_what_was_derived_of_the_size(tmp_path: Path) -> None:
    """A grid of data over capacity: other numbers of sequences, the same of each parameter."""
    one_size = half().filter(pl.col("size.width") == 8)

    def sized(parameters: int, ids: str) -> pl.DataFrame:
        number = (pl.col("training.steps") / 97 * 0.01 * parameters).round()
        return one_size.with_columns(
            pl.col("run_id") + ids,
            parameters=pl.lit(parameters),
            **{"task.num_sequences": number, "budget.max_steps": pl.lit(9)},
        )

    first, second = (
        comparable(results(sized(*each), tmp_path)) for each in ((3000, ""), (9100, "b"))
    )
    found = compare(("a", "b"), first, second)
    assert found.pairs.height == one_size.height
    assert found.derived == "task.num_sequences"
    assert "task.num_sequences differs, so runs are matched by it over" in pairs(found)
    assert found.pairs["point"][0].startswith("num_sequences/parameters=")


def test_a_difference_that_may_be_none_is_not_claimed(tmp_path: Path) -> None:
    noise = noisy(with_precision(half(), "bf16_mixed", 0.0), 0.01)
    noise = noise.with_columns(**{"training.converged": pl.lit(False)})
    found = compared(tmp_path, half(), noise)
    (line,) = headlines(found)
    assert line.startswith("bf16_mixed against fp32: no difference shown in held-out loss")
    assert "0 of 3 intervals leave out 0" in differences(found).title
    folder = tmp_path / "a-b"
    held = [results(each, tmp_path) for each in (half(), noise)]
    page = write_comparison(found, *held, folder).page.read_text()
    assert "the interval holds 0" in page and "16 matched runs had not converged." in page
