"""Lock a run for one process; the operating system drops the lock when the process dies."""

import errno
import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

CONTENTION = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)


class RunIsTaken(RuntimeError):
    """Another process holds this run."""


class ClaimLost(RuntimeError):
    """Files of a run were deleted or replaced while this process trained it."""


class Claim:
    """Ownership of a run within a context; raises RunIsTaken, or ValueError if no lock is possible.

    If somebody deletes the lock file meanwhile, another process may create a new one and own the
    run too: `renew` detects that before anything is written.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        self._locks: list[FileLock] = []
        self._watched: dict[Path, int] = {}  # path -> descriptor, so its inode is not reused

    def __enter__(self) -> Self:
        self._acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for lock in self._locks:
            lock.release()
        while self._watched:
            os.close(self._watched.popitem()[1])

    def watch(self, path: Path) -> None:
        """Make `renew` detect that this file, which the owner writes, was replaced."""
        self._watched[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def renew(self) -> None:
        """Raises ClaimLost if another process owns the run, or has owned it in between."""
        if _inode(self.path) != self._inode:
            try:
                self._acquire()
            except (RunIsTaken, ValueError) as error:
                raise ClaimLost(f"the lock of {self.what} was replaced: {error}") from error
        for path, descriptor in self._watched.items():
            if _inode(path) != os.fstat(descriptor).st_ino:
                raise ClaimLost(
                    f"{path} was deleted or replaced while {self.what} was trained: "
                    "its next process goes on from its checkpoint"
                )

    def _acquire(self) -> None:
        require_lockable(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise RunIsTaken(f"{self.what} is being run by another process") from error
        self._locks.append(lock)
        self._inode = _inode(self.path)


def _inode(path: Path) -> int | None:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return None


def is_held(path: Path) -> bool:
    """Return whether a living process holds this lock; writes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # no file, or one that a process could not hold
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError as error:
        return error.errno in CONTENTION or _is_held_softly(path)
    finally:
        os.close(descriptor)  # this releases the shared lock, too


def _is_held_softly(path: Path) -> bool:
    """Check through filelock, which has another method on file systems without flock."""
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def require_lockable(path: Path) -> None:
    """Raises ValueError with a remedy if no lock can be made; a link is not followed."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is not a regular file, and a lock is needed there: move it away")
