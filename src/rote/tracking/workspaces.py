"""Build dashboards as wandb workspaces and reports, write them as JSON, save them on a server.

wandb-workspaces produces JSON in ``_to_model``, which is private, so its version is pinned.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from rote.analysis.metrics import METRICS, SHARES, metric_of
from rote.analysis.overviews import SETTING, Overview, Panel, PanelSection, is_count, panel_sections
from rote.ledger.spec import CONTROL, WHAT
from rote.tracking.mirror import DERIVED, REPORT, TRAIN
from rote.tracking.session import asking, require_server

MAX_RUNS = 200  # lines in a chart; wandb draws 10 by default
COLUMNS, WIDTH, HEIGHT = 3, 8, 6  # of a report's grid, which is 24 wide
INSTALL = "dashboards need wandb-workspaces: pip install 'rote[dashboards]'"
RUN_TABLE, FIGURES, PAGE = "runs", "figures", "page"  # keys of the report run
GPU = "GPU"  # the title of a section, closed at first: runs without a GPU leave it empty
OF_A_RECORD = ("entropy_bits", "entropy_after_first_token_bits", "embedding_parameters")
TABLE = ("parameters", "seed", "training.converged")  # columns pinned by every dashboard
OVER_SEEDS = "Mean over the seeds of a setting, and their least and most."  # of bars and curves
# wandb's own names of what its monitor samples (title, unit, name of each GPU's metric).
OF_GPUS = (
    ("GPU utilisation", "%", "gpu"),
    ("GPU memory in use", "%", "memoryAllocated"),
    ("GPU power", "W", "powerWatts"),
)
MAX_GPUS = 8  # of one machine


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
        self.setting = expr.Config(SETTING)

    def workspace(self, report: str = "") -> Any:
        """Return sections of panels that show runs, curves and figures together.

        The table of runs is grouped by setting. ``report`` is the address to which it links.
        """
        make = self.workspaces
        sections = [
            make.Section(name=title, panels=panels, is_open=title != GPU)
            for title, _, panels, _ in self._sections()
        ]
        if report:
            text = f"[{self.name}, with words between the panels]({report})"
            sections[0].panels.insert(0, self.reports.MarkdownPanel(markdown=text))
        panels = [panel for each in self._of_runs() for panel in each.panels]
        axes = [column for each in panels if each.kind == "points" for column in (each.x, each.y)]
        columns = [_resolved(each) for each in dict.fromkeys((*TABLE, *axes))]
        return make.Workspace(
            **self.place,
            name=self.name,
            sections=sections,
            settings=make.WorkspaceSettings(max_runs=MAX_RUNS),
            runset_settings=make.RunsetSettings(
                filters=self.all_of(*self.filters), groupby=[self.setting], pinned_columns=columns
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
            report = self.report().save().url
            return [self.workspace(report).save().url, report]

    def _sections(self) -> list[tuple[str, str, list[Any], Any]]:
        """Return title, text, panels, and the kind of runs that they show."""
        return [
            *((each.title, f"{each.text} {OVER_SEEDS}".strip(), [*map(self._panel, each.panels)],
               self.is_train) for each in self._of_runs()),
            ("Report", "Its page, its figures and its runs.", self._logged(), self.is_report),
            (GPU, "Sampled by wandb while a run trains on a GPU.", self._gpu(), self.is_train),
        ]  # fmt: skip

    def _of_runs(self) -> list[PanelSection]:
        """Return the panels of numbers that a run's summary holds; others are in the report."""
        return panel_sections(self.overview, lambda column: bool(wandb_column(column)))

    def _grid(self, panels: list[Any], job_type: Any) -> Any:
        for place, panel in enumerate(panels):
            row, column = divmod(place, COLUMNS)
            panel.layout = self.reports.Layout(x=column * WIDTH, y=row * HEIGHT, w=WIDTH, h=HEIGHT)
        # A run set that names entity and project asks the server for the project's number.
        runset = self.reports.Runset(name="runs", filters=self.all_of(*self.filters, job_type))
        return self.reports.PanelGrid(runsets=[runset], panels=panels)

    def _panel(self, panel: Panel) -> Any:
        across, up = metric_of(panel.x), metric_of(panel.y)
        if panel.kind == "points":
            return self.reports.ScatterPlot(
                title=panel.title, x=self._metric(panel.x), y=self._metric(panel.y),
                log_x=is_count(panel.x), log_y=is_count(panel.y),
            )  # fmt: skip
        over_seeds: dict[str, Any] = {
            "title": panel.title, "title_y": up.label, "max_runs_to_show": MAX_RUNS,
            "groupby_aggfunc": "mean", "groupby_rangefunc": "minmax",
        }  # fmt: skip
        if panel.kind == "curve":
            return self.reports.LinePlot(
                x=panel.x, y=[panel.y], log_x=True, title_x=across.label,
                groupby=self.reports.Config(SETTING), **over_seeds,
            )  # fmt: skip
        return self.reports.BarPlot(
            metrics=[wandb_column(panel.y).partition(":")[2]], orientation="v",
            groupby=self.reports.Config(panel.x), **over_seeds,
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

    def _gpu(self) -> list[Any]:
        return [
            self.reports.LinePlot(
                title=title, x="RelativeTime(Process)", title_x="seconds", title_y=unit,
                y=[f"system/gpu.{number}.{name}" for number in range(MAX_GPUS)],
                max_runs_to_show=MAX_RUNS,
            )
            for title, unit, name in OF_GPUS
        ]  # fmt: skip


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


def _resolved(column: str) -> str:
    """Return the name in wandb's table of runs: a config key is wrapped once, at its top."""
    section, _, name = wandb_column(column).partition(":")
    if section == "summary":
        return f"summary:{name}"
    top, dot, rest = name.partition(".")
    return f"config:{top}.value{dot}{rest}"


def _renumbered(node: Any, ids: Iterator[int] | None = None) -> Any:
    """Replace random ids of panels and run sets by their places, so that two prints compare."""
    ids = count() if ids is None else ids
    if isinstance(node, list):
        return [_renumbered(each, ids) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"{next(ids):010d}"
        if key == "__id__" or (key == "id" and value)
        else _renumbered(value, ids)
        for key, value in node.items()
    }
