"""Pack the folders of finished runs into shards, and restore them; `rote archive`.

A folder is removed only after its shard was read back and found equal. The record is removed first
and restored last, so that a run is done at every moment, whichever step a crash interrupts.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile, ZipInfo

from rote.core.progress import Progress, with_progress
from rote.io.outputs import below
from rote.io.read import require_inside
from rote.io.write import write_bytes, write_with
from rote.ledger import archive, seal
from rote.ledger.archive import FOLDER, INDEX, index_of
from rote.ledger.claim import Claim, RunIsTaken
from rote.ledger.store import RunFolder, Store

RUNS_OF_A_SHARD = 1_000
LOCK = "lock"  # empty, and rewritten by whoever claims the run: the one file that is not packed
RESTORED = ".restored"  # of a file that is being written
LOCAL_HEADER_BYTES = 30  # of a zip's member, before its name


class Moved(NamedTuple):
    """How many runs were packed or restored, and why others were left, each with its run id."""

    num_runs: int
    left: list[str]


def pack(store: Store, name: str, run_ids: Sequence[str], progress: Progress) -> Moved:
    """Pack the finished runs of sweep ``name`` into shards, and remove their folders.

    Left as folders: runs that are not done, damaged, not sealed, held by a process, or have
    weights, whose readers need a file. A call after an interrupted one goes on. Raises ValueError
    if another process packs or restores, and for a shard that is not what was written.
    """
    with _alone(store):
        runs = [store.run(run_id) for run_id in run_ids]
        packed = archive.packed_runs(store.outputs / FOLDER)
        reasons = {run: _unfit(run) for run in runs if not run.in_archive()}
        left = [f"{run.run_id}: {reason}" for run, reason in reasons.items() if reason]
        new = [run for run, reason in reasons.items() if not reason and run.run_id not in packed]
        for start in with_progress(range(0, len(new), RUNS_OF_A_SHARD), "packing", progress):
            _write_shard(_next_shard(store, name), new[start : start + RUNS_OF_A_SHARD])
        for run in runs:  # those that an earlier call packed but did not remove as well
            _remove(run, left)
        num_runs = sum(bool(run.in_archive()) for run in runs)
    return Moved(num_runs, left)


def restore(store: Store, name: str, progress: Progress) -> Moved:
    """Write the runs of all shards of sweep ``name`` back into folders, and remove the shards.

    A shard with a damaged run is renamed to ``.damaged`` once its other runs are restored, so that
    the damaged run counts as never trained. Raises ValueError as `pack` does.
    """
    left: list[str] = []
    num_runs = 0
    with _alone(store):
        for shard in with_progress(_shards(store, name), "restoring", progress):
            known = archive.packed_runs(shard.parent)
            runs = {key: run for key, run in known.items() if run.shard == shard}
            bad = [line for key, run in runs.items() for line in _restored(store.run(key), run)]
            os.sync()  # all files are on disk before the shard goes
            num_runs += len(runs) - len(bad)
            index_of(shard).unlink(missing_ok=True)
            if bad and shard.exists():
                shard.replace(shard.with_suffix(".zip.damaged"))
            shard.unlink(missing_ok=True)
            archive.KNOWN.clear()
            left += bad
    return Moved(num_runs, left)


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    try:
        with Claim(store.outputs / FOLDER / LOCK, "the archive"):
            yield
    except RunIsTaken as error:
        raise ValueError("another process packs or restores runs") from error


def _unfit(run: RunFolder) -> str | None:
    """Return why a run stays a folder; None if it can be packed."""
    if not run.is_done():
        return "not done"
    if run.weights_path.exists():
        return "it has weights"
    if run.is_claimed():
        return "a process holds it"
    if not (run.path / seal.NAME).exists():
        return "it is not sealed"
    if any(path.is_symlink() for path in run.path.iterdir()):
        return "it holds a link"
    return run.damage()


def _shards(store: Store, name: str) -> list[Path]:
    """Return the shards of one sweep, oldest first."""
    own = re.compile(re.escape(name) + r"\.\d{4,}\.zip")
    return [path for path in archive.shards(store.outputs / FOLDER) if own.fullmatch(path.name)]


def _next_shard(store: Store, name: str) -> Path:
    folder = store.outputs / FOLDER
    below(folder, "a sweep's name", name)
    taken = {path.name.partition(".zip")[0].removesuffix(".index") for path in folder.glob("*")}
    numbers = (f"{name}.{number:04}" for number in range(1, len(taken) + 2))
    return folder / f"{next(stem for stem in numbers if stem not in taken)}.zip"


def _write_shard(shard: Path, runs: Sequence[RunFolder]) -> None:
    """Write a shard, compare it with the folders, then write its index beside it."""
    write_with(shard, lambda beside: _write_zip(beside, runs))
    with ZipFile(shard) as stored:
        lines = stored.read(INDEX)
        for run in runs:
            for path in _files(run):
                if stored.read(_member(run, path)) != path.read_bytes():
                    raise ValueError(f"{path} is not what {shard} holds of it: nothing was removed")
    write_bytes(index_of(shard), lines)
    archive.KNOWN.clear()


def _write_zip(path: Path, runs: Sequence[RunFolder]) -> None:
    listed: dict[str, dict[str, tuple[int, int, int]]] = {}
    with ZipFile(path, "w") as stored:
        for run in runs:
            listed[run.run_id] = {}
            for file in _files(run):
                member, data = ZipInfo(_member(run, file)), file.read_bytes()
                stored.writestr(member, data)
                start = member.header_offset + LOCAL_HEADER_BYTES + len(member.filename.encode())
                place = (start, len(data), file.stat().st_mtime_ns)
                listed[run.run_id][str(file.relative_to(run.path))] = place
        stored.writestr(ZipInfo(INDEX), archive.index(listed))


def _files(run: RunFolder) -> list[Path]:
    """Return the files that are packed: not the lock, not wandb's links between its own files."""
    found = (path for path in run.path.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if path.name != LOCK and path.suffix != RESTORED)


def _member(run: RunFolder, path: Path) -> str:
    return f"{run.run_id}/{path.relative_to(run.path)}"


def _remove(run: RunFolder, left: list[str]) -> None:
    """Remove the folder of a packed run unless a file has changed since; the record goes first."""
    packed = archive.find(run.path)
    if packed is None or not run.path.exists():
        return
    try:
        with run.claim():
            files = packed.files()
            for path in _files(run):
                entry, seen = files.get(str(path.relative_to(run.path))), path.stat()
                if entry is None or tuple(entry[1:]) != (seen.st_size, seen.st_mtime_ns):
                    left.append(f"{run.run_id}: {path.name} has changed since it was packed")
                    return
            run.record_path.unlink(missing_ok=True)
            shutil.rmtree(run.path)
    except RunIsTaken:
        left.append(f"{run.run_id}: a process holds it")


def _restored(run: RunFolder, packed: archive.Packed) -> list[str]:
    """Write one run back, the record last; return why it cannot be, if it cannot."""
    if reason := run.damage(thorough=True):
        return [f"{run.run_id}: {reason}"]
    if not run.in_archive():
        return []
    for name, (_, _, time_ns) in sorted(
        packed.files().items(), key=lambda item: item[0] == run.record_path.name
    ):
        path = run.path / name
        require_inside(run.path, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + RESTORED)
        beside.write_bytes(packed.read(name))
        os.utime(beside, ns=(time_ns, time_ns))
        beside.replace(path)
    return []
