"""Mirror a run's curve and result to wandb, offline by default; the local files are the truth.

The result becomes the summary of a wandb run and is read back exactly. Values for people are nested
as in conf and in the record. wandb's service rewrites numbers in transit (2.0 becomes 2, which
would change a column's type), so values to be read back are stored as text.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis.metrics import derive
from rote.analysis.overviews import PROGRESS, SETTING, STEP
from rote.analysis.results import FinishedRun, table_of
from rote.config.names import run_name, setting_id
from rote.ledger.record import Record
from rote.ledger.spec import Spec, flatten
from rote.ledger.store import RunFolder
from rote.tracking import session
from rote.tracking.curves import Row, aggregates, curve_summary, with_derived
from rote.tracking.offline import logs, read_log

TRAIN, REPORT = "train", "report"  # job types
RECORD = "record_json"  # the text of record.json, with its checksum
CIRCUMSTANCES = "circumstances_json"
DERIVED = "derived"  # metrics that `rote.analysis.metrics` derives from the sums
SHOWN_CIRCUMSTANCES = ("device", "train_seconds", "measure_seconds", "peak_memory_bytes")


def summary_of(record: Record, circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary: sums, counts, derived numbers, and the two texts."""
    return {
        "entropy_bits": record.entropy_bits,
        "entropy_after_first_token_bits": record.entropy_after_first_token_bits,
        "embedding_parameters": record.embedding_parameters,
        "training": dict(record.training),
        **{name: dict(totals) for name, totals in record.measures.items()},
        "circumstances": {name: circumstances[name] for name in SHOWN_CIRCUMSTANCES},
        DERIVED: _derived(record, circumstances),
        RECORD: record.to_json(),
        CIRCUMSTANCES: json.dumps(dict(circumstances)),
    }


def finished_of(summary: Mapping[str, Any]) -> FinishedRun | None:
    """Return the run; None if it had not ended. Raises DamagedRecord for a changed record."""
    if RECORD not in summary or CIRCUMSTANCES not in summary:
        return None
    return FinishedRun(Record.from_json(summary[RECORD]), json.loads(summary[CIRCUMSTANCES]))


def _derived(record: Record, circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """Return derived numbers, nested at dots in their names as wandb writes them."""
    stored = table_of([FinishedRun(record, circumstances)])
    (row,) = derive(stored).select(pl.exclude(stored.columns)).rows(named=True)
    nested: dict[str, Any] = {}
    for name, value in row.items():
        family, _, leaf = name.rpartition(".")
        (nested.setdefault(family, {}) if family else nested)[leaf] = value
    return {name: value for name, value in nested.items() if value is not None}


class WandbMirror:
    """An observer of one run; the run catches its errors and continues without it."""

    def __init__(
        self,
        *,
        folder: str,
        project: str,
        entity: str | None,
        mode: str,
        group: str | None,
        notes: str | None,
        tags: str | Sequence[str] | None = None,  # specs of earlier versions have none
    ) -> None:
        self.folder = RunFolder(Path(folder))
        self.project, self.entity, self.mode = project, entity, mode
        self.group, self.notes = group, notes
        listed = tags.split(",") if isinstance(tags, str) else tags or ()
        self.tags = [word for each in listed if (word := str(each).strip())]

    def start(self, spec: Spec, parameters: int, epoch_tokens: int) -> None:
        """Open the wandb run under the run's id, and log rows that a killed session did not."""
        self.parameters, self.epoch_tokens = parameters, epoch_tokens
        settings = flatten(spec.what)
        # Read before a new log begins, so that rows of an earlier session are not logged again.
        self.last_step = max((row[STEP] for row in self._logged()), default=-1)
        self.run = session.begin(
            self.folder.path,
            run_id=spec.run_id,
            mode=self.mode,
            samples_gpu=not self.folder.is_done() and _is_on_gpu(spec),
            name=run_name(settings, spec.run_id),
            project=self.project,
            entity=self.entity,
            group=self.group,
            job_type=TRAIN,
            tags=[*dict.fromkeys([*_tags(spec), *self.tags])],
            notes=self.notes,
            config={
                **spec.what,
                "parameters": parameters,
                "epoch_tokens": epoch_tokens,
                SETTING: setting_id(settings),
            },
        )
        for axis in PROGRESS:
            self.run.define_metric(axis)
        self.defined = set(PROGRESS)
        for row in self.folder.curve():  # a checkpoint's; wandb's buffer may have lost its end
            self.row(row)

    def row(self, row: Row) -> None:
        """Log one point of every curve at an explicit step, each step once in all sessions."""
        if row[STEP] <= self.last_step:
            return
        logged = self._with_derived(row)
        for name in [name for name in logged if name not in self.defined]:
            self.run.define_metric(name, step_metric=STEP, summary=",".join(aggregates(name)))
            self.defined.add(name)
        # Without commit, wandb holds the row back until the next step and may lose the last one.
        self.run.log(logged, step=int(row[STEP]), commit=True)
        self.last_step = row[STEP]

    def finish(self, record: Record) -> None:
        """Log the stored sums as the run's summary, with each curve's best and last."""
        self.run.summary.update(curve_summary(map(self._with_derived, self.folder.curve())))
        self.run.summary.update(summary_of(record, self.folder.circumstances()))
        session.end(self.run)

    def pause(self) -> None:
        """Close this log; the run's next session opens another under the same id."""
        session.end(self.run)

    def fail(self, reason: str) -> None:
        """Mark the wandb run as failed, with the reason."""
        self.run.summary["failure"] = reason
        session.end(self.run, exit_code=1)

    def _with_derived(self, row: Row) -> Row:
        return with_derived(row, parameters=self.parameters, epoch_tokens=self.epoch_tokens)

    def _logged(self) -> Iterator[dict[str, Any]]:
        for path in logs(self.folder.path):
            yield from (row for row in read_log(path).rows if STEP in row)


def _is_on_gpu(spec: Spec) -> bool:
    from rote.training.distributed import device_of  # imports torch, which a run has imported

    return device_of(spec.how["host"]["accelerator"]).type == "cuda"


def _tags(spec: Spec) -> list[str]:
    task, model = (str(spec.what[key]["_target_"]).rpartition(".")[2] for key in ("task", "model"))
    return [task, model, spec.what["precision"]["name"], *spec.controls]
