"""Gather the results of a launched sweep for tables, reports, fits and plans."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from rote.analysis.metrics import derive
from rote.analysis.published import measured_alphas, report_of
from rote.analysis.results import FinishedRun, Results, series, table_of
from rote.cluster.plan import Plan, Point, load_plan
from rote.core.forked import mapped
from rote.core.progress import Progress
from rote.core.provenance import code_versions
from rote.io.outputs import outputs_folder
from rote.io.read import require_no_damage
from rote.ledger.archive import sha256_of
from rote.ledger.spec import flatten
from rote.ledger.store import Store
from rote.tasks.text.prepared import open_prepared

# Columns of every report's table besides stored sums; a report derives the columns it needs.
IN_EVERY_REPORT = (
    "name", "train_tokens_per_second", "train_flops_per_second", "mfu",
)  # fmt: skip


class GatheredRuns(NamedTuple):
    """A sweep's plan and results, and the reasons why some of its files were left out."""

    plan: Plan
    results: Results
    damaged: list[str]


def gathered(name: str, progress: Progress, *, capacity_from: str | None = None) -> GatheredRuns:
    """Gather a sweep; ``capacity_from`` replaces the sweep whose capacity the plan scales by.

    Raises ValueError for a sweep that was not launched, or has no sound finished run, and where
    ``capacity_from`` has no report that states a capacity.
    """
    outputs = outputs_folder()
    plan, store = load_plan(outputs, name), Store(outputs)
    reports, scale_by = outputs / "reports", capacity_from or plan.capacity_from
    if capacity_from and not report_of(reports, capacity_from).exists():
        raise ValueError(f"--capacity-from: {capacity_from!r} has no report: rote report it first")
    runs, damaged = sound_runs(plan, store, progress)
    alphas = measured_alphas(reports, scale_by, damaged) if scale_by else {}
    if capacity_from and not alphas:
        raise ValueError(f"--capacity-from: the report of {capacity_from!r} states no capacity")
    folders = {run.record.run_id: store.run(run.record.run_id) for run in runs}
    results = Results(
        table=derive(table_of(runs), IN_EVERY_REPORT),
        curves={run.record.run_id: run.curve for run in runs},
        records_sha256={name: sha256_of(folder.record_path) for name, folder in folders.items()},
        folders=folders,
        alphas=alphas,
        open_corpus=open_prepared,
        progress=progress,
        commits=sorted({run.circumstances.get("commit") or "" for run in runs} - {""}),
        code_versions=code_versions(run.circumstances for run in runs),
        trained_until=max(_day(run.circumstances) for run in runs),
    )
    return GatheredRuns(plan, results, damaged)


def _day(circumstances: Mapping[str, Any]) -> str:
    began = circumstances.get("started_unix_seconds")
    return datetime.fromtimestamp(began, UTC).date().isoformat() if began else ""


def sound_runs(
    plan: Plan, store: Store, progress: Progress, *, with_curves: bool = True
) -> tuple[list[FinishedRun], list[str]]:
    """Return the finished runs that can be used, and why others cannot.

    Raises ValueError if none can be used.
    """
    read = partial(_read, store, with_curves=with_curves)
    found = [*mapped(read, plan.points, "reading runs", progress)]
    damaged = [why for why in found if isinstance(why, str)]
    runs = [
        run._replace(record=replace(run.record, what=run.record.what or point.spec.what))
        for point, run in zip(plan.points, found, strict=True)
        if isinstance(run, FinishedRun)
    ]
    if not runs:
        require_no_damage(damaged)
        raise ValueError(f"no run of {plan.name!r} is done: rote sweep {plan.name}")
    return runs, damaged


def _read(store: Store, point: Point, *, with_curves: bool) -> FinishedRun | str | None:
    """Return a finished run or why it cannot be used; None if it is not done.

    Settings equal to the plan's are left out: the points of a plan share them.
    """
    folder = store.run(point.run_id)
    if not folder.is_done():
        return None
    try:
        folder.require_undamaged()
        record = folder.record()
        if record.what == point.spec.what:
            record = replace(record, what={})
        curve = folder.curve() if with_curves else []
        return FinishedRun(record, folder.circumstances(), curve)
    except ValueError as error:
        return str(error)


@contextmanager
def needs_columns(name: str) -> Iterator[None]:
    """Raises ValueError where the runs of a sweep lack a column that a report or fit needs."""
    try:
        yield
    except pl.exceptions.ColumnNotFoundError as error:
        lacking = str(error).partition(";")[0].partition("\n")[0]
        raise ValueError(
            f"the runs of {name!r} do not hold what this is made of: {lacking}"
        ) from error


def collected(runs: Sequence[FinishedRun], plan: Plan | None) -> pl.DataFrame:
    """Return a row a run: settings, stored sums, columns derived from them, and the plan's axes.

    An axis that is no column yet (``ratio``) becomes one; one that chooses files holds their names.
    If a column of another meaning has its name (``model``, a model's shape), it is ``axis.model``.
    Plans of earlier versions hold no axes.
    """
    table = derive(table_of(runs))
    points = plan.points if plan is not None else ()
    axes = {point.run_id: point.axes for point in points}
    settings = {key for point in points for key in flatten(point.spec.what)}
    names = dict.fromkeys(name for each in axes.values() for name in each if name not in settings)
    rows = [axes.get(run_id, {}) for run_id in table["run_id"]]
    return table.with_columns(
        _axis(f"axis.{name}" if name in table.columns else name, [row.get(name) for row in rows])
        for name in names
    )


def _axis(name: str, values: Sequence[Any]) -> pl.Series:
    """Return a column; if some values are words (``auto``), all become words."""
    is_text = any(isinstance(value, str) for value in values)
    return series(name, [str(v) if is_text and v is not None else v for v in values])
