"""Read runs back from wandb, equal to those on disk: from offline logs, or from a server.

Curves are read in full: from the transaction log, or through scan_history. wandb's history()
returns a sample of 500 rows and is never used.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rote.analysis.overviews import STEP
from rote.analysis.results import FinishedRun
from rote.core.progress import Progress, no_progress, with_progress
from rote.tracking.curves import Row, merged
from rote.tracking.mirror import TRAIN, finished_of
from rote.tracking.offline import Log, read_log
from rote.tracking.session import asking, require_server

ONLINE, OFFLINE = "wandb:", "wandb-offline:"
SOURCES = f"{ONLINE}ENTITY/PROJECT or {OFFLINE}FOLDER"
ROWS_A_PAGE = 1000  # the most per page of wandb's own scan


def read_back(
    source: str, group: str, run_ids: Sequence[str] | None, progress: Progress = no_progress
) -> list[FinishedRun]:
    """Return finished runs: these ids in this order, or without ids a group's, oldest first.

    Raises ValueError for a source that does not exist, and DamagedRecord.
    """
    if source.startswith(ONLINE):
        found = _from_server(source.removeprefix(ONLINE), group, run_ids, progress)
    elif source.startswith(OFFLINE):
        found = _from_logs(Path(source.removeprefix(OFFLINE)), group, run_ids, progress)
    else:
        raise ValueError(f"--from must be {SOURCES}, got {source!r}")
    by_id = {run.record.run_id: run for run in found}
    return [by_id[run_id] for run_id in (run_ids or by_id) if run_id in by_id]


def _from_logs(
    folder: Path, group: str, run_ids: Sequence[str] | None, progress: Progress
) -> Iterator[FinishedRun]:
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    lives: dict[str, list[Log]] = {}
    # The pattern skips latest-run, wandb's link to one of them: its name ends after -run.
    paths = list(folder.glob("**/*run-*/*.wandb"))
    for log in map(read_log, with_progress(paths, "reading logs", progress)):
        wanted = log.run_id in run_ids if run_ids is not None else log.group == group
        if wanted and log.job_type == TRAIN:
            lives.setdefault(log.run_id, []).append(log)
    first = {run_id: min(log.started_unix_seconds for log in own) for run_id, own in lives.items()}
    for run_id in sorted(lives, key=lambda run_id: first[run_id]):
        own = sorted(lives[run_id], key=lambda log: log.started_unix_seconds)
        summary = {name: value for log in own for name, value in log.summary.items()}
        if finished := finished_of(summary):
            rows = (row for log in own for row in log.rows)
            yield finished._replace(curve=merged(rows))


def _from_server(
    path: str, group: str, run_ids: Sequence[str] | None, progress: Progress
) -> Iterator[FinishedRun]:
    if path.count("/") != 1:
        raise ValueError(f"--from must be {SOURCES}, got {ONLINE + path!r}")
    filters: dict[str, Any] = {"jobType": TRAIN}
    filters |= {"group": group} if run_ids is None else {"name": {"$in": list(run_ids)}}
    with asking(f"cannot read {ONLINE}{path}"):
        import wandb  # takes seconds; reading logs does not need it

        require_server()
        runs = wandb.Api().runs(path, filters=filters, order="+created_at", lazy=False)
        for run in with_progress(runs, f"reading {ONLINE}{path}", progress):
            if finished := finished_of(run.summary):
                yield finished._replace(curve=_scanned(run, finished.record.what))


def _scanned(run: Any, what: Mapping[str, Any]) -> list[Row]:
    """Scan the curve; a page is a range of steps, and only steps that end a stride have rows."""
    page_size = ROWS_A_PAGE * what["budget"]["check_every_steps"]
    rows = run.scan_history(page_size=page_size, use_cache=False)
    return merged(row for row in rows if STEP in row)
