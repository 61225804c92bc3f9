"""Write the files of one process's session with a run, up to a record, failure or pause."""

import gc
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from statistics import mean
from typing import Any

import numpy as np
import torch

from rote.config.build import build
from rote.config.trust import remember
from rote.core.process import keep_freed_memory
from rote.core.provenance import provenance
from rote.ledger.claim import Claim
from rote.ledger.record import Record
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder
from rote.measures.protocol import Measure
from rote.models.count import (
    attention_flops_per_token,
    embedding_parameters,
    trainable_parameters,
    unusual_counts,
)
from rote.run.assembly import make_training_run
from rote.run.looks import Looks, look_measures, look_steps
from rote.run.observers import Observer, Observers, configured
from rote.run.weights import save_weights
from rote.tasks.protocol import HasManifest, Task
from rote.training import distributed
from rote.training.checkpoint import Checkpoints
from rote.training.controls.insertion import InsertionOrder
from rote.training.distributed import device_of
from rote.training.training_run import CheckpointPolicy, LookPolicy, Row, TrainingRun


def prepare_process(spec: Spec) -> None:
    """Set the threads and the memory allocator for training.

    conf/host says one thread: more add in another order, which changes last bits, and tiny models
    gain nothing from a second one.
    """
    torch.set_num_threads(spec.how["host"]["threads"])
    keep_freed_memory()
    _forget_the_run_before()


def _forget_the_run_before() -> None:
    """Free its GPU memory and its peak; not where the finish begins, whose peak may be lower."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()
        torch.cuda.reset_peak_memory_stats()


class RunSession:
    """Writes a run's files while a process owns it; call ``begin`` first, and one end last."""

    def __init__(
        self,
        spec: Spec,
        folder: RunFolder,
        observers: Iterable[Observer],
        stop: Callable[[], bool],
        noted: Mapping[str, Any],
        claim: Claim,
    ) -> None:
        self.spec, self.folder, self.stop, self.noted = spec, folder, stop, noted
        self.claim = claim
        from_conf = configured(spec.how["log"]["observers"], folder=str(folder.path))
        self.observers = Observers([*observers, *from_conf])
        self.checkpoints = Checkpoints(folder.checkpoints_path)
        self.started_unix_seconds = time.time()

    def begin(self) -> TrainingRun:
        """Return the run, new or from a checkpoint, ready to train; start assisting processes."""
        prepare_process(self.spec)
        saved = self.checkpoints.newest()
        remember([self.spec])
        self.folder.begin(self.spec, saved["curve"] if saved else "")
        self.claim.watch(self.folder.curve_path)
        distributed.from_first((self.spec, saved))
        self.resumed_at_step = saved["progress"]["steps"] if saved else None
        self.trained_seconds_before = saved["train_seconds"] if saved else 0.0
        self.task: Task = build(self.spec.what["task"])
        if isinstance(self.task, HasManifest):
            self.task.manifest(self.spec.what["seed"]).write(self.folder.manifest_path)
        host = self.spec.how["host"]
        checkpointing = CheckpointPolicy(
            save=self._save, stop=self.stop, every_seconds=host["checkpoint_every_seconds"],
            has_pairs=host.get("checkpoint_pairs", True),  # plans of earlier versions lack it
        )  # fmt: skip
        self.looks = Looks(saved.get("looks", {}) if saved else {})
        self.run = make_training_run(
            self.spec, self.task, on_row=self._row, checkpointing=checkpointing, resume=saved,
            looking=LookPolicy(at=look_steps(self.spec), take=self._look),
        )  # fmt: skip
        self.parameters = trainable_parameters(self.run.model)
        attention = attention_flops_per_token(self.run.model, self.task.length)
        self.counts = {
            **unusual_counts(self.run.model), "attention_flops_per_token": attention,
        }  # fmt: skip
        self.embedding_parameters = embedding_parameters(self.run.model)
        self.observers.notify("start", self.spec, self.parameters, self.run.epoch_tokens)
        self.prepared_unix_seconds = time.time()
        self.began_to_train_seconds = time.monotonic()
        return self.run

    def finish(self) -> Record:
        """Measure the trained model and write the record last."""
        train_seconds, trained = self._train_seconds(), time.time()
        device = self._device()
        self.run.finish()
        totals, arrays = self._measure(self.spec.what["measure"])
        if isinstance(self.run.order, InsertionOrder):
            arrays |= self.run.order.showings.until(self.run.progress.steps)
        record = Record(
            run_id=self.spec.run_id,
            what=dict(self.spec.what),
            parameters=self.parameters,
            embedding_parameters=self.embedding_parameters,
            entropy_bits=self.task.entropy_bits(),
            entropy_after_first_token_bits=self.task.entropy_bits(from_position=1),
            training={**_training_facts(self.run), **self.counts, **self.run.facts()},
            measures=totals,
        )
        circumstances = {
            **provenance(),
            **self.noted,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            "processes": distributed.num_processes(),
            "started_unix_seconds": self.started_unix_seconds,
            "setup_seconds": self.prepared_unix_seconds - self.started_unix_seconds,
            "resumed_at_step": self.resumed_at_step,
            "train_seconds": train_seconds,  # without time lost in killed sessions
            "measure_seconds": time.time() - trained,
            "peak_memory_bytes": _peak_memory_bytes(device),
        }
        self.claim.renew()
        if (finish := self.run.progress.finish) and finish.restarted_at_iterations:
            circumstances["finish_restarted_at_iterations"] = finish.restarted_at_iterations
        if self.spec.how["log"]["keep_weights"]:
            save_weights(self.run.model, self.folder)
        if look_steps(self.spec):
            self.folder.write_looks(self.looks.stacked())
        self.folder.finish(record, arrays, circumstances)
        self.checkpoints.clear()
        self.observers.notify("finish", record)
        return record

    def fail(self, error: Exception) -> None:
        """Record why there is no record."""
        reason = f"{type(error).__name__}: {error}"
        details = "".join(traceback.format_exception(error))
        self.folder.fail(reason, details, provenance())
        self.observers.notify("fail", reason)

    def pause(self) -> None:
        """Tell observers that a checkpoint is left, from which the next session resumes."""
        self.observers.notify("pause")

    def _row(self, row: Row) -> None:
        self.claim.renew()
        self.folder.append(row)
        self.observers.notify("row", row)

    def _save(self, step: int, state: dict[str, Any]) -> None:
        self.claim.renew()
        curve, seconds = self.folder.curve_path.read_text(), self._train_seconds()
        ours = {"curve": curve, "train_seconds": seconds, "looks": self.looks.state()}
        self.checkpoints.save(step, {**state, **ours})

    def _look(self) -> None:
        """Measure the current weights; modes and random states of training are restored."""
        run, device = self.run, self._device()
        was_training = run.model.training
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            measured = self._measure(look_measures(self.spec))
        self.looks.add(run.progress.steps, *measured)
        run.model.train(was_training)

    def _measure(
        self, names: Iterable[str]
    ) -> tuple[dict[str, dict[str, float]], dict[str, np.ndarray]]:
        """Compute these measures of the spec in the precision of training."""
        device, what = self._device(), self.spec.what
        task = self.run.controls.reported(self.task)
        model = self.run.model.to(device).eval()
        totals: dict[str, dict[str, float]] = {}
        arrays: dict[str, np.ndarray] = {}
        with self.run.precision.active(device.type):
            for name in names:
                measure: Measure = build(what["measure"][name])
                measured = measure(model, task, seed=what["seed"], device=device)
                totals[name] = dict(measured.totals)
                arrays |= {f"{name}.{key}": array for key, array in measured.arrays.items()}
        return totals, arrays

    def _device(self) -> torch.device:
        return device_of(self.spec.how["host"]["accelerator"])

    def _train_seconds(self) -> float:
        """Return the seconds of training in all sessions of the run."""
        return self.trained_seconds_before + time.monotonic() - self.began_to_train_seconds


def _training_facts(run: TrainingRun) -> dict[str, Any]:
    progress = run.progress
    keep = ("steps", "tokens_seen", "growth_bits_per_1000_steps", "converged")
    facts = {key: getattr(progress, key) for key in keep}
    if finish := progress.finish:
        facts["finish"] = {
            f"{run.bits_name}_before": finish.bits_before,
            f"{run.bits_name}_after": finish.bits_after,
            "evaluations": finish.evaluations,
            "iterations": finish.iterations,
            "gradient_norm": finish.gradient_norm,
            "predicted_gain_bits": mean(finish.gains_bits) if finish.gains_bits else None,
            "ended_by": finish.ended_by,
        }
    return facts


def _peak_memory_bytes(device: torch.device) -> int:
    """Return the peak of the device's allocator, or of this process, which has one run."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes on macOS, KiB elsewhere
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
