"""Save and load checkpoints of an unfinished run; the newest intact one is loaded.

A checkpoint's name carries the digest of its bytes, so that a torn or edited file is detected
before it is unpickled. Two are kept: if the newest is damaged, or intact but no checkpoint of this
run, the one before it is loaded.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rote.io.read import Damaged, open_regular
from rote.io.shapes import anything, flag, keyed, listed, mapped, number, optional, text, whole
from rote.io.write import sha256_of_file, write_named_by_digest

LOG = logging.getLogger(__name__)
NUM_KEPT = 2

State = dict[str, Any]  # tensors, numbers, strings, and lists and dictionaries of them

OF_A_RUN = keyed(  # a state that training can resume from
    {
        "model": mapped(anything),
        "rng": anything,
        "curve": text,
        "train_seconds": number,
        "progress": keyed(
            {
                "steps": whole,
                "tokens_seen": whole,
                "stride_loss_nats": listed(number),
                "memorised_bits": listed(number),
                "growth_bits_per_1000_steps": optional(number),
                "converged": flag,
                "end_step": optional(whole),
            }
        ),
    },
    {
        "optimiser": mapped(anything),  # none in the finish
        "looks": mapped(mapped(anything)),  # by step, then by name of the array
    },
)


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run."""

    folder: Path

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write a checkpoint and delete all but the last two; on a full disk only warn."""
        try:
            write_named_by_digest(
                self.folder, f"{step:010d}", lambda stream: torch.save(dict(state), stream)
            )
        except OSError as error:
            LOG.warning("no checkpoint at step %d: %s", step, error)
            return
        for path in self._newest_first()[NUM_KEPT:]:
            path.unlink(missing_ok=True)

    def newest(self) -> State | None:
        """Return the newest intact checkpoint, on the CPU; None if there is none."""
        for path in self._newest_first():
            try:
                return self._read(path)
            except Damaged as error:
                LOG.warning(
                    "%s is damaged: going on from the one before it (%s)", path, error.reason
                )
        return None

    def clear(self) -> None:
        """Delete all checkpoints: the run is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, path: Path) -> State:
        try:
            with open_regular(path) as stream:
                if path.name.partition(".")[2] != sha256_of_file(path):
                    raise ValueError("its name is not the digest of its bytes")
                state: State = torch.load(stream, map_location="cpu", weights_only=True)
            OF_A_RUN(state, "")
        except Damaged:
            raise
        except Exception as error:  # torch raises many types for files that are not its own
            raise Damaged(path, f"it is not a checkpoint of this run ({error})") from error
        return state

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.*"), reverse=True)
