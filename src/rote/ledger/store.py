"""Runs on disk. A record's existence means done; it is written last, once.

runs/<run_id>/ holds spec.yaml, curve.jsonl, arrays.npz, circumstances.json (where, when, how fast:
what differs between two equal runs), failure.json while the last try failed, model.safetensors
where that was asked for, and record.json.
"""

import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock, Timeout
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from rote.files import object_of, read_object, write_bytes, write_json, write_text
from rote.ledger.record import DamagedRecord, Record
from rote.ledger.spec import Spec


class RunIsTaken(RuntimeError):
    """Another process is running this very run."""


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def spec_path(self) -> Path:
        """What and how, frozen before training."""
        return self.path / "spec.yaml"

    @property
    def curve_path(self) -> Path:
        """One JSON object a line, appended while the run trains."""
        return self.path / "curve.jsonl"

    @property
    def record_path(self) -> Path:
        """Present if and only if the run is done."""
        return self.path / "record.json"

    @property
    def manifest_path(self) -> Path:
        """What the task has planted in its data, written before training."""
        return self.path / "manifest.json"

    @property
    def weights_path(self) -> Path:
        """The trained model, where log.keep_weights was true; there before the record."""
        return self.path / "model.safetensors"

    @property
    def failure_path(self) -> Path:
        """Why the last try ended without a record."""
        return self.path / "failure.json"

    @property
    def lock_path(self) -> Path:
        """Held, through the operating system, by the process that runs this run."""
        return self.path / "lock"

    @property
    def checkpoints_path(self) -> Path:
        """Emptied once there is a record."""
        return self.path / "checkpoints"

    def has_checkpoint(self) -> bool:
        """Whether training has come as far as leaving one."""
        return any(self.checkpoints_path.glob("*"))

    def is_done(self) -> bool:
        """A look at the disk, nothing read."""
        return self.record_path.exists()

    def spec(self) -> Spec:
        """As it was run; raises ValueError naming the file where it cannot be read."""
        spec = read_spec(self.spec_path)
        if spec.run_id != self.run_id:
            raise ValueError(f"{self.spec_path} was changed: what it says is run {spec.run_id}")
        return spec

    def record(self) -> Record:
        """Raises DamagedRecord naming the file and the way out."""
        try:
            record = Record.from_json(self.record_path.read_text())
            if record.run_id != self.run_id:
                raise DamagedRecord(f"it belongs to run {record.run_id}")
        except (DamagedRecord, UnicodeDecodeError) as error:
            raise DamagedRecord(
                f"{self.record_path} is damaged: {error}; "
                "move it away to run this point again, nothing was changed"
            ) from error
        return record

    def circumstances(self) -> dict[str, Any]:
        """Of a finished run: host, versions, seconds, memory."""
        return read_object(self.path / "circumstances.json")

    def curve(self) -> list[dict[str, Any]]:
        """Every row so far, a torn last line left out; raises ValueError naming the file."""
        try:
            lines = self.curve_path.read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        return [object_of(line, self.curve_path) for line in lines if line.endswith("\n")]

    def last_row(self) -> dict[str, Any] | None:
        """Where the curve stands, read from its end; raises ValueError as `curve` does."""
        try:
            with self.curve_path.open("rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(0, stream.tell() - 4096))  # a row has some 200 bytes
                whole = stream.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return None
        return object_of(whole.rpartition(b"\n")[2], self.curve_path) if whole else None

    def arrays(self) -> dict[str, np.ndarray]:
        """Per-sequence arrays, by measure and name; raises ValueError naming the file."""
        path = self.path / "arrays.npz"
        try:
            with np.load(path, allow_pickle=False) as stored:
                return dict(stored)
        except (ValueError, EOFError, TypeError, BadZipFile) as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def failure(self) -> dict[str, Any] | None:
        """The last failure, None where there is none."""
        try:
            return read_object(self.failure_path)
        except FileNotFoundError:
            return None

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Own the run until the block ends or the process dies; raises RunIsTaken."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock_path, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise RunIsTaken(f"run {self.run_id} is being run by another process") from error
        try:
            yield
        finally:
            lock.release()

    def is_claimed(self) -> bool:
        """Whether a living process owns the run now."""
        if not self.lock_path.exists():
            return False
        try:
            with FileLock(self.lock_path, timeout=0):
                return False
        except Timeout:
            return True

    def begin(self, spec: Spec, curve_so_far: str = "") -> None:
        """Write the frozen spec, forget the last failure, cut the curve back to a checkpoint's."""
        self.failure_path.unlink(missing_ok=True)
        plain = {"what": spec.what, "how": spec.how}
        write_text(self.spec_path, OmegaConf.to_yaml(OmegaConf.create(plain)))
        write_text(self.curve_path, curve_so_far)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row to the curve."""
        with self.curve_path.open("a") as stream:
            stream.write(json.dumps(dict(row), allow_nan=False) + "\n")

    def finish(
        self,
        record: Record,
        arrays: Mapping[str, np.ndarray],
        circumstances: Mapping[str, Any],
    ) -> None:
        """Everything else first, the record last."""
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]
        write_bytes(self.path / "arrays.npz", packed.getvalue())
        write_json(self.path / "circumstances.json", dict(circumstances))
        write_text(self.record_path, record.to_json())

    def fail(self, reason: str, details: str, circumstances: Mapping[str, Any]) -> None:
        """Say why there is no record."""
        failure = {"reason": reason, "details": details, "time_unix_seconds": time.time()}
        write_json(self.failure_path, {**failure, "circumstances": dict(circumstances)})


def read_spec(path: Path) -> Spec:
    """Raises ValueError naming the file where it is no spec, or not there."""
    try:
        return Spec(**OmegaConf.to_container(OmegaConf.load(path)))  # type: ignore[arg-type]
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except (TypeError, ValueError, YAMLError, OmegaConfBaseException) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


@dataclass(frozen=True)
class Store:
    """All runs below one outputs folder."""

    outputs: Path

    def run(self, run_id: str) -> RunFolder:
        """Where that run lives, whether it exists or not."""
        return RunFolder(self.outputs / "runs" / run_id)
