"""What takes long to make is made once for all workers of a test session, under a lock.

Tests that only read use it; a test that changes something copies it first.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store
from rote.run import execute, execute_together


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
        made = self.root / name
        with FileLock(self.root / f"{name}.lock"):
            if not made.exists():
                part = self.root / f"{name}.part"
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir()
                make(part)
                part.rename(made)
        return made

    def finished(self, spec: Spec) -> RunFolder:
        """The run, trained alone and never interrupted."""
        return self._run(f"alone-{spec.run_id}", spec, lambda store: execute(spec, store))

    def stacked(self, specs: Sequence[Spec]) -> list[RunFolder]:
        """The runs, trained as one stack."""
        name = "stack-" + "-".join(spec.run_id[:4] for spec in specs)
        folder = self.folder(name, lambda part: execute_together(specs, Store(part)))
        return [Store(folder).run(spec.run_id) for spec in specs]

    def _run(self, name: str, spec: Spec, train: Callable[[Store], object]) -> RunFolder:
        return Store(self.folder(name, lambda part: train(Store(part)))).run(spec.run_id)
