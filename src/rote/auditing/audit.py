"""Run an audit from its request to stored results; if it is killed, the same request resumes it.

Every stage is made of pieces that are written once; the end combines their results.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import nn

from rote.auditing.corpus import read_corpus, usable_manifest
from rote.auditing.gathering import GatheredScores, stored_of
from rote.auditing.membership import Passed
from rote.auditing.passes import Stages
from rote.auditing.request import AuditRequest
from rote.auditing.stages import LoadModel, PartialResults, Stage, StageImpossible, run_stage
from rote.auditing.stored import StoredAudit
from rote.auditing.targets import AuditTarget, precision_of
from rote.core.progress import Progress
from rote.measures.exposure import canary_measurement

PIECES, LOCK = "pieces", "lock"
CANARIES = "canaries"


def run_audit(
    question: AuditRequest, digests: Mapping[str, Any], folder: Path, progress: Progress
) -> StoredAudit:
    """Resume from the pieces in ``folder``, and write the files of `StoredAudit` there.

    Raises ValueError for unusable input, and if another process runs this audit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            stored = _Work(question, PartialResults(folder / PIECES), progress).stored(digests)
            stored.write(folder)
            return stored
    except Timeout as error:
        raise ValueError(f"another process is at this audit: {folder}") from error


def delete_partial_results(folder: Path) -> None:
    """Delete the pieces, once the last file of an audit is written."""
    PartialResults(folder / PIECES).forget()


class _Work:
    """One process's work on an audit."""

    def __init__(self, question: AuditRequest, pieces: PartialResults, progress: Progress) -> None:
        self.question, self.pieces, self.progress = question, pieces, progress
        settings, target = question.settings, question.target
        self.device = torch.device(settings.device)
        self.precision = precision_of(settings.precision)
        corpus = read_corpus(
            question.members, question.nonmembers, target, question.references, settings, progress,
            question.suite,
        )  # fmt: skip
        path = question.canaries
        self.manifest = None if path is None else usable_manifest(path, target)
        self.stages = Stages(
            corpus=corpus,
            target=target,
            settings=settings,
            num_references=len(question.references),
            weights=self.precision.weights,
            device=self.device,
        )
        self.skipped = self.stages.skipped()
        self.passed: dict[str, Passed] = {}
        self.parameters: list[int] = []
        self.unused: list[list[str]] = []
        self.done = self.total = 0.0

    def stored(self, digests: Mapping[str, Any]) -> StoredAudit:
        target, references = self.question.target, self.question.references
        own = list(self.stages.of_target())
        others = [self.stages.of_reference(number) for number in range(len(references))]
        self.total = sum(stage.work for stage in [*own, *others])
        canaries = self._with(target, own)
        for reference, stage in zip(references, others, strict=True):
            self._with(reference, [stage])
        gathered = GatheredScores(
            passed=self.passed,
            skipped=self.skipped,
            parameters=self.parameters,
            unused=self.unused,
            canaries=canaries,
        )
        return stored_of(self.question, digests, self.stages, gathered)

    def _with(self, target: AuditTarget, stages: list[Stage]) -> dict[str, np.ndarray] | None:
        """Run all stages of one model, then release the model; the target comes first."""
        model = cache(lambda: target.load(self.precision).to(self.device))
        with self.precision.active(self.device.type):
            for stage in stages:
                self._go_through(stage, model)
            is_audited = target is self.question.target
            canaries = self._canaries(model) if is_audited else None
            counted = self._piece(f"parameters-{len(self.parameters)}", lambda: _counted(model()))
        self.parameters.append(int(counted["parameters"]))
        self.unused.append(counted["unused"].tolist())
        return canaries

    def _go_through(self, stage: Stage, model: LoadModel) -> None:
        before = self.done
        self._progress(stage.name)
        try:
            self.passed[stage.name] = run_stage(
                stage, self.pieces, model, self.device, partial(self._report_work, stage.name)
            )
        except StageImpossible as reason:
            self.skipped[stage.name] = str(reason)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        self.done = before + stage.work

    def _report_work(self, name: str, work: float) -> None:
        self.done += work
        self._progress(name)

    def _progress(self, name: str) -> None:
        self.progress(f"auditing: {name.replace('_', ' ')}", self.done, self.total)

    def _canaries(self, model: LoadModel) -> dict[str, np.ndarray] | None:
        if self.manifest is None:
            return None
        target, settings = self.question.target, self.question.settings
        measured = partial(
            canary_measurement,
            manifest=self.manifest,
            encode=target.encode_one,
            vocab_size=target.vocab_size,
            seed=settings.seed,
            device=self.device,
            exact_up_to=settings.exact_up_to,
            num_references=settings.num_references,
        )
        self._progress(CANARIES)
        return self._piece(CANARIES, lambda: dict(measured(model()).arrays))

    def _piece(self, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        held = self.pieces.read(name)
        if held is None:
            held = make()
            self.pieces.write(name, held)
        return held


def _counted(model: nn.Module) -> dict[str, np.ndarray]:
    number = sum(weight.numel() for weight in model.parameters())
    unused = np.array(getattr(model, "unused_weights", []), dtype=np.str_)
    return {"parameters": np.array(number), "unused": unused}
