"""worker.json in a run's folder: who took it up last, from which step, and how that life ended."""

import os
import time
from pathlib import Path
from typing import Any

from rote.cluster.preemption import own_job_id
from rote.io.read import Damaged, read_json
from rote.io.shapes import keyed, number, text, whole
from rote.io.write import write_json
from rote.ledger.store import RunFolder

SHAPE = keyed(
    {"log": text, "step": whole, "time_unix_seconds": number, "restarts": whole}, {"death": text}
)
REWRITTEN = "the run's next process writes it anew: rote resume"


def record_attempt(run: RunFolder, folder: Path) -> None:
    """Whose log, in the submission's ``folder``, tells of this run, and where progress began."""
    job = own_job_id() or os.environ["SUBMITIT_LOCAL_JOB_ID"]
    try:
        row = run.last_row() or {}
    except Damaged:  # the curve is written anew from the checkpoint in a moment
        row = {}
    _write(run, log=str(folder / f"{job}_0_log.err"), step=row.get("step", 0))


def record_kill(run: RunFolder, reason: str) -> None:
    """The process was killed: it could not say anything itself."""
    try:
        life = last_attempt(run)
    except Damaged:
        life = None
    _write(run, **{"log": "", "step": 0, **(life or {}), "death": reason})


def last_attempt(run: RunFolder) -> dict[str, Any] | None:
    """What the last worker noted; None where there has been none; raises Damaged."""
    try:
        return dict(read_json(_path(run), SHAPE, REWRITTEN))
    except FileNotFoundError:
        return None


def _write(run: RunFolder, **life: Any) -> None:
    now = {
        "time_unix_seconds": time.time(),
        "restarts": int(os.environ.get("SLURM_RESTART_COUNT", 0)),
    }
    write_json(_path(run), {**now, **life})


def _path(run: RunFolder) -> Path:
    return run.path / "worker.json"
