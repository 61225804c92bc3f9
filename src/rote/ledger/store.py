"""Store runs on disk (docs/design.md). A run is done if its record, written last, exists."""

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from rote.io.arrays import packed, unpacked
from rote.io.outputs import below
from rote.io.read import Damaged, json_of, read_end, read_json
from rote.io.write import require_replaceable, write_bytes, write_json, write_text
from rote.ledger import archive, seal
from rote.ledger.archive import read_bytes
from rote.ledger.claim import Claim, is_held
from rote.ledger.curve import CIRCUMSTANCES, FAILURE, curve_of, curve_row
from rote.ledger.record import DamagedRecord, Record
from rote.ledger.spec import Spec, read_spec

RUN_ID = re.compile(r"[0-9a-f]{16}")
RETRAINED = "the run's next process writes it anew from its checkpoint: rote resume"
LAST_BYTES = 4096  # a row of a curve has about 200


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def run_id(self) -> str:
        """Return the folder's name."""
        return self.path.name

    @property
    def spec_path(self) -> Path:
        """The spec, frozen before training."""
        return self.path / "spec.yaml"

    @property
    def curve_path(self) -> Path:
        """One JSON object per line, appended while the run trains."""
        return self.path / "curve.jsonl"

    @property
    def record_path(self) -> Path:
        """Exists if and only if the run is done."""
        return self.path / "record.json"

    @property
    def manifest_path(self) -> Path:
        """What the task has inserted into its data; written before training."""
        return self.path / "manifest.json"

    @property
    def weights_path(self) -> Path:
        """The trained model, if log.keep_weights was true; written before the record."""
        return self.path / "model.safetensors"

    @property
    def looks_path(self) -> Path:
        """What was measured while the run trained, if log.look_at named steps."""
        return self.path / "looks.npz"

    @property
    def failure_path(self) -> Path:
        """Why the last try ended without a record."""
        return self.path / "failure.json"

    @property
    def lock_path(self) -> Path:
        """The lock file of the process that trains this run."""
        return self.path / "lock"

    @property
    def checkpoints_path(self) -> Path:
        """The checkpoints; removed once there is a record."""
        return self.path / "checkpoints"

    def has_checkpoint(self) -> bool:
        """Return whether training has left a checkpoint."""
        return any(self.checkpoints_path.glob("*"))

    def is_done(self) -> bool:
        """Return whether the record exists, here or in an archive; reads no file of the run."""
        return os.path.lexists(self.record_path) or self.in_archive() is not None

    def in_archive(self) -> archive.Packed | None:
        """Return where the run is packed; None if its record is in its folder, or nowhere."""
        return None if os.path.lexists(self.record_path) else archive.find(self.path)

    def spec(self) -> Spec:
        """Return the spec of the run; raises ValueError naming the file if it cannot be read."""
        spec = read_spec(self.spec_path)
        if spec.run_id != self.run_id:
            raise ValueError(f"{self.spec_path} was changed: what it says is run {spec.run_id}")
        return spec

    def record(self) -> Record:
        """Return the record; raises DamagedRecord with the file and a remedy."""
        try:
            record = Record.from_json(read_bytes(self.record_path))
            if record.run_id != self.run_id:
                raise DamagedRecord(f"it belongs to run {record.run_id}")
            if record.sealed and seal.read_seal(self.path) is None:
                raise DamagedRecord(f"{seal.NAME}, which was written before it, is missing")
        except (DamagedRecord, Damaged) as error:
            raise DamagedRecord(
                f"{self.record_path} is damaged: {getattr(error, 'reason', error)}; "
                f"{seal.REPAIR}, or move it away to run this point again: nothing was changed"
            ) from error
        return record

    def damage(self, *, thorough: bool = False) -> str | None:
        """Return why a finished run cannot be used; None if it can.

        Unless ``thorough``, files that were not written since the run was done are not read.
        """
        states = seal.states(self.path)
        packed = None if states else self.in_archive()
        seen = packed.stamp() if packed else seal.stamp(states)
        if not thorough and seen in (archive.UNTOUCHED, seal.SEEN.get(self.path)):
            return None
        try:
            if sealed := seal.read_seal(self.path):
                sealed.require_all(states, thorough=thorough)
            else:  # a run from before seals existed
                more = (self.circumstances, self.curve, self.arrays, self.spec) if thorough else ()
                for read in (self.record, *more):
                    read()
        except (ValueError, FileNotFoundError) as error:
            return str(error)
        seal.SEEN[self.path] = seen
        return None

    def require_undamaged(self, *, thorough: bool = False) -> None:
        """Raises ValueError if `damage` returns a reason."""
        if reason := self.damage(thorough=thorough):
            raise ValueError(reason)

    def kept_weights(self) -> Path:
        """Return the file of a finished run's weights, unchanged since it was written.

        Raises ValueError if the run is not done, is damaged, or kept no weights.
        """
        self._require_done()
        self.require_undamaged()
        if not self.weights_path.exists():
            raise self._lacks("kept no weights", "log.keep_weights=true")
        if sealed := seal.read_seal(self.path):
            sealed.require_file(self.weights_path.name)
        return self.weights_path

    def circumstances(self) -> dict[str, Any]:
        """Return host, versions, seconds and memory of a finished run; raises Damaged."""
        name = "circumstances.json"
        return json_of(self._sound_bytes(name), self.path / name, CIRCUMSTANCES, seal.REPAIR)

    def curve(self) -> list[dict[str, Any]]:
        """Return every row so far, without a torn last line; raises Damaged."""
        return curve_of(self.curve_lines(), self.curve_path) or [*map(self.row, self.curve_lines())]

    def curve_lines(self) -> list[bytes]:
        """Return the lines that `row` parses for `curve`; raises Damaged."""
        try:
            return self._sound_bytes(self.curve_path.name).split(b"\n")[:-1]
        except FileNotFoundError:
            return []

    def row(self, line: bytes) -> dict[str, Any]:
        """Parse one line of the curve; raises Damaged."""
        try:
            return json_of(line, self.curve_path, curve_row)
        except Damaged as error:
            remedy = seal.REPAIR if self.is_done() else RETRAINED
            raise Damaged(self.curve_path, error.reason, remedy) from error

    def last_row(self) -> dict[str, Any] | None:
        """Return the last row of the curve, read from the file's end; raises Damaged."""
        try:
            whole = read_end(self.curve_path, LAST_BYTES).rpartition(b"\n")[0]
        except FileNotFoundError:
            return None
        return self.row(whole.rpartition(b"\n")[2]) if whole else None

    def arrays(self) -> dict[str, np.ndarray]:
        """Return per-sequence arrays by measure and name; raises Damaged."""
        return self._npz("arrays.npz")

    def looks(self) -> dict[str, np.ndarray]:
        """Return what was measured while the run trained, by measure and name.

        ``steps`` is int64 [T], ascending; every other array has T as its first axis. Raises
        ValueError if the run is not done or was not looked at, and Damaged.
        """
        self._require_done()
        path, sealed = self.looks_path, seal.read_seal(self.path)
        if not path.exists() and not (sealed and path.name in sealed.files):
            raise self._lacks("was not looked at", "log.look_at=[0,100]")
        arrays = self._npz(path.name)
        if "steps" not in arrays or len({array.shape[:1] for array in arrays.values()}) > 1:
            raise Damaged(path, "its arrays have no common axis of steps", seal.REPAIR)
        return arrays

    def failure(self) -> dict[str, Any] | None:
        """Return the last failure, if any; a damaged failure.json is one with an unknown reason."""
        try:
            return dict(read_json(self.failure_path, FAILURE, "rote retry tries the run again"))
        except FileNotFoundError:
            return None
        except Damaged as error:
            return {"reason": str(error), "details": "", "time_unix_seconds": 0.0}

    def claim(self) -> Claim:
        """Return a context that owns the run; raises RunIsTaken, and ValueError without a lock."""
        return Claim(self.lock_path, f"run {self.run_id}")

    def is_claimed(self) -> bool:
        """Return whether a living process owns the run now."""
        return is_held(self.lock_path)

    def begin(self, spec: Spec, curve_so_far: str = "") -> None:
        """Write the frozen spec, delete the last failure, cut the curve back to the checkpoint."""
        require_replaceable(self.failure_path)
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
        """Write all other files, then their digests, then the record."""
        write_bytes(self.path / "arrays.npz", packed(arrays))
        write_json(self.path / "circumstances.json", dict(circumstances))
        text = record.to_json()
        seal.write_seal(self.path, text.encode())
        write_text(self.record_path, text)

    def write_looks(self, looks: Mapping[str, np.ndarray]) -> None:
        """Write what `looks` returns, before `finish`."""
        write_bytes(self.looks_path, packed(looks))

    def fail(self, reason: str, details: str, circumstances: Mapping[str, Any]) -> None:
        """Record why there is no record."""
        failure = {"reason": reason, "details": details, "time_unix_seconds": time.time()}
        write_json(self.failure_path, {**failure, "circumstances": dict(circumstances)})

    def _require_done(self) -> None:
        if not self.is_done():
            raise ValueError(f"run {self.run_id} is not done: there is no {self.record_path}")

    def _lacks(self, what: str, remedy: str) -> ValueError:
        path = self.record_path
        return ValueError(f"run {self.run_id} {what}: move {path} away and run again with {remedy}")

    def _npz(self, name: str) -> dict[str, np.ndarray]:
        return unpacked(self._sound_bytes(name), self.path / name, seal.REPAIR)

    def _sound_bytes(self, name: str) -> bytes:
        """Raises Damaged, and FileNotFoundError for what an unfinished run has not written yet."""
        return seal.sound_bytes(self.path, name) if self.is_done() else read_bytes(self.path / name)


@dataclass(frozen=True)
class Store:
    """All runs below one outputs folder."""

    outputs: Path

    def run(self, run_id: str) -> RunFolder:
        """Return the folder of a run, existing or not; raises ValueError for a path."""
        return RunFolder(below(self.outputs / "runs", "a run id", run_id))

    def runs(self) -> list[RunFolder]:
        """Return all existing runs by id, without those that were set aside."""
        folder = self.outputs / "runs"
        names = {path.name for path in folder.glob("*")}
        names |= archive.packed_runs(self.outputs / archive.FOLDER).keys()
        return [RunFolder(folder / name) for name in sorted(names) if RUN_ID.fullmatch(name)]
