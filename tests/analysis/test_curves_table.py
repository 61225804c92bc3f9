"""Curves of several runs in one typed table."""

import polars as pl

from rote.analysis.results import curves_table


def test_a_curve_that_a_run_did_not_log_is_null_and_types_do_not_depend_on_values() -> None:
    first = [{"step": 10, "tokens": 320, "loss": 1.0}]
    second = [{"step": 10, "tokens": 640, "validation": 2, "loss": 0.5}]
    table = curves_table({"a": first, "b": second, "c": []})
    assert table.schema == {
        "run_id": pl.String, "step": pl.Int64, "tokens": pl.Int64, "loss": pl.Float64,
        "validation": pl.Float64,
    }  # fmt: skip
    assert table.rows() == [("a", 10, 320, 1.0, None), ("b", 10, 640, 0.5, 2.0)]
