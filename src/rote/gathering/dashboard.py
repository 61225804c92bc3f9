"""Draw the runs of a sweep as one HTML file, with the panels of its dashboard in wandb."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.metrics import metric_of
from rote.analysis.overviews import SETTING, Panel, is_count, overview_of, panel_sections
from rote.analysis.runs_table import CONVERGED
from rote.cluster.plan import load_plan
from rote.config.names import setting_id
from rote.core.arrays import Floats
from rote.core.progress import Progress, no_progress
from rote.gathering.sweep_results import UNSET, SweepResults
from rote.io.outputs import outputs_folder
from rote.ledger.spec import flatten
from rote.site import html
from rote.site.catalogue import short
from rote.site.detail import POINTS_OF_A_CURVE
from rote.tracking.curves import Row, with_derived


def dashboard_page(name: str, kind: str | None = None, progress: Progress = no_progress) -> bytes:
    """Return a page that loads nothing: the panels of ``kind``, by default of the sweep's own.

    Bars and curves are means over the seeds of a setting, with their least and most: an interval of
    the mean of two or three seeds would be many times as wide, and hide the curves. Panels for
    which no run has numbers are left out. Raises ValueError for a sweep that was not launched, has
    no finished run, or has damaged ones.
    """
    results = SweepResults(name, progress)
    plan = load_plan(outputs_folder(), name)
    named = {point.run_id: setting_id(flatten(point.spec.what)) for point in plan.points}
    runs = results.runs.with_columns(pl.col("run_id").replace_strict(named).alias(SETTING))
    drawing = Drawing(runs, results.curves)
    sections = [
        {"title": each.title, "text": each.text, "panels": drawn}
        for each in panel_sections(overview_of(kind or plan.report), drawing.has_numbers)
        if (drawn := [made for panel in each.panels if (made := drawing.panel(panel))["series"]])
    ]
    counted = f"{runs.height} of {len(plan.points)} runs, {len(drawing.settings)} settings"
    return html.dashboard(
        name, plan.question, counted, {"settings": drawing.settings, "sections": sections}
    )


class Drawing:
    """The series of each panel, JSON-ready; a setting is known by its place in ``settings``."""

    def __init__(self, runs: pl.DataFrame, curves: pl.DataFrame) -> None:
        self.runs = runs
        self.settings: list[str] = runs[SETTING].unique(maintain_order=True).to_list()
        self._rows = _rows_of(runs, curves)

    def has_numbers(self, column: str) -> bool:
        """Return whether a run has a number in this column."""
        held = self.runs[column] if column in self.runs.columns else pl.Series([None])
        return held.dtype.is_numeric() and held.null_count() < len(held)

    def panel(self, panel: Panel) -> dict[str, Any]:
        """Return titles, scales, and series; none where no run has the numbers."""
        make = {"points": self._points, "bars": self._bars, "curve": self._curves}[panel.kind]
        is_curve, series = panel.kind == "curve", make(panel)
        return {
            "kind": panel.kind,
            "title": panel.title,
            "x": metric_of(panel.x).label,
            "y": metric_of(panel.y).label,
            "logX": is_curve or (panel.kind == "points" and is_count(panel.x)),
            "logY": panel.kind == "points" and is_count(panel.y),
            "form": metric_of(panel.y).form,
            "caption": _caption(panel, [each.get("num_runs", 1) for each in series]),
            "series": series,
        }

    def _points(self, panel: Panel) -> list[dict[str, Any]]:
        """Return the runs of each setting, as they are."""
        is_open = ~self.runs[CONVERGED] if CONVERGED in self.runs.columns else pl.lit(False)
        held = self.runs.with_columns(is_open.alias("is_open")).drop_nulls([panel.x, panel.y])
        return [
            {
                "setting": self.settings.index(setting),
                "x": short(part[panel.x]),
                "y": short(part[panel.y]),
                "open": part["is_open"].to_list(),
                "ids": part["run_id"].to_list(),
            }
            for (setting,), part in held.group_by([SETTING], maintain_order=True)
        ]

    def _bars(self, panel: Panel) -> list[dict[str, Any]]:
        """Return mean, least and most for each value of a setting."""
        if panel.x not in self.runs.columns or not self.has_numbers(panel.y):
            return []
        held = self.runs.drop_nulls(panel.y)
        if panel.x != SETTING:
            held = held.sort(panel.x, nulls_last=True)
        return [
            {
                "label": _label(panel.x, value),
                "setting": self.settings.index(value) if panel.x == SETTING else None,
                "num_runs": part.height,
                **_spread(part[panel.y].cast(pl.Float64).to_numpy()[:, None]),
            }
            for (value,), part in held.group_by([panel.x], maintain_order=True)
        ]

    def _curves(self, panel: Panel) -> list[dict[str, Any]]:
        """Return mean, least and most over training, as far as every seed of a setting got."""
        made = []
        for place, setting in enumerate(self.settings):
            chosen = self.runs.filter(pl.col(SETTING) == setting)["run_id"]
            lines = [_line(self._rows[run_id], panel) for run_id in chosen]
            if grid := _common([x for x, _ in lines]):
                values = np.stack([np.interp(grid, x, y) for x, y in lines])
                spread = _spread(values)
                made.append({"setting": place, "num_runs": len(lines), "x": short(grid), **spread})
        return made


def _rows_of(runs: pl.DataFrame, curves: pl.DataFrame) -> dict[str, list[Row]]:
    """Return the rows of each curve with the columns that wandb has besides, by run id."""
    found: dict[str, list[Row]] = {run_id: [] for run_id in runs["run_id"]}
    per_run = {row["run_id"]: row for row in runs.to_dicts()}
    for row in curves.iter_rows(named=True):
        run = per_run[row.pop("run_id")]
        held = {name: value for name, value in row.items() if value is not None}
        found[run["run_id"]].append(
            with_derived(held, parameters=run["parameters"], epoch_tokens=run["cost.train_tokens"])
        )
    return found


def _line(rows: Sequence[Mapping[str, float]], panel: Panel) -> tuple[Floats, Floats]:
    held = [row for row in rows if panel.x in row and panel.y in row]
    return np.array([row[panel.x] for row in held]), np.array([row[panel.y] for row in held])


def _common(places: Sequence[Floats]) -> list[float]:
    """Return about 200 places that lie within all curves, with the first and the last."""
    if not all(map(len, places)):
        return []
    low, high = max(each[0] for each in places), min(each[-1] for each in places)
    within = np.unique(np.concatenate([each[(each >= low) & (each <= high)] for each in places]))
    every = np.linspace(0, len(within) - 1, min(len(within), POINTS_OF_A_CURVE)).round()
    return [float(place) for place in within[every.astype(int)]]


def _caption(panel: Panel, num_runs: Sequence[int]) -> str:
    """Return how many runs a mean is of and what is drawn around it; empty without means."""
    fewest, most = min(num_runs, default=1), max(num_runs, default=1)
    if most == 1:
        return ""
    is_curve = panel.kind == "curve"
    counted = f"{fewest:,} to {most:,}" if fewest < most else f"{most:,}"
    runs = "seeds" if is_curve or panel.x == SETTING else "runs"
    drawn = "the band reaches" if is_curve else "whiskers reach"
    return f"Mean of {counted} {runs}; {drawn} from the least to the greatest."


def _spread(values_RP: Floats) -> dict[str, list[Any]]:
    """Return mean, least and most over runs [R], at each place [P]."""
    return {
        name: short(map(float, of(values_RP, axis=0)))
        for name, of in (("mean", np.mean), ("least", np.min), ("most", np.max))
    }


def _label(column: str, value: Any) -> str:
    if value is None:
        return UNSET
    return str(value).rpartition(".")[2] if column.endswith("_target_") else str(value)
