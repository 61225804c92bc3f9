"""Build dashboards as wandb workspaces and reports, write them as JSON, save them on a server.

wandb-workspaces produces JSON in ``_to_model``, which is private, so its version is pinned.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from rote.analysis.metrics import METRICS, SHARES, metric_of
from rote.analysis.overviews import Overview
from rote.ledger.spec import CONTROL, WHAT
from rote.tracking.curves import AXES
from rote.tracking.mirror import DERIVED, REPORT, SETTING, TRAIN
from rote.tracking.session import asking, require_server

MAX_RUNS = 200  # lines in a chart; wandb draws 10 by default
COLUMNS, WIDTH, HEIGHT = 3, 8, 6  # of a report's grid, which is 24 wide
INSTALL = "dashboards need wandb-workspaces: pip install 'rote[dashboards]'"
RUN_TABLE, FIGURES, PAGE = "runs", "figures", "page"  # keys of the report run
OF_A_RECORD = ("entropy_bits", "entropy_after_first_token_bits", "embedding_parameters")
TABLE = ("parameters", "seed", "training.converged")  # columns pinned by every dashboard
OVER_SEEDS: dict[str, Any] = {"groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"}


class Workspaces:
    """The dashboard of one kind of sweep, for a sweep's runs or all runs of a project.

    ``figures`` are names of figures that the sweep's report logged. Raises ValueError if
    wandb-workspaces is not installed.
    """

    def __init__(
        self, overview: Overview, *, entity: str | None, project: str, group: str | None,
        question: str | None, figures: Sequence[str] = (),
    ) -> None:  # fmt: skip
        try:
            import wandb_workspaces.reports.v2 as reports
            import wandb_workspaces.workspaces as workspaces
            from wandb_workspaces import expr
        except ImportError as error:
            raise ValueError(INSTALL) from error
        self.overview, self.question, self.figures = overview, question, figures
        self.name = f"{overview.title}: {group}" if group else overview.title
        # Without a name, the library would ask the server for the account's default.
        self.place = {"entity": entity or "", "project": project}
        self.reports, self.workspaces = reports, workspaces
        self.all_of = expr.And
        self.filters = [expr.Metric("Group") == group] if group else []
        self.is_train = expr.Metric("JobType") == TRAIN
        self.is_report = expr.Metric("JobType") == REPORT
        self.by_setting: dict[str, Any] = {"groupby": reports.Config(SETTING), **OVER_SEEDS}

    def workspace(self) -> Any:
        """Return sections of panels that show runs, curves and figures together."""
        make = self.workspaces
        sections = [
            make.Section(name=title, panels=panels, is_open=True)
            for title, _, panels, _ in self._sections()
        ]
        axes = [column for pair in self._axes() for column in pair]
        columns = [_resolved(each) for each in dict.fromkeys((*TABLE, *axes))]
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
        """Return the same panels with text between them, and what the report run logged."""
        make = self.reports
        blocks = [make.P(self.question)] if self.question else []
        for title, text, panels, job_type in self._sections():
            blocks += [make.H2(title), make.P(text), self._grid(panels, job_type)]
        return make.Report(
            **self.place, title=self.name, description=self.question or "", blocks=blocks
        )

    def specs(self) -> dict[str, Any]:
        """Return both as JSON, byte for byte reproducible; contacts no server."""
        made = {"workspace": self.workspace(), "report": self.report()}
        return {
            name: _renumbered(
                each._to_model().model_dump(mode="json", by_alias=True, exclude_none=True)
            )
            for name, each in made.items()
        }

    def push(self) -> list[str]:
        """Save both as new views and return their addresses; raises ValueError without a login."""
        with asking(f"cannot save a dashboard in {self.place['entity']}/{self.place['project']}"):
            require_server()
            return [each.save().url for each in (self.workspace(), self.report())]

    def _sections(self) -> list[tuple[str, str, list[Any], Any]]:
        """Return title, text, panels, and the kind of runs that they show."""
        overview = self.overview
        ups = dict.fromkeys(up for _, up in self._axes())
        results = [
            *(self._scatter(across, up) for across, up in self._axes()),
            *(self._bars(up, None) for up in ups),
            *(self._bars(up, by) for by, up in overview.by),
        ]
        curves = [self._curve(curve, axis) for curve in overview.curves for axis in AXES]
        over_seeds = "Mean over the seeds of a setting, and their least and most."
        return [
            (overview.title, f"{overview.text} {over_seeds}", results, self.is_train),
            ("While training", over_seeds, curves, self.is_train),
            ("Report", "Its page, its figures and its runs.", self._logged(), self.is_report),
        ]

    def _axes(self) -> list[tuple[str, str]]:
        """Return axes that a run's summary holds; others are only in the report."""
        return [pair for pair in self.overview.axes if all(map(wandb_column, pair))]

    def _grid(self, panels: list[Any], job_type: Any) -> Any:
        for place, panel in enumerate(panels):
            row, column = divmod(place, COLUMNS)
            panel.layout = self.reports.Layout(x=column * WIDTH, y=row * HEIGHT, w=WIDTH, h=HEIGHT)
        # A run set that names entity and project asks the server for the project's number.
        runset = self.reports.Runset(name="runs", filters=self.all_of(*self.filters, job_type))
        return self.reports.PanelGrid(runsets=[runset], panels=panels)

    def _curve(self, curve: str, axis: str) -> Any:
        across, up = metric_of(axis), metric_of(curve)
        return self.reports.LinePlot(
            title=f"{up.title} over {across.title}", x=axis, y=[curve], log_x=True,
            title_x=across.label, title_y=up.label,
            max_runs_to_show=MAX_RUNS, **self.by_setting,
        )  # fmt: skip

    def _scatter(self, across: str, up: str) -> Any:
        return self.reports.ScatterPlot(
            title=f"{metric_of(up).label} against {metric_of(across).label}",
            x=self._metric(across), y=self._metric(up),
            log_x=_is_count(across), log_y=_is_count(up),
        )  # fmt: skip

    def _bars(self, up: str, by: str | None) -> Any:
        """Return means by one setting, or by all settings together."""
        words = metric_of(by).title if by else SETTING
        grouped = self.by_setting | ({"groupby": self.reports.Config(by)} if by else {})
        return self.reports.BarPlot(
            title=f"{metric_of(up).title} by {words}", title_y=metric_of(up).label,
            metrics=[wandb_column(up).partition(":")[2]], orientation="v",
            max_runs_to_show=MAX_RUNS, **grouped,
        )  # fmt: skip

    def _metric(self, column: str) -> Any:
        section, _, name = wandb_column(column).partition(":")
        kinds = {"config": self.reports.Config, "summary": self.reports.SummaryMetric}
        return kinds[section](name)

    def _logged(self) -> list[Any]:
        """Return panels of the page, which holds every figure, and of figures with known names."""
        keys = [PAGE, *(f"{FIGURES}/{name}" for name in self.figures)]
        return [
            *(
                self.reports.MediaBrowser(title=key.rpartition("/")[2], media_keys=[key])
                for key in keys
            ),
            self.reports.WeavePanelSummaryTable(table_name=RUN_TABLE),
        ]


def wandb_column(column: str) -> str:
    """Return wandb's name for a column: ``config:`` or ``summary:`` and a path.

    Empty for a number that only a report derives.
    """
    first = column.partition(".")[0]
    if first in (*WHAT, CONTROL) or column == "parameters":
        return f"config:{column}"
    if first in SHARES or (column in METRICS and METRICS[column].expression is not None):
        return f"summary:{DERIVED}.{column}"
    return f"summary:{column}" if "." in column or column in OF_A_RECORD else ""


def _is_count(column: str) -> bool:
    """Return whether a column spans decades: bits, parameters, sequences."""
    return metric_of(column).form.startswith("{:,")


def _resolved(column: str) -> str:
    """Return the name in wandb's table of runs: a config key is wrapped once, at its top."""
    section, _, name = wandb_column(column).partition(":")
    if section == "summary":
        return f"summary:{name}"
    top, dot, rest = name.partition(".")
    return f"config:{top}.value{dot}{rest}"


def _renumbered(spec: Any) -> Any:
    """Replace random ids of panels and run sets by their places, so that two prints compare."""
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
