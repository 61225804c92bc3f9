"""worker.json in a run's folder: who took it up last, from which step, and how that life ended."""

import os
import time
from pathlib import Path
from typing import Any

from rote.cluster.preemption import own_job_id
from rote.files import read_object, write_json
from rote.ledger.store import RunFolder


def note_life(run: RunFolder, folder: Path) -> None:
    """Whose log, in the submission's ``folder``, tells of this run, and where progress began."""
    job = own_job_id() or os.environ["SUBMITIT_LOCAL_JOB_ID"]
    row = run.last_row() or {}
    life = {
        "log": str(folder / f"{job}_0_log.err"),
        "step": int(row.get("step", 0)),
        "time_unix_seconds": time.time(),
        "restarts": int(os.environ.get("SLURM_RESTART_COUNT", 0)),
    }
    write_json(_path(run), life)


def note_death(run: RunFolder, reason: str) -> None:
    """The process was killed: it could not say anything itself."""
    write_json(_path(run), {**(last_life(run) or {}), "death": reason})


def last_life(run: RunFolder) -> dict[str, Any] | None:
    """What the last worker noted; None where there has been none."""
    try:
        return read_object(_path(run))
    except FileNotFoundError:
        return None


def _path(run: RunFolder) -> Path:
    return run.path / "worker.json"
