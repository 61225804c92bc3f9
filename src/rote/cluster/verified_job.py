"""Verify a job's pickle, then run it: ``python -m rote.cluster.verified_job ... FOLDER``.

Anybody who can change a pickle decides what the job runs. So the launcher records the digest of
each pickle in the sweep's journal, and a job compares it before it unpickles. The command line is
that of submitit's own entry point; its other arguments are ignored.
"""

import os
import pickle
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import submitit

from rote.cluster.journal import SENT, Journal
from rote.io.write import sha256, sha256_of_file

# The start of submitit's command line. -P: no module is imported from the current folder.
START = f"{shlex.quote(sys.executable)} -P -u -m rote.cluster.verified_job"
PICKLE = "_submitted.pkl"  # after the job's id, as submitit names it
PATIENCE_SECONDS = 60.0  # a job may start before its launcher has recorded it
PAUSE_SECONDS = 0.5


@contextmanager
def private(folder: Path) -> Iterator[None]:
    """Deny others access to ``folder`` while its pickles are written and digested."""
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield
    finally:
        if folder.exists():
            folder.chmod(folder.parent.stat().st_mode & 0o777)


def record_digest(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each job's pickle by job id; from now on only the owner may write."""
    digests = {}
    for path in folder.glob(f"*{PICKLE}"):
        path.chmod(0o600)
        digests[path.name.removesuffix(PICKLE)] = sha256_of_file(path)
    return digests


def content_of(path: Path, job_id: str, journal: Journal, uid: str) -> bytes:
    """Return a job's pickle as it was sent; raises ValueError if it was changed or never sent."""
    wanted = _digest_of(job_id, journal, uid)
    if wanted is None:
        raise ValueError(f"{journal.path} does not say that job {job_id} was sent: nothing is run")
    content = path.read_bytes()
    if sha256(content) != wanted:
        raise ValueError(
            f"{path} was changed after it was sent (its digest is not the one in {journal.path}): "
            f"nothing is run; rote resume {journal.folder.name} sends its runs again"
        )
    return content


def main() -> None:
    """Run the job; exit with code 1 if its pickle is not the one that was sent."""
    folder = Path(sys.argv[-1])
    os.environ["SUBMITIT_FOLDER"] = str(folder)
    environment = submitit.JobEnvironment()
    journal, uid = Journal(folder.parents[1]), folder.name
    try:
        path = environment.paths.submitted_pickle
        content = content_of(path, environment.job_id, journal, uid)
    except (ValueError, OSError) as error:
        raise SystemExit(f"rote: {error}") from error
    pickle.loads(content).result()


def _digest_of(job_id: str, journal: Journal, uid: str) -> str | None:
    """Wait for the launcher, which writes the journal once the host has accepted the job."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        own = [one for one in journal.submissions() if one.uid == uid and one.state == SENT]
        if own and job_id in own[0].digests:
            return own[0].digests[job_id]
        if time.monotonic() > deadline:
            return None
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
