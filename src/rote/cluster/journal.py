"""Record what was sent to a host for a sweep, in the sweep's jobs.json; rows are never removed."""

import dataclasses
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rote.core.provenance import commit
from rote.io.read import Damaged, read_json
from rote.io.shapes import keyed, listed, mapped, matching, number, optional, text
from rote.io.write import write_json

VERSION = 1
UID = r"[0-9a-f]{12}"
SENDING = "sending"  # requested, the answer is not recorded: a later reader has to ask the host
SENT = "sent"
WITHDRAWN = "withdrawn"  # refused or cancelled: no job of it runs
JOB_ID = re.compile(r"[1-9]\d{0,18}(_\d{1,18})?")  # a SLURM job, or a process
MOVE_AWAY = "once none of its jobs runs any more, move it away"
SHAPE = keyed(
    {
        "submissions": listed(
            keyed(
                {
                    "uid": matching(UID, "12 hex digits"),
                    "host": text,
                    "job_name": text,
                    "state": matching(f"{SENDING}|{SENT}|{WITHDRAWN}", "a state of a request"),
                    "commit": optional(text),
                    "time_unix_seconds": number,
                    "jobs": mapped(listed(text)),
                },
                {"digests": mapped(text)},
            )
        )
    }
)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Jobs that were sent in one request."""

    uid: str  # in the comment of a SLURM job, and the name of its log folder
    host: str  # slurm, or the name of the machine that runs the processes
    job_name: str
    state: str
    commit: str | None  # of the code that sent it
    time_unix_seconds: float
    jobs: Mapping[str, tuple[str, ...]]  # job id -> ids of its runs
    folder: Path  # of its logs; derived from the journal's place, not written
    digests: Mapping[str, str] = field(default_factory=dict)  # job id -> SHA-256 of its pickle


@dataclass(frozen=True)
class Journal:
    """The history of one sweep's submissions, on disk."""

    folder: Path  # of the sweep

    @property
    def path(self) -> Path:
        """Return the path of jobs.json, which each change replaces whole."""
        return self.folder / "jobs.json"

    def jobs_folder(self, uid: str) -> Path:
        """Return the folder of a submission's files; raises ValueError for a uid of other form."""
        if not re.fullmatch(UID, uid):
            raise ValueError(f"{self.path} is damaged: {uid!r} is no submission; move it away")
        return self.folder / "jobs" / uid

    def submissions(self) -> list[Submission]:
        """Return all submissions, oldest first; raises Damaged for a file that is not a journal."""
        try:
            content = read_json(self.path, SHAPE, MOVE_AWAY)
        except FileNotFoundError:
            return []
        for row in content["submissions"]:
            if wrong := [job for job in row["jobs"] if not JOB_ID.fullmatch(job)]:
                raise Damaged(self.path, f"{wrong[0]!r} is not the id of a job", MOVE_AWAY)
        return [self._submission(row) for row in content["submissions"]]

    def begin(self, *, host: str, job_name: str) -> Submission:
        """Record the intention before the request, so that a lost answer can be found later."""
        uid = secrets.token_hex(6)
        submission = Submission(
            uid=uid,
            host=host,
            job_name=job_name,
            state=SENDING,
            commit=commit(),
            time_unix_seconds=time.time(),
            jobs={},
            folder=self.jobs_folder(uid),
        )
        self._write([*self.submissions(), submission])
        return submission

    def sent(
        self,
        submission: Submission,
        jobs: Mapping[str, Iterable[str]],
        digests: Mapping[str, str],
    ) -> Submission:
        """Record that the host accepted; a job starts once its digest is here (`verified_job`)."""
        held = {job: tuple(run_ids) for job, run_ids in jobs.items()}
        granted = dataclasses.replace(submission, state=SENT, jobs=held, digests=dict(digests))
        return self._replace(granted)

    def withdrawn(self, submission: Submission) -> Submission:
        """Record that no job of the submission runs or will run."""
        return self._replace(dataclasses.replace(submission, state=WITHDRAWN))

    def _replace(self, submission: Submission) -> Submission:
        """Replace the submission's row, or append it if the file was deleted meanwhile."""
        rows = {row.uid: row for row in self.submissions()}
        self._write([*(rows | {submission.uid: submission}).values()])
        return submission

    def _write(self, rows: list[Submission]) -> None:
        plain = [dataclasses.asdict(row) for row in rows]
        for each in plain:
            del each["folder"]
        write_json(self.path, {"version": VERSION, "submissions": plain})

    def _submission(self, row: Mapping[str, Any]) -> Submission:
        names = [field.name for field in dataclasses.fields(Submission)]
        known = {key: value for key, value in row.items() if key in names}
        jobs = {job: tuple(run_ids) for job, run_ids in row["jobs"].items()}
        return Submission(**{**known, "jobs": jobs, "folder": self.jobs_folder(row["uid"])})
