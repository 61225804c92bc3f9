"""A run's curve and result in wandb, offline by default; the local files are the truth."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import wandb

from rote.ledger.curve import MEMORISED_BITS
from rote.ledger.record import Record
from rote.ledger.spec import Spec, flatten
from rote.tracking.offline import history, is_complete

with suppress(ImportError):
    import wandb.sdk.launch

LAST_RECORD_SECONDS = 30.0


class WandbMirror:
    """Follows one run. What it raises is caught by the run, which goes on without it."""

    def __init__(
        self, *, folder: str, project: str, entity: str | None, mode: str, group: str | None
    ) -> None:
        self.folder = Path(folder)
        self.project, self.entity, self.mode, self.group = project, entity, mode, group

    def start(self, spec: Spec, parameters: int) -> None:
        """Open the wandb run under the run's own id."""
        self.parameters = parameters
        # Read before a new log is begun: rows that an earlier life has logged are not logged again.
        self.last_step = max((row["step"] for row in self._logged()), default=-1)
        self._wait_for_a_name_of_its_own()
        self.run = wandb.init(
            id=spec.run_id,
            name=spec.run_id,
            project=self.project,
            entity=self.entity,
            mode=self.mode,  # type: ignore[arg-type]
            group=self.group,
            job_type="train",
            tags=_tags(spec),
            config={**spec.what, "parameters": parameters},
            dir=str(self.folder),
            # One process runs many runs: without this a second init returns the first run.
            reinit="create_new",
            resume="allow" if self.mode == "online" else None,
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                x_disable_stats=True,
                # A killed run loses what was not flushed: by default 15 s or 32 KiB.
                x_transaction_log_flush_interval=0.5,
            ),
        )
        self.run.define_metric("*", step_metric="step")

    def row(self, row: dict[str, float]) -> None:
        """One point of every curve at an explicit step; each step once in all lives of a run."""
        if row["step"] <= self.last_step:
            return
        if MEMORISED_BITS in row:
            row = {**row, "bits_per_parameter": row[MEMORISED_BITS] / self.parameters}
        # Without commit wandb keeps the row back until the next step, and may lose the last one.
        self.run.log(row, step=int(row["step"]), commit=True)

    def finish(self, record: Record) -> None:
        """The stored sums as the run's summary."""
        self.run.summary.update(_summary(record))
        self._close()

    def pause(self) -> None:
        """Close this log; the run's next life opens another under the same id."""
        self._close()

    def fail(self, reason: str) -> None:
        """Mark the wandb run as failed, with the reason."""
        self.run.summary["failure"] = reason
        self._close(exit_code=1)

    def _close(self, exit_code: int = 0) -> None:
        """Until the log holds its last record: wandb returns up to a flush interval before."""
        log = Path(self.run.settings.sync_file)
        self.run.finish(exit_code=exit_code)
        deadline = time.monotonic() + LAST_RECORD_SECONDS
        while not is_complete(log):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{log} lacks its end after {LAST_RECORD_SECONDS:.0f} s")
            time.sleep(0.05)

    def _wait_for_a_name_of_its_own(self) -> None:
        """wandb names logs by the second: two lives in one second would share a file."""
        while list(self.folder.glob(f"wandb/*run-{time.strftime('%Y%m%d_%H%M%S')}-*")):
            time.sleep(0.1)

    def _logged(self) -> Iterator[dict[str, Any]]:
        for path in self.folder.glob("wandb/*run-*/*.wandb"):
            yield from (row for row in history(path) if "step" in row)


def _tags(spec: Spec) -> list[str]:
    task, model = (str(spec.what[key]["_target_"]).rpartition(".")[2] for key in ("task", "model"))
    return [task, model, spec.what["precision"]["name"]]


def _summary(record: Record) -> dict[str, Any]:
    training = {f"training.{key}": value for key, value in record.training.items()}
    totals = {"entropy_bits": record.entropy_bits, "parameters": record.parameters}
    return {**totals, **training, **flatten(record.measures)}
