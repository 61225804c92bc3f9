"""`rote dashboard NAME --html` draws the panels of wandb's workspace from the runs on disk."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import Refused
from tests.site.planted import plant

import rote
from rote.analysis.overviews import overview_of, panel_sections
from rote.cli.main import main
from rote.gathering.dashboard import dashboard_page
from rote.ledger.spec import Spec
from rote.ledger.store import Store

HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture
def outputs(base: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four settings of three seeds."""
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    plant(tmp_path, base, name="seeds", num_runs=12, num_seeds=3, question=HOSTILE)
    return tmp_path


def data_of(page: bytes) -> dict[str, Any]:
    (text,) = re.findall(r'id="data">(.*?)</script>', page.decode(), re.S)
    return json.loads(text)


def test_bars_and_curves_are_means_with_least_and_most_over_seeds(outputs: Path) -> None:
    page = dashboard_page("seeds")
    data = data_of(page)
    assert HOSTILE.encode() not in page
    assert b"src=" not in page.split(b"<script>")[0]
    assert len(data["settings"]) == 4
    shown = {panel["title"]: panel for each in data["sections"] for panel in each["panels"]}
    known = {"entropy_bits", "memorised_bits", "data_bits_per_parameter", "bits_per_parameter",
             "parameters"}  # fmt: skip
    expected = panel_sections(overview_of("capacity"), known.__contains__)
    assert list(shown) == [panel.title for each in expected for panel in each.panels]
    runs = rote.results("seeds").runs
    bits = runs["bits_per_parameter"].to_numpy().reshape(4, 3)
    bars = shown["memorised (bits per parameter) by setting"]["series"]
    for bar, own in zip(bars, bits, strict=True):
        assert bar["num_runs"] == 3
        found = [bar[name][0] for name in ("least", "mean", "most")]
        assert found == pytest.approx([own.min(), own.mean(), own.max()], rel=1e-6)
    curve = shown["memorised (bits) over step"]
    first = runs["run_id"][:3]
    ends = [Store(outputs).run(run_id).curve()[-1]["memorised_bits"] for run_id in first]
    found = [curve["series"][0][name][-1] for name in ("least", "mean", "most")]
    assert found == pytest.approx([min(ends), np.mean(ends), max(ends)], rel=1e-6)
    assert len(curve["series"][0]["x"]) == 100
    mean = "Mean of 3 seeds; {} from the least to the greatest."
    assert curve["caption"] == mean.format("the band reaches")
    by_setting = shown["memorised (bits per parameter) by setting"]["caption"]
    assert by_setting == mean.format("whiskers reach")
    by_format = shown["memorised (bits per parameter) by format"]["caption"]
    assert by_format == by_setting.replace("3 seeds", "12 runs")
    assert page.count(f'<p class="setting">{curve["caption"]}</p>'.encode()) == 9


def test_a_single_seed_has_no_band_and_no_caption(base: Spec, outputs: Path) -> None:
    plant(outputs, base, name="alone", num_runs=4, length=5)
    page = dashboard_page("alone")
    panels = [panel for each in data_of(page)["sections"] for panel in each["panels"]]
    curves = [panel for panel in panels if panel["kind"] == "curve"]
    assert {panel["caption"] for panel in curves} == {""}
    assert {one["num_runs"] for panel in curves for one in panel["series"]} == {1}
    assert b"seeds;" not in page.split(b"<script")[0]


def test_the_command_writes_one_file_and_prints_its_path(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dashboard", "seeds", "--html"]) == 0
    path = outputs / "dashboards" / "seeds" / "dashboard.html"
    assert capsys.readouterr().out.strip() == str(path)
    assert b"Plotly" in path.read_bytes()


def test_a_sweep_with_no_run_done_is_one_line(outputs: Path, refused: Refused) -> None:
    for run in Store(outputs).runs():
        run.record_path.unlink()
    said = refused("dashboard", "seeds", "--html")
    assert said == "rote: no run of 'seeds' is done: rote sweep seeds\n"
