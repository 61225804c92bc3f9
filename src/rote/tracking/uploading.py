"""Send offline logs to a wandb server with `wandb sync`, each once, even after a crash.

Workarounds for `wandb sync` 0.31: it exits with 0 when an upload failed, and marks the log as sent
(so its output is parsed, and our own mark counts); it drops a run's later sessions after a log with
a torn record (so the tail is cut off first); one log without a run stops all others (so it is left
out); sending a log again appends its rows again (so that is avoided).
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from rote.io.read import read_json
from rote.io.shapes import keyed, text
from rote.io.write import sha256_of_file, write_bytes, write_json
from rote.tracking.offline import logs, run_id_of, whole_bytes
from rote.tracking.session import LOGIN, is_no_login, require_server

BATCH = 50  # runs per process: starting one takes a second
ERROR = re.compile(r"wandb: ERROR|\w*Error:")  # wandb's own errors, and those of a crash
SEND_AGAIN = "move it away if the log beside it was not sent"
SENT, PENDING, FAILED, RUNNING, EMPTY = "sent", "pending", "failed", "running", "empty"


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One offline log and its state."""

    path: Path
    run_id: str  # empty if the log lacks one
    state: str
    error: str = ""

    @property
    def mark(self) -> Path:
        """The file written after sending; it holds the digest of what was sent."""
        return self.path.with_name("sent.json")


def offline_logs(folder: Path, *, is_running: bool) -> list[Upload]:
    """Return the offline logs in ``folder``/wandb, oldest first.

    Nothing is pending while a process writes. All logs of a run from the first unsent one on are
    pending, because the last session must be sent last.
    """
    found = [path for path in logs(folder) if path.parent.name.startswith("offline-")]
    uploads: list[Upload] = []
    for path in found:
        run_id = run_id_of(path)
        state = EMPTY if not run_id else RUNNING if is_running else PENDING
        upload = Upload(path=path, run_id=run_id, state=state)
        behind = any(one.state == PENDING for one in uploads)
        if run_id and not behind and _was_sent(upload):
            upload = replace(upload, state=SENT)
        uploads.append(upload)
    return uploads


def send(pending: Sequence[Upload], *, jobs: int) -> Iterator[Upload]:
    """Send pending logs, ``jobs`` runs at a time; yield each log with its new state.

    Raises ValueError without a login, or without a server.
    """
    if not pending:
        return
    require_server()
    by_run: dict[str, list[Upload]] = {}
    for upload in pending:
        by_run.setdefault(upload.run_id, []).append(upload)
    runs = iter(by_run.values())
    while batch := list(islice(runs, BATCH)):
        yield from _send_batch([upload for own in batch for upload in own], jobs)


def failed_runs(uploads: Sequence[Upload], errors: Sequence[str]) -> Mapping[str, str]:
    """Return the error of each run that failed.

    An error that names no run, such as a crash, applies to runs that wandb did not mark as sent; if
    it marked all of them, to all.
    """
    run_ids = {upload.run_id for upload in uploads}
    unmarked = {upload.run_id for upload in uploads if not _wandbs_mark(upload).exists()}
    failed = dict.fromkeys(unmarked, "wandb did not mark it as sent")
    for error in errors:
        named = [run_id for run_id in run_ids if run_id in error]
        failed |= dict.fromkeys(named or unmarked or run_ids, error)
    return failed


def _send_batch(uploads: Sequence[Upload], jobs: int) -> list[Upload]:
    for upload in uploads:
        _cut_torn_tail(upload.path)
        _wandbs_mark(upload).unlink(missing_ok=True)
    errors = _wandb_sync([upload.path for upload in uploads], jobs)
    failed = failed_runs(uploads, errors)
    return [_settled(upload, failed.get(upload.run_id, "")) for upload in uploads]


def _wandb_sync(paths: Iterable[Path], jobs: int) -> list[str]:
    """Run `wandb sync` and return its errors."""
    command = [sys.executable, "-P", "-m", "wandb", "sync", "--no-skip-synced", "-n", str(jobs)]
    with tempfile.TemporaryDirectory() as logs_of_its_own:
        done = subprocess.run(
            [*command, *(str(path.absolute()) for path in paths)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,  # else it would ask for a key
            cwd=logs_of_its_own,
            env={**os.environ, "WANDB_SILENT": "false", "WANDB_DIR": logs_of_its_own},
        )
    if is_no_login(done.stderr):
        raise ValueError(LOGIN)
    lines = (done.stdout + done.stderr).splitlines()
    errors = [" ".join(line.split()) for line in lines if ERROR.match(line)]
    if done.returncode and not errors:
        errors = [f"wandb sync ended with {done.returncode}"]
    return errors


def _settled(upload: Upload, error: str) -> Upload:
    if error:
        _wandbs_mark(upload).unlink(missing_ok=True)
        return replace(upload, state=FAILED, error=error)
    sha256 = sha256_of_file(upload.path)
    write_json(upload.mark, {"sha256": sha256, "time_unix_seconds": time.time()})
    return replace(upload, state=SENT)


def _was_sent(upload: Upload) -> bool:
    """Return whether this log was sent; raises Damaged if the mark is unreadable."""
    try:
        sent = read_json(upload.mark, keyed({"sha256": text}), SEND_AGAIN)
    except FileNotFoundError:
        return False
    return bool(sent["sha256"] == sha256_of_file(upload.path))


def _wandbs_mark(upload: Upload) -> Path:
    return upload.path.with_name(f"{upload.path.name}.synced")


def _cut_torn_tail(path: Path) -> None:
    """Cut a torn record off; the complete ones before it stay, byte for byte."""
    if (whole := whole_bytes(path)) < path.stat().st_size:
        write_bytes(path, path.read_bytes()[:whole])
