"""Somebody's own table: mapped, scaled, in one unit, or refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from rote.analysis.csv_runs import measured_rows, read_runs
from rote.analysis.laws import kinds
from rote.analysis.laws.law import Count
from rote.units import nats_from_bits


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text)
    return path


def test_columns_are_mapped_and_scaled(tmp_path: Path) -> None:
    path = written(tmp_path, "N (m),D,val\n1,10,2.0\n3,40,1.5\n")
    runs = read_runs(path, "parameters=N (m)*1e6,tokens=D*1e9,loss_nats=val")
    points = measured_rows(runs, kinds.law("parametric"), Count.NON_EMBEDDING)
    assert points["parameters"].tolist() == [1e6, 3e6]
    assert points["tokens"].tolist() == [1e10, 4e10]
    assert points.count is Count.NON_EMBEDDING


def test_bits_become_nats_and_known_names_need_no_mapping(tmp_path: Path) -> None:
    runs = read_runs(written(tmp_path, "parameters,tokens,loss_bits\n1,2,3\n"), "")
    assert runs["loss_nats"].to_list() == [nats_from_bits(3.0)]


@pytest.mark.parametrize(
    ("text", "mapping", "message"),
    [
        ("parameters,tokens\n1,2\n", "", "needs loss_nats: --columns loss_nats=..."),
        ("a,b\n1,2\n", "size=a", "column 'size' is not known"),
        ("a,b\n1,2\n", "parameters=c", "column of mine.csv 'c' is not known"),
        ("a,b\n1,2\n", "parameters", "NAME=COLUMN"),
        ("loss_nats,loss_bits\n1,2\n", "", "one unit is needed"),
        ("x_bits\n1\n", "loss_nats=x_bits", "says bits: map it to loss_bits"),
        ("parameters,tokens,loss_nats\n1,2,low\n", "", "line 2, column 'loss_nats' holds 'low'"),
        ("parameters,tokens,loss_nats\n1,2,0\n3,4,1\n", "", "loss_nats of run 1 is 0"),
        (
            "parameters,tokens,loss_nats\n1,2,1\n3,4,nan\n",
            "",
            "line 3, column 'loss_nats' holds 'nan'",
        ),
        ("parameters,tokens,loss_nats\n1,2,1\n3,,1\n", "", "line 3, column 'tokens' is empty"),
        ("parameters,tokens,loss_nats\n1,2,-3\n", "", "loss_nats of run 1 is -3"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, mapping: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measured_rows(
            read_runs(written(tmp_path, text), mapping), kinds.law("parametric"), Count.TOTAL
        )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.csv is not a table"):
        read_runs(tmp_path / "none.csv", "")


def test_a_law_of_flops_needs_all_its_columns(tmp_path: Path) -> None:
    runs = read_runs(written(tmp_path, "flops,loss_nats\n1,2\n"), "")
    with pytest.raises(ValueError, match="needs parameters and tokens"):
        measured_rows(runs, kinds.law("isoflop"), Count.TOTAL)
    assert np.isfinite(runs["flops"].to_numpy()).all()
