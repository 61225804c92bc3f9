"""Near-verbatim rates that were planted in a run of each report come out of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rote.analysis import near_verbatim
from rote.analysis.metrics import derive, title_of
from rote.analysis.page import Content
from rote.analysis.reports.leakage import report as leakage
from rote.analysis.reports.text import report as text
from rote.analysis.results import Results
from rote.ledger.store import RunFolder
from tests.analysis import planted_leakage, planted_text, shown

MEASURE, PREFIX = "near_verbatim", 4


def with_near(results: Results, folder: Path) -> tuple[Results, dict]:
    """The first run measured windows: greedy decoding gives half exactly, all within two edits.

    One sample gives one in four exactly and within two substitutions half. Held-out ones: none.
    """
    pool = pl.col("task.pool").fill_null("train") if "task.pool" in results.table.columns else None
    table = results.table if pool is None else results.table.filter(pool == "train")
    run = table.row(0, named=True)
    number = run["task.num_sequences"]
    rest_tokens = run["task.length"] - PREFIX
    half_N = np.arange(number) % 2
    with np.errstate(divide="ignore"):
        quarter_N, other_N = np.log(np.arange(number) % 4 == 0), np.log(half_N == 0)
    nothing_N, far_N = np.full(10, -np.inf), np.full(10, 9)
    # Canaries and repeated windows follow, and nothing of them is found.
    train = {
        "greedy_hamming_tokens": half_N * 9, "greedy_edit_tokens": half_N * 2,
        "longest_match_tokens": (1 - half_N) * rest_tokens,
        "log_p_exact": quarter_N, "log_p_hamming_2": other_N, "log_p_edit_2": other_N,
    }  # fmt: skip
    arrays = {f"train_{name}_{PREFIX}": np.append(each, -np.inf) if "log_p" in name
              else np.append(each, 99) for name, each in train.items()}  # fmt: skip
    for name in train:
        arrays[f"heldout_{name}_{PREFIX}"] = nothing_N if "log_p" in name else far_N
    arrays[f"heldout_longest_match_tokens_{PREFIX}"] = np.zeros(10)
    named = {f"{MEASURE}.{name}": each for name, each in arrays.items()}
    (folder / "near").mkdir()
    before = results.folders[run["run_id"]].arrays()
    np.savez(folder / "near" / "arrays.npz", **before, **named)
    tried = pl.when(pl.col("run_id") == run["run_id"]).then(number).alias(f"{MEASURE}.train_tried")
    folders = {**results.folders, run["run_id"]: RunFolder(folder / "near")}
    return replace(results, table=results.table.with_columns(tried), folders=folders), run


@pytest.mark.parametrize(
    ("make", "planted"),
    [
        pytest.param(text.make, planted_text.planted_results, id="text"),
        pytest.param(leakage.make, planted_leakage.text_results, id="leakage"),
    ],
)
def test_a_report_shows_exact_and_near_rows_side_by_side(
    make: Callable[[Results], Content], planted: Callable[..., Results], tmp_path: Path
) -> None:
    bare = planted(tmp_path, seeds=(0,))
    assert near_verbatim.near_rows(bare, bare.table) == []
    results, run = with_near(bare, tmp_path)
    content = make(results)
    assert [section.title for section in content.sections[-2:]] == [
        "Near-verbatim extraction", "Runs"
    ]  # fmt: skip
    (table,) = shown.tables(content, "Near-verbatim extraction")
    rows = [[cell.split(" (")[0] for cell in row[1:]] for row in shown.lines(table)]
    quarter = f"{-(-run['task.num_sequences'] // 4) / run['task.num_sequences']:.1%}"
    assert rows[:3] == [
        ["train", "4", "exact", "50.0%", *[quarter] * 4, "50.0%"],
        ["train", "4", "Hamming 2", "50.0%", *["50.0%"] * 4, ""],
        ["train", "4", "Edit 2", "100.0%", *["50.0%"] * 4, ""],
    ]
    assert rows[3] == ["held-out", "4", "exact", *["0.0%"] * 6]
    number = content.numbers[f"near-verbatim {run['run_id']}, train, prefix 4, Edit 2"]
    assert (number["greedy"], number["in 1"], number["runs"]) == (1.0, 0.5, [run["run_id"]])
    assert content.headlines[-1].endswith(
        "from 4 tokens greedy decoding comes within 2 edits of 100.0% of train (50.0% exactly) and "
        "0.0% of held-out (0.0% exactly)"
    )


def test_shares_are_sums_over_what_was_tried() -> None:
    stored = {
        "train_tried": [8, 0], "train_greedy_edit_5_16": [6, 0], "train_greedy_exact_16": [4, 0],
        "train_expected_hamming_2_16": [2.0, 0.0], "train_longest_match_tokens_16": [100, 0],
        "train_rest_tokens_16": [400, 0],
    }  # fmt: skip
    table = derive(pl.DataFrame({f"{MEASURE}.{name}": each for name, each in stored.items()}))
    shares = {
        "near_extracted.train_edit_5_16": 0.75, "near_extracted.train_exact_16": 0.5,
        "near_drawn.train_hamming_2_16": 0.25, "longest_match.train_16": 0.25,
    }  # fmt: skip
    for name, share in shares.items():
        assert table[name].to_list() == [share, None]
    assert title_of("near_extracted.train_edit_5_16") == (
        "extracted within a distance, tokens given: train edit 5 16"
    )
