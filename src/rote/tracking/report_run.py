"""Log a sweep's report as one wandb run: table, figures, page, headline numbers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import wandb

from rote.io.write import canonical_json, sha256
from rote.ledger.spec import ID_DIGITS
from rote.tracking import session
from rote.tracking.mirror import REPORT
from rote.tracking.offline import logs, read_log
from rote.tracking.session import Account, asking
from rote.tracking.workspaces import FIGURES, PAGE, RUN_TABLE


def report_run_id(sweep: str, records_sha256: Mapping[str, str]) -> str:
    """Derive the id from the sweep's name and records: equal reports have one run."""
    text = canonical_json({"sweep": sweep, "records_sha256": dict(records_sha256)})
    return sha256(text.encode())[:ID_DIGITS]


def log_report(folder: Path, account: Account) -> str:
    """Log the report in ``folder``; return the id of its run.

    A report that was logged completely before is not logged again.
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    run_id = report_run_id(manifest["name"], manifest["records_sha256"])
    if any(log.run_id == run_id and log.exit_code == 0 for log in map(read_log, logs(folder))):
        return run_id
    with asking("cannot log the report in wandb"):
        run = session.begin(
            folder,
            run_id=run_id,
            mode=account.mode,
            name=f"report {manifest['name']}",
            project=account.project,
            entity=account.entity,
            group=manifest["name"],
            job_type=REPORT,
            notes=manifest["question"],
            config={"runs": len(manifest["records_sha256"])},
        )
        try:
            run.log(_media(folder), step=0, commit=True)
            numbers = manifest["numbers"].items()
            run.summary.update({name: _plain(number) for name, number in numbers})
        except BaseException:
            session.end(run, exit_code=1)
            raise
        session.end(run)
    return run_id


def _media(folder: Path) -> dict[str, Any]:
    table = pl.read_parquet(folder / "table.parquet")
    figures = {
        f"{FIGURES}/{path.stem}": wandb.Image(str(path)) for path in sorted(folder.glob("*.png"))
    }
    return {
        RUN_TABLE: wandb.Table(columns=[*table.columns], data=[[*row] for row in table.rows()]),
        PAGE: wandb.Html((folder / "report.html").read_text(), inject=False),
        **figures,
    }


def _plain(number: Any) -> Any:
    """Drop the list of runs from a number of the manifest; a pair becomes low and high."""
    if not isinstance(number, Mapping):
        return number
    plain: dict[str, Any] = {}
    for key, value in number.items():
        if not isinstance(value, list | tuple):
            plain[key] = _plain(value)
        elif len(value) == 2 and all(isinstance(end, int | float) for end in value):
            plain |= {f"{key}_low": value[0], f"{key}_high": value[1]}
    return plain
