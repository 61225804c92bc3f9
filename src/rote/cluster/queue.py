"""Talk to SLURM's controller: one batched query of the queue, requeue, and cancel."""

import getpass
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FIELDS = ("ArrayJobID", "ArrayTaskID", "State", "RestartCnt", "Reason", "Comment")
ENDED = frozenset(
    (
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
        "PREEMPTED", "TIMEOUT",
    )
)  # fmt: skip
COMMENT = "rote submission="  # before its uid: by it the jobs of a submission are found again
# "launch failed requeued held", "JobHeldUser", "JobHoldMaxRequeue": none of these ends by itself.
HELD = re.compile("held|hold", re.IGNORECASE)


class QueueUnknown(RuntimeError):
    """The controller does not answer, so the state of every job is unknown."""


@dataclass(frozen=True, kw_only=True)
class QueuedJob:
    """One job, or one task of an array, in the controller's view."""

    job_id: str  # as submitit writes it: 97_3, or 97 without an array
    uid: str  # of the submission, from the comment
    state: str
    restarts: int
    reason: str

    @property
    def is_live(self) -> bool:
        """Return whether it runs or may still run."""
        return self.state not in ENDED


def is_held(state: str, reason: str) -> bool:
    """Return whether a job waits until somebody releases it."""
    return "HOLD" in state or (state == "PENDING" and HELD.search(reason) is not None)


def queued(names: Iterable[str], *, timeout_seconds: float) -> list[QueuedJob]:
    """Query jobs of these names at once, also those that ended lately; raises QueueUnknown."""
    wanted = sorted(set(names))
    if not wanted:
        return []
    # -r: one line per task. SLURM 22.05 ignores filters with --json, and it cannot filter by
    # comment.
    form = ",".join(f"{field}:|" for field in FIELDS[:-1]) + f",{FIELDS[-1]}:"
    text = _ask(
        ["squeue", "-h", "-r", "-t", "all", f"--user={getpass.getuser()}",
         f"--name={','.join(wanted)}", "-O", form],
        timeout_seconds,
    )  # fmt: skip
    return [_read(line) for line in text.splitlines() if COMMENT in line]


def state_of(job_id: str, *, timeout_seconds: float) -> str | None:
    """Return the state of one job; None if the controller does not know it or does not answer."""
    try:
        text = _ask(["squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T"], timeout_seconds)
    except QueueUnknown:
        return None
    return text.strip() or None


def requeue(job_id: str) -> bool:
    """Put a running job back into the queue under the same id; return whether SLURM accepted."""
    done = subprocess.run(["scontrol", "requeue", job_id], capture_output=True)
    return done.returncode == 0


def cancel(job_ids: Sequence[str]) -> None:
    """End waiting or running jobs; raises QueueUnknown."""
    if job_ids:
        _ask(["scancel", *job_ids], timeout_seconds=60.0)


def max_array_size(*, timeout_seconds: float) -> int:
    """Return how many tasks an array may have (largest index + 1); raises QueueUnknown."""
    for line in _ask(["scontrol", "show", "config"], timeout_seconds).splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "MaxArraySize":
            return int(value)
    raise QueueUnknown("the controller does not report MaxArraySize")


def _ask(command: list[str], timeout_seconds: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds)
    except FileNotFoundError as error:
        raise QueueUnknown(f"{command[0]} is not on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise QueueUnknown(f"{command[0]} got no answer in {timeout_seconds:.0f} s") from error
    if done.returncode:
        raise QueueUnknown(" ".join(done.stderr.split()) or f"{command[0]} failed")
    return done.stdout


def _read(line: str) -> QueuedJob:
    job, task, state, restarts, reason, comment = line.split("|", len(FIELDS) - 1)
    return QueuedJob(
        job_id=f"{job}_{task}" if task.isdigit() else job,
        uid=comment.strip().partition(COMMENT)[2],
        state=state,
        restarts=int(restarts),
        reason=reason,
    )
