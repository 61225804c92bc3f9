"""What has been sent to a host for a sweep: jobs.json in the sweep's folder, never shortened."""

import dataclasses
import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rote.files import write_text
from rote.provenance import commit

VERSION = 1
UID = r"[0-9a-f]{12}"
SENDING = "sending"  # asked for, the answer is not noted: whoever reads this later has to ask
SENT = "sent"
WITHDRAWN = "withdrawn"  # refused or taken back: nothing of it runs


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Jobs that were asked for in one request."""

    uid: str  # in the comment of a SLURM job, and the name of its folder of logs
    host: str  # slurm, or the name of the machine whose processes they are
    job_name: str
    state: str
    commit: str | None  # of the code that sent it
    time_unix_seconds: float
    jobs: Mapping[str, tuple[str, ...]]  # job id -> ids of the runs it works on
    digests: Mapping[str, str] = field(default_factory=dict)  # job id -> SHA-256 of its pickle


@dataclass(frozen=True)
class Journal:
    """The history of one sweep's submissions, on disk."""

    folder: Path  # of the sweep

    @property
    def path(self) -> Path:
        """Replaced whole at each change."""
        return self.folder / "jobs.json"

    def jobs_folder(self, uid: str) -> Path:
        """Logs, pickles and the mark of a cancelled submission.

        Raises ValueError for a uid that is not one of ours: it might lead out of the folder.
        """
        if not re.fullmatch(UID, uid):
            raise ValueError(f"{self.path} is damaged: {uid!r} is no submission; move it away")
        return self.folder / "jobs" / uid

    def submissions(self) -> list[Submission]:
        """Oldest first; raises ValueError for a file that is no journal."""
        try:
            content = json.loads(self.path.read_text())
            return [_submission(row) for row in content["submissions"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path} is damaged ({error}): move it away") from error

    def begin(self, *, host: str, job_name: str) -> Submission:
        """Note the intention before the request, so that a lost answer can be looked for."""
        submission = Submission(
            uid=secrets.token_hex(6),
            host=host,
            job_name=job_name,
            state=SENDING,
            commit=commit(),
            time_unix_seconds=time.time(),
            jobs={},
        )
        self._write([*self.submissions(), submission])
        return submission

    def sent(
        self,
        submission: Submission,
        jobs: Mapping[str, Iterable[str]],
        digests: Mapping[str, str],
    ) -> Submission:
        """The request was granted; a job starts once its digest stands here (`sealed`)."""
        held = {job: tuple(run_ids) for job, run_ids in jobs.items()}
        granted = dataclasses.replace(submission, state=SENT, jobs=held, digests=dict(digests))
        return self._replace(granted)

    def withdrawn(self, submission: Submission) -> Submission:
        """Nothing of it runs or will run."""
        return self._replace(dataclasses.replace(submission, state=WITHDRAWN))

    def _replace(self, submission: Submission) -> Submission:
        rows = self.submissions()
        self._write([submission if row.uid == submission.uid else row for row in rows])
        return submission

    def _write(self, rows: list[Submission]) -> None:
        content = {"version": VERSION, "submissions": [dataclasses.asdict(row) for row in rows]}
        write_text(self.path, json.dumps(content, indent=1) + "\n")


def _submission(row: Mapping[str, object]) -> Submission:
    jobs = row["jobs"]
    assert isinstance(jobs, dict)
    held = {job: tuple(run_ids) for job, run_ids in jobs.items()}
    return Submission(**{**row, "jobs": held})  # type: ignore[arg-type]
