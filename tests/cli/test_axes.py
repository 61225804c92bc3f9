"""The axes of a sweep are columns of its table, from `rote collect` and from `rote.table` alike."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.inprocess import rote
from tests.shared import FIXED, Shared

import rote as package
from rote.cluster.plan import load_plan, plan_path
from rote.io.read import Damaged

SWEEP = """
question: Do axes come back?
report: capacity
grid:
  product:
    ratio: [0.5, 1]
    model: [gpt, llama]
  cases:
    run:
      - {precision: fp32, note: plain}
      - {optim: adamw, note: 7}
  derive:
    task.num_sequences: round(ratio * 16)
  filter: [note != 0]
"""

pytestmark = pytest.mark.usefixtures("preloaded_workers")


@pytest.fixture(scope="module")
def swept(shared: Shared, preloaded_workers: None) -> Path:
    """A folder with a finished sweep of eight runs and its table."""

    def make(folder: Path) -> None:
        (folder / "sweeps").mkdir()
        (folder / "sweeps" / "axes.yaml").write_text(SWEEP + FIXED)
        for words in (("sweep", "axes"), ("collect", "axes")):
            done = rote(folder, *words)
            assert done.returncode == 0, done.stdout + done.stderr

    return shared.folder("axes", make)


def test_every_axis_is_a_column(swept: Path) -> None:
    table = pl.read_parquet(swept / "outputs" / "sweeps" / "axes" / "table.parquet")
    assert table["ratio"].to_list() == [0.5] * 4 + [1.0] * 4
    assert table["axis.model"].to_list() == (["gpt"] * 2 + ["llama"] * 2) * 2
    assert table["note"].to_list() == ["plain", "7"] * 4
    assert table["precision"].to_list() == ["fp32", None] * 4
    assert table["optim"].to_list() == [None, "adamw"] * 4
    assert (table["task.num_sequences"] == (table["ratio"] * 16).cast(pl.Int64)).all()


def test_derived_columns_stand_beside_them(swept: Path) -> None:
    table = pl.read_csv(swept / "outputs" / "sweeps" / "axes" / "table.csv")
    bits = table["entropy_bits"] - table["cost.train_code_bits"]
    assert table["memorised_bits"].to_list() == pytest.approx(bits.to_list())
    per_parameter = bits / table["parameters"]
    assert table["bits_per_parameter"].to_list() == pytest.approx(per_parameter.to_list())


def test_one_line_gives_the_same_table(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(swept / "outputs"))
    table = package.table("axes")
    assert table.equals(pl.read_parquet(swept / "outputs" / "sweeps" / "axes" / "table.parquet"))
    with pytest.raises(ValueError, match=r"sweep 'axs' is not known\. Did you mean 'axes'"):
        package.table("axs")


def test_a_plan_without_axes_is_read_and_a_wrong_one_refused(swept: Path, tmp_path: Path) -> None:
    """Plans of earlier versions hold none."""
    text = plan_path(swept / "outputs", "axes").read_text()
    path = plan_path(tmp_path, "axes")
    path.parent.mkdir(parents=True)
    path.write_text(text.replace('"axes": {', '"was": {'))
    assert [dict(point.axes) for point in load_plan(tmp_path, "axes").points] == [{}] * 8
    path.write_text(text.replace('"ratio": 0.5', '"ratio": []'))
    with pytest.raises(Damaged, match=r"axes\.ratio must be text, a finite number"):
        load_plan(tmp_path, "axes")


def test_importing_rote_imports_no_other_package() -> None:
    code = "import sys; before = set(sys.modules); import rote; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in done.stdout.split()}
    assert packages - set(sys.stdlib_module_names) == {"rote"}
