"""Dashboards: one a kind of report, of columns that runs have, the same bytes, and no server."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import COMPOSER
from tests.tracking.conftest import QUESTION, Rote, Server, Swept

from rote.analysis.kinds import FOLDER
from rote.analysis.kinds import kinds as report_kinds
from rote.analysis.laws.kinds import laws
from rote.config.places import sweep_files
from rote.config.sweep import Sweep, points, read_sweep
from rote.ledger.spec import flatten
from rote.tracking import curves
from rote.tracking.panels import AXIS_TITLES, Bars, Curve, Dashboard, Scatter
from rote.tracking.workspaces import Workspaces, dashboard_of, kinds

OF_A_RUN = {"parameters", "entropy_bits", "training.converged"}


def columns(dashboard: Dashboard) -> set[str]:
    found = set(dashboard.columns)
    for panel in (panel for section in dashboard.sections for panel in section.panels):
        match panel:
            case Scatter():
                found |= {panel.x, panel.y}
            case Bars():
                found |= {f"config:{panel.by}", f"summary:{panel.metric}"}
    return found


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
    (demo,) = [sweep for sweep in demos if sweep.report == kind]
    composer = COMPOSER
    first = next(points(demo, composer, lambda config: 1000))
    told = settings(demo)
    measures = {name for each in told.get("measure", [["cost"]]) for name in each}
    return {*flatten(composer.config(first)), *told}, measures


def test_every_kind_of_report_has_a_dashboard() -> None:
    assert kinds() == report_kinds()


@pytest.mark.parametrize("kind", kinds())
def test_columns_are_keys_of_conf_stored_sums_or_ends_of_curves(kind: str) -> None:
    keys, measures = known_of(kind)
    for column in columns(dashboard_of(kind)):
        section, _, name = column.partition(":")
        assert section in ("config", "summary")
        if section == "config":
            assert name in keys | OF_A_RUN, f"no sweep of {kind} sets {name}"
            continue
        first, _, rest = name.partition(".")
        if first in AXIS_TITLES:
            assert rest in curves.aggregates(first)
        else:
            assert name in OF_A_RUN or first in measures, f"no sweep of {kind} measures {name}"


def test_figures_are_drawings_of_reports() -> None:
    drawing = "".join(path.read_text() for path in Path(FOLDER).parent.rglob("*figure*.py"))
    of_laws = {f"fit-{law}" for law in laws()}
    for kind in kinds():
        for name in dashboard_of(kind).figures:
            assert name in of_laws or f'name="{name}"' in drawing


@pytest.mark.parametrize("kind", kinds())
def test_the_spec_is_whole_the_same_each_time_and_asks_nobody(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", _refuse)
    dashboard = dashboard_of(kind)
    made, again = (
        Workspaces(dashboard, entity=None, project="rote", group="tiny", question=QUESTION).specs()
        for _ in range(2)
    )
    assert made == again
    shown = made["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]
    panels = [panel for section in dashboard.sections for panel in section.panels]
    titles = [panel["config"].get("chartTitle") for section in shown for panel in section["panels"]]
    assert [panel.title for panel in panels] == titles[: len(panels)]
    over = [panel["config"]["xAxis"] for panel in shown[1]["panels"] if panel["viewType"] == LINES]
    assert over == [panel.x for panel in dashboard.sections[1].panels if isinstance(panel, Curve)]
    assert QUESTION in json.dumps(made["report"])


LINES = "Run History Line Plot"


def _refuse(*_: object) -> None:
    raise AssertionError("a server was called")


def test_the_command_prints_a_sweep_and_names_its_group(rote: Rote) -> None:
    said = rote("dashboard", "tiny")
    assert said.code == 0
    spec = json.loads(said.told)
    assert spec["workspace"]["displayName"] == "Capacity: tiny"
    (runs,) = spec["workspace"]["spec"]["section"]["runSets"]
    assert [one["value"] for one in runs["filters"]["filters"]] == ["tiny"]
    assert rote("dashboard", "--kind", "text").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name a launched sweep, or a kind"),
        (("--kind", "capacities"), "Did you mean 'capacity'?"),
        (("tiny", "--push", "rote"), "--push must be ENTITY/PROJECT"),
    ],
)
def test_what_is_no_dashboard_is_refused(rote: Rote, words: tuple[str, ...], message: str) -> None:
    said = rote("dashboard", *words)
    assert said.code == 2
    assert message in said.complaint


def test_pushing_without_a_login_says_so_in_one_line(
    at_swept: Swept, fresh_rote: Rote, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("HOME", "/nowhere")
    said = fresh_rote("dashboard", "tiny", "--push", "me/rote")
    assert said.code == 2
    assert said.complaint.splitlines()[-1].startswith("rote: no login for wandb")


def test_pushing_saves_both_views(fresh_rote: Rote, server: Server) -> None:
    said = fresh_rote("dashboard", "tiny", "--push", "me/rote")
    assert said.code == 0, said.complaint
    assert [view["displayName"] for view in server.views] == ["Capacity: tiny"] * 2
    assert len(said.told.splitlines()) >= 2
