"""Results reach other programs: as tables, and as a data set by the axes of the sweep."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.inprocess import rote
from tests.shared import FIXED, Shared

import rote as package
from rote.gathering import sweep_results
from rote.ledger.store import Store

SWEEP = """
question: Do results come back?
report: capacity
grid:
  product:
    ratio: [0.5, 1]
    precision: [fp32, tf32]
    seed: [0, 1]
  derive:
    task.num_sequences: round(ratio * 16)
  filter: [not (ratio == 1 and precision.name == "tf32" and seed == 1)]
"""

pytestmark = pytest.mark.usefixtures("preloaded_workers")


@pytest.fixture(scope="module")
def swept(shared: Shared, preloaded_workers: None) -> Path:
    """A folder with a finished sweep of seven runs; one combination of the axes is missing."""

    def make(folder: Path) -> None:
        (folder / "sweeps").mkdir()
        (folder / "sweeps" / "back.yaml").write_text(SWEEP + FIXED)
        done = rote(folder, "sweep", "back")
        assert done.returncode == 0, done.stdout + done.stderr

    return shared.folder("back", make)


@pytest.fixture
def found(swept: Path, monkeypatch: pytest.MonkeyPatch) -> sweep_results.SweepResults:
    monkeypatch.setenv("ROTE_OUTPUTS", str(swept / "outputs"))
    return package.results("back")


def test_runs_are_the_table_and_axes_are_the_fewest_that_tell_them_apart(
    found: sweep_results.SweepResults,
) -> None:
    assert found.runs.equals(package.table("back"))
    assert found.runs.height == 7
    assert found.axes == ("ratio", "precision", "seed")


def test_sequences_are_those_of_the_arrays_with_the_axes(
    found: sweep_results.SweepResults,
) -> None:
    rows = found.sequences("cost.train_code_bits")
    assert rows.columns == [
        "run_id", "ratio", "precision", "seed", "sequence", "cost.train_code_bits",
    ]  # fmt: skip
    assert rows.height == 4 * 8 + 3 * 16
    for run_id, part in rows.group_by("run_id"):
        stored = found.arrays(str(run_id[0]))["cost.train_code_bits"]
        np.testing.assert_array_equal(part["cost.train_code_bits"].to_numpy(), stored)
    of_half = rows.filter(pl.col("ratio") == 0.5)
    assert of_half["sequence"].max() == 7


def test_curves_have_a_row_for_each_logged_step(found: sweep_results.SweepResults) -> None:
    assert found.curves.height == 7 * 2
    assert set(found.curves["run_id"]) == set(found.runs["run_id"])


def test_a_data_set_has_each_run_at_its_place(found: sweep_results.SweepResults) -> None:
    data = found.dataset("memorised_bits", arrays=["cost.train_code_bits"])
    assert dict(data.sizes) == {"ratio": 2, "precision": 2, "seed": 2, "sequence": 16}
    assert data["memorised_bits"].attrs["units"] == "bits"
    for row in found.runs.iter_rows(named=True):
        place = {name: row[name] for name in found.axes}
        assert float(data["memorised_bits"].sel(place)) == row["memorised_bits"]
        stored = found.arrays(row["run_id"])["cost.train_code_bits"]
        placed = data["cost.train_code_bits"].sel(place).to_numpy()
        np.testing.assert_array_equal(placed[: len(stored)], stored)
        assert np.isnan(placed[len(stored) :]).all()
    missing = data["memorised_bits"].sel({"ratio": 1, "precision": "tf32", "seed": 1})
    assert np.isnan(float(missing))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"columns": ["nosuch"]}, "have no column 'nosuch'"),
        ({"columns": ["memorised_bits"], "by": ["seed"]}, "share a place by seed"),
        ({"columns": ["memorised_bits"], "by": ["nosuch"]}, "have no column 'nosuch'"),
        ({"columns": ["memorised_bits"], "arrays": ["cost.nosuch"]}, "no run of 'back' has"),
    ],
)
def test_what_cannot_be_a_data_set_is_one_line(
    found: sweep_results.SweepResults, arguments: dict[str, list[str]], reason: str
) -> None:
    columns = arguments.pop("columns")
    with pytest.raises(ValueError, match=reason):
        found.dataset(*columns, **arguments)  # type: ignore[arg-type]


def test_a_damaged_run_is_named(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(swept / "outputs"))
    run = Store(swept / "outputs").run(package.table("back")["run_id"][0])
    content = run.record_path.read_bytes()
    try:
        run.record_path.write_bytes(content[: len(content) // 2])
        with pytest.raises(ValueError, match=run.run_id):
            _ = package.results("back").runs
    finally:
        run.record_path.write_bytes(content)


def test_an_unknown_sweep_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    with pytest.raises(ValueError, match="nosuch"):
        package.results("nosuch")


@pytest.mark.parametrize("form", ["parquet", "csv", "arrow"])
def test_each_format_holds_the_same_table(swept: Path, form: str) -> None:
    done = rote(swept, "collect", "back", "--format", form, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "arrow": pl.read_ipc}[form]
    table = read(said[f"table_{form}"])
    assert table["memorised_bits"].len() == 7
    assert Path(said[f"curves_{form}"]).exists()


def test_netcdf_is_read_by_another_program(swept: Path) -> None:
    h5py = pytest.importorskip("h5py")
    done = rote(swept, "collect", "back", "--format", "netcdf", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    with h5py.File(said["results_nc"]) as file:
        assert file["memorised_bits"].shape == (2, 2, 2)
        assert file["memorised_bits"].attrs["units"] == "bits"
        assert np.isnan(file["memorised_bits"][...]).sum() == 1
    refused = rote(swept, "collect", "back", "--format", "netcdf", "--from", "wandb-offline:x")
    assert refused.returncode == 2
    assert "--format netcdf" in refused.stderr
