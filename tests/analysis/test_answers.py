"""Accuracies and bits of knowledge from sums by hand."""

import polars as pl

from rote.analysis.metrics import derive

SUMS = {
    "parameters": [50, 50, 50],
    "exact_match.train_rule_tried": [8, 0, None],
    "exact_match.train_rule_right_free": [6, 0, None],
    "exact_match.train_rule_answer_code_bits": [4.0, 0.0, None],
    "exact_match.train_rule_answer_bits": [0.0, 0.0, None],
    "exact_match.train_drawn_tried": [4, 8, None],
    "exact_match.train_drawn_right_free": [1, 8, None],
    "exact_match.train_drawn_answer_code_bits": [9.0, 1.0, None],
    "exact_match.train_drawn_answer_bits": [8.0, 16.0, None],
    "exact_match.heldout_rule_tried": [2, 2, None],
    "exact_match.heldout_rule_right_free": [1, 0, None],
    "exact_match.heldout_rule_answer_code_bits": [5.0, 5.0, None],
}


def test_shares_and_differences_are_those_by_hand() -> None:
    table = derive(pl.DataFrame(SUMS))
    assert table["accuracy.train_rule"].to_list() == [0.75, None, None]
    assert table["accuracy.train_drawn"].to_list() == [0.25, 1.0, None]
    assert table["accuracy.heldout_rule"].to_list() == [0.5, 0.0, None]
    assert table["knowledge_bits"].to_list() == [-1.0, 15.0, None]
    assert table["knowledge_bits_per_parameter"].to_list() == [-0.02, 0.3, None]


def test_without_known_entropy_there_is_no_knowledge() -> None:
    sums = {name: values for name, values in SUMS.items() if not name.endswith("_answer_bits")}
    table = derive(pl.DataFrame(sums))
    assert "knowledge_bits" not in table.columns
    assert table["accuracy.train_drawn"].to_list() == [0.25, 1.0, None]
