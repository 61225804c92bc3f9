"""Dashboards as wandb workspaces and reports: made, written as JSON, saved on a server.

wandb-workspaces writes its own JSON in ``_to_model``, which is private: its version is pinned.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from rote.config.choices import unknown
from rote.tracking.account import asking, require_server
from rote.tracking.panels import AXIS_TITLES, Bars, Curve, Dashboard, Panel, Scatter, Section
from rote.tracking.summary import REPORT, TRAIN

FOLDER = Path(__file__).parent / "dashboards"
MAX_RUNS = 200  # lines in a chart; wandb draws 10 where nothing is said
COLUMNS, WIDTH, HEIGHT = 3, 8, 6  # of a report's grid, which is 24 wide
INSTALL = "dashboards need wandb-workspaces: pip install 'rote[dashboards]'"
RUN_TABLE, FIGURES = "runs", "figures"  # keys of the report run


def kinds() -> list[str]:
    """Their names, nothing imported."""
    return sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


def dashboard_of(kind: str) -> Dashboard:
    """Raises ValueError, with the choices, for a kind that is not there."""
    if kind not in kinds():
        raise unknown("dashboard", kind, kinds())
    found: Dashboard = import_module(f"rote.tracking.dashboards.{kind}").DASHBOARD
    return found


class Workspaces:
    """One dashboard as wandb has it, of a sweep's runs or of all runs of a project.

    Raises ValueError where wandb-workspaces is not installed.
    """

    def __init__(
        self, dashboard: Dashboard, *, entity: str | None, project: str, group: str | None,
        question: str | None,
    ) -> None:  # fmt: skip
        try:
            import wandb_workspaces.reports.v2 as reports
            import wandb_workspaces.workspaces as workspaces
            from wandb_workspaces import expr
        except ImportError as error:
            raise ValueError(INSTALL) from error
        self.dashboard, self.question = dashboard, question
        self.name = f"{dashboard.title}: {group}" if group else dashboard.title
        # Without a name here the library would ask the server for the account's own.
        self.place = {"entity": entity or "", "project": project}
        self.reports, self.workspaces = reports, workspaces
        self.all_of = expr.And
        self.filters = [expr.Metric("Group") == group] if group else []
        self.is_train = expr.Metric("JobType") == TRAIN
        self.is_report = expr.Metric("JobType") == REPORT

    def workspace(self) -> Any:
        """Sections of panels over the runs, curves and figures together."""
        make = self.workspaces
        sections = [
            make.Section(name=each.title, panels=[*map(self._panel, each.panels)], is_open=True)
            for each in self.dashboard.sections
        ]
        sections.append(make.Section(name="Report", panels=self._report_panels(), is_open=True))
        columns = [_column(one) for one in self.dashboard.columns]
        return make.Workspace(
            **self.place,
            name=self.name,
            sections=sections,
            settings=make.WorkspaceSettings(max_runs=MAX_RUNS),
            runset_settings=make.RunsetSettings(
                filters=self.all_of(*self.filters), pinned_columns=columns
            ),
        )

    def report(self) -> Any:
        """The same panels with the words between them, and what the report run logged."""
        make = self.reports
        blocks = [make.P(self.question)] if self.question else []
        for section in self.dashboard.sections:
            blocks += [make.H2(section.title), make.P(section.text), self._grid(section)]
        blocks += [make.H2("Report"), self._panel_grid(self._report_panels(), self.is_report)]
        return make.Report(
            **self.place, title=self.name, description=self.question or "", blocks=blocks
        )

    def specs(self) -> dict[str, Any]:
        """Both as wandb stores them, the same bytes each time; nothing is asked of a server."""
        made = {"workspace": self.workspace(), "report": self.report()}
        return {
            name: _renumbered(
                each._to_model().model_dump(mode="json", by_alias=True, exclude_none=True)
            )
            for name, each in made.items()
        }

    def push(self) -> list[str]:
        """Save both as new views; returns their addresses. Raises ValueError without a login."""
        with asking(f"cannot save a dashboard in {self.place['entity']}/{self.place['project']}"):
            require_server()
            return [each.save().url for each in (self.workspace(), self.report())]

    def _grid(self, section: Section) -> Any:
        return self._panel_grid([*map(self._panel, section.panels)], self.is_train)

    def _panel_grid(self, panels: list[Any], job_type: Any) -> Any:
        for place, panel in enumerate(panels):
            row, column = divmod(place, COLUMNS)
            panel.layout = self.reports.Layout(x=column * WIDTH, y=row * HEIGHT, w=WIDTH, h=HEIGHT)
        # A run set that names entity and project asks the server for the project's number.
        runset = self.reports.Runset(name="runs", filters=self.all_of(*self.filters, job_type))
        return self.reports.PanelGrid(runsets=[runset], panels=panels)

    def _panel(self, panel: Panel) -> Any:
        match panel:
            case Curve():
                return self.reports.LinePlot(
                    title=panel.title, x=panel.x, y=[panel.y], log_x=panel.log_x,
                    log_y=panel.log_y, title_x=AXIS_TITLES[panel.x], title_y=AXIS_TITLES[panel.y],
                    max_runs_to_show=MAX_RUNS,
                )  # fmt: skip
            case Scatter():
                return self.reports.ScatterPlot(
                    title=panel.title, x=self._metric(panel.x), y=self._metric(panel.y),
                    log_x=panel.log_x, log_y=panel.log_y,
                )  # fmt: skip
            case Bars():
                return self.reports.BarPlot(
                    title=panel.title, metrics=[panel.metric], orientation="v",
                    groupby=self.reports.Config(panel.by), groupby_aggfunc="mean",
                )  # fmt: skip

    def _metric(self, column: str) -> Any:
        section, _, name = column.partition(":")
        kinds = {"config": self.reports.Config, "summary": self.reports.SummaryMetric}
        return kinds[section](name)

    def _report_panels(self) -> list[Any]:
        return [
            *(
                self.reports.MediaBrowser(title=name, media_keys=[f"{FIGURES}/{name}"])
                for name in self.dashboard.figures
            ),
            self.reports.WeavePanelSummaryTable(table_name=RUN_TABLE),
        ]


def _column(column: str) -> str:
    """As wandb's table of runs wants it: each key of a config is wrapped once, at its top."""
    section, _, name = column.partition(":")
    if section == "summary":
        return column
    top, dot, rest = name.partition(".")
    return f"config:{top}.value{dot}{rest}"


def _renumbered(spec: Any) -> Any:
    """Random ids of panels and run sets replaced by their places, so that two prints compare."""
    ids: Iterator[int] = iter(range(1_000_000))
    return _with_ids(spec, ids)


def _with_ids(node: Any, ids: Iterator[int]) -> Any:
    if isinstance(node, list):
        return [_with_ids(each, ids) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"{next(ids):010d}"
        if key == "__id__" or (key == "id" and value)
        else _with_ids(value, ids)
        for key, value in node.items()
    }
