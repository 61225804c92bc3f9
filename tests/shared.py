"""What takes long to make is made once for all workers of a test session, under a lock.

Tests that only read use it; a test that changes something copies it first.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from rote.io.write import canonical_json, sha256
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store
from rote.run.execute import execute

# Of sweeps of the smallest runs.
FIXED = """\
fixed: {size: demo_s, task.length: 8, task.vocab_size: 16, task.num_heldout_sequences: 4,
  budget: demo, budget.max_steps: 4, budget.check_every_steps: 2, log: none, host.accelerator: cpu}
"""


@dataclass(frozen=True)
class Shared:
    """A folder that every worker of pytest-xdist sees."""

    root: Path

    @classmethod
    def of(cls, own: Path) -> "Shared":
        """``own`` is the worker's base folder; beside it lie those of the others."""
        return cls((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared")

    def folder(self, name: str, make: Callable[[Path], object]) -> Path:
        """What ``make`` wrote into an empty folder, whichever worker called it first."""
        self.root.mkdir(exist_ok=True)
        made, done = self.root / name, self.root / f"{name}.done"
        with FileLock(self.root / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(made, ignore_errors=True)
                made.mkdir()
                make(made)
                done.touch()
        return made

    def finished(self, spec: Spec) -> RunFolder:
        """The run, trained alone and never interrupted."""
        how = sha256(canonical_json(dict(spec.how)).encode())[:8]  # whether weights are kept
        name = f"run-{spec.run_id}-{how}"
        folder = self.folder(name, lambda made: execute(spec, Store(made)))
        return Store(folder).run(spec.run_id)
