"""Dashboards: one a kind of report, of columns that runs have, the same bytes, and no server."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import COMPOSER, Refused, points
from tests.tracking.conftest import QUESTION, Rote, Server, Swept

from rote.analysis.metrics import METRICS, SHARES, metric_of
from rote.analysis.overviews import OVERVIEWS, PROGRESS, SETTING, Overview, overview_of
from rote.analysis.report import kinds
from rote.config.folders import sweep_files
from rote.config.sweep import Sweep, read_sweep
from rote.ledger.spec import flatten
from rote.tracking.workspaces import Workspaces, wandb_column

OF_A_RUN = {"parameters", "entropy_bits", "training.tokens_seen"}
OF_SHARES = {"accuracy": "exact_match", "extracted": "extraction"}  # and the measure behind them
LINES, BARS = "Run History Line Plot", "Bar Chart"


def settings(sweep: Sweep) -> dict[str, list[Any]]:
    """Every key that a sweep file sets, with its values."""
    cases = [case for listed in sweep.grid.cases.values() for case in listed]
    found: dict[str, list[Any]] = {}
    for axes in (sweep.fixed, sweep.grid.product, sweep.grid.zip, sweep.grid.derive, *cases):
        for key, value in axes.items():
            found.setdefault(key, []).append(value)
    return found


def known_of(kind: str) -> tuple[set[str], set[str]]:
    """Keys and measures of this kind's demo: of its first point, and what its file sets."""
    demos = [read_sweep(path) for name, path in sweep_files().items() if name.endswith("demo")]
    own = [sweep for sweep in demos if sweep.report == kind]
    demo = max(own, key=lambda sweep: sweep.name == f"{kind}_demo")
    first = next(points(demo, COMPOSER, lambda config: 1000))
    told = settings(demo)
    measures = {name for each in told.get("measure", [["cost"]]) for name in each}
    return {*flatten(COMPOSER.config(first)), *told}, measures


def columns(overview: Overview) -> set[str]:
    return {column for pair in (*overview.axes, *overview.by) for column in pair}


def test_every_kind_of_report_has_an_overview_and_any_other_a_usual_one() -> None:
    assert sorted(OVERVIEWS) == kinds()
    assert overview_of("my_own").title == "My own"
    assert ("parameters", "memorised_bits") in overview_of("my_own").axes


@pytest.mark.parametrize("kind", kinds())
def test_columns_are_metrics_keys_of_conf_or_shares_of_what_is_measured(kind: str) -> None:
    keys, measures = known_of(kind)
    for column in columns(overview_of(kind)):
        family = column.partition(".")[0]
        if family in SHARES:
            assert OF_SHARES[family] in measures
        else:
            assert column in keys | OF_A_RUN | set(METRICS), f"no sweep of {kind} has {column}"
    assert set(overview_of(kind).curves) <= set(METRICS)


def panels(spec: dict[str, Any]) -> list[dict[str, Any]]:
    shown = spec["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]
    return [panel for section in shown for panel in section["panels"]]


def is_of_gpus(panel: dict[str, Any]) -> bool:
    return panel["config"]["metrics"][0].startswith("system/gpu.0.")


@pytest.mark.parametrize("kind", kinds())
def test_the_spec_is_whole_the_same_each_time_and_asks_nobody(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", _refuse)
    overview = overview_of(kind)
    made, again = (
        Workspaces(overview, entity=None, project="rote", group="tiny", question=QUESTION).specs()
        for _ in range(2)
    )
    assert made == again
    assert QUESTION in json.dumps(made["report"])
    over = [(panel["config"]["xAxis"], panel["config"]["metrics"]) for panel in panels(made)
            if panel["viewType"] == LINES and not is_of_gpus(panel)]  # fmt: skip
    assert over == [(axis, [name]) for name in overview.curves for axis in PROGRESS]


def test_panels_are_titled_by_the_registry_and_show_the_spread_over_seeds() -> None:
    made = Workspaces(
        overview_of("capacity"), entity=None, project="rote", group=None, question=None,
        figures=["memorised_bits"],
    ).specs()  # fmt: skip
    shown = panels(made)
    line = next(panel["config"] for panel in shown if panel["viewType"] == LINES)
    assert line["yAxisTitle"] == METRICS["loss_bits_per_token"].label
    grouped = [panel["config"] for panel in shown
               if panel["viewType"] in (LINES, BARS) and not is_of_gpus(panel)]  # fmt: skip
    (runs,) = made["workspace"]["spec"]["section"]["runSets"]
    assert SETTING in json.dumps(runs["grouping"])
    of_gpus = [panel["config"]["chartTitle"] for panel in shown
               if panel["viewType"] == LINES and is_of_gpus(panel)]  # fmt: skip
    assert of_gpus == ["GPU utilisation", "GPU memory in use", "GPU power"]
    assert {one["groupBy"] for one in grouped} == {f"{SETTING}.value", "precision.value.name"}
    assert {(one["groupAgg"], one["groupArea"]) for one in grouped} == {("mean", "minmax")}
    titles = {panel["config"].get("chartTitle") for panel in shown}
    across, up = metric_of("entropy_bits").label, metric_of("memorised_bits").label
    assert f"{up} against {across}" in titles
    assert "figures/memorised_bits" in json.dumps(made)


def test_a_number_of_the_report_alone_has_no_column_in_wandb() -> None:
    assert wandb_column("memorised_bits") == "summary:derived.memorised_bits"
    assert wandb_column("accuracy.train_add") == "summary:derived.accuracy.train_add"
    assert wandb_column("size.width") == "config:size.width"
    assert wandb_column("cost.train_code_bits") == "summary:cost.train_code_bits"
    assert wandb_column("f1") == ""


def _refuse(*_: object) -> None:
    raise AssertionError("a server was called")


def test_the_command_prints_a_sweep_and_names_its_group(rote: Rote) -> None:
    said = rote("dashboard", "tiny")
    assert said.returncode == 0
    spec = json.loads(said.stdout)
    assert spec["workspace"]["displayName"] == "Capacity: tiny"
    (runs,) = spec["workspace"]["spec"]["section"]["runSets"]
    assert [one["value"] for one in runs["filters"]["filters"]] == ["tiny"]
    assert rote("dashboard", "--kind", "text").returncode == 0
    assert list(json.loads(rote("dashboard", "--all").stdout)) == kinds()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name a launched sweep, or a kind"),
        (("--kind", "capacities"), "Did you mean 'capacity'?"),
        (("tiny", "--push", "rote"), "--push must be ENTITY/PROJECT"),
        (("tiny", "--push", "me/rote/more"), "--push must be ENTITY/PROJECT"),
    ],
)
def test_what_is_no_dashboard_is_refused(
    at_swept: Swept, refused: Refused, words: tuple[str, ...], message: str
) -> None:
    assert message in refused("dashboard", *words)


def test_pushing_without_a_login_says_so_in_one_line(
    at_swept: Swept, fresh_rote: Rote, monkeypatch: pytest.MonkeyPatch, server: Server,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    said = fresh_rote("dashboard", "tiny", "--push", "me/rote")
    assert said.returncode == 2
    assert said.stderr.splitlines()[-1].startswith("rote: no login for wandb")


def test_pushing_saves_both_views(fresh_rote: Rote, server: Server) -> None:
    said = fresh_rote("dashboard", "tiny", "--push", "me/rote")
    assert said.returncode == 0, said.stderr
    assert [view["displayName"] for view in server.views] == ["Capacity: tiny"] * 2
    assert len(said.stdout.splitlines()) >= 2
    report, workspace = (json.loads(view["spec"]) for view in server.views)
    (section, *_) = workspace["section"]["panelBankConfig"]["sections"]
    assert "/reports/" in section["panels"][0]["config"]["value"]
    assert "blocks" in report
