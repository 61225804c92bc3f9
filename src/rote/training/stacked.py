"""Train a stack with Lightning: one Lightning step is one stride of every run.

Shapes: T steps in a stride, K runs, B batch, L positions.
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim import Optimizer

from rote.training.data import BatchOrder, StackedTokens, TokensInMemory
from rote.training.stack import CannotStack, Stack
from rote.training.training_run import Diverged, Interrupted, OnEnd, TrainingRun, next_save_seconds


class StackedTrainingModule(lightning.LightningModule):
    """Trains runs of one shape together; each leaves when it is over or has diverged.

    ``on_end`` is called with a run that leaves, after its model has received its weights. Raises
    CannotStack for runs that differ in more than data, seed and learning rates; raises Interrupted
    once each has left a checkpoint, from which it can also resume alone.
    """

    def __init__(self, runs: Sequence[TrainingRun], on_end: OnEnd, device: torch.device) -> None:
        super().__init__()
        self.automatic_optimization = False
        if why := runs[0].controls.why_alone or runs[0].precision.why_alone:
            raise CannotStack(why)
        if any(run.num_microbatches > 1 for run in runs):
            raise CannotStack("their batches are cut into micro-batches")
        _require_one_pace(runs)
        self.active = list(runs)
        self.on_end = on_end
        saved = [run.resume for run in runs]
        for run, state in zip(runs, saved, strict=True):
            run.model.to(device)
            if state:
                run.model.load_state_dict(state["model"])
        self.stack = Stack(
            models=[run.model for run in runs],
            optimisers=[run.optimiser for run in runs],
            clip_norm=runs[0].clip_norm,
            precision=runs[0].precision,
            compile_mode=runs[0].compile_mode,
            objective=runs[0].controls.objective(runs[0].scored_from),
        )
        states = [state["optimiser"] for state in saved if state]
        if states:
            self.stack.load_optimiser_states(states)
        self.pooled = _pooled(runs)
        # Training here never draws from it; a run that resumes alone finds its own state.
        self.rng = [state["rng"] if state else torch.get_rng_state() for state in saved]
        for run in runs:
            run.resume = None  # frees the copies of the weights

    def train_dataloader(self) -> list[int]:
        """Return numbers for the Lightning steps, an upper bound: each ends a stride of a run."""
        return list(range(sum(len(run.budget.strides()) for run in self.active)))

    def configure_optimizers(self) -> Optimizer:
        """Return the optimiser; the stack sets its rates."""
        return self.stack.optimiser

    def on_fit_start(self) -> None:
        """Start the clock for the first checkpoint."""
        self.next_save_seconds = next_save_seconds(self.active)
        self._measure()

    def training_step(self, *_: int) -> None:
        """Train up to the next check of a loss."""
        start = self.active[0].progress.steps
        steps = range(start, min(run.stride().stop for run in self.active))
        begun = [run.progress.stride_loss_of(0, 1) for run in self.active]
        sums_K = torch.tensor(begun, dtype=torch.float64, device=self.stack.device)
        # Both for the whole stride at once, because a copy to a GPU waits for all its queued work.
        fractions_TK = torch.tensor([[one.fraction(step) for one in self.active] for step in steps])
        indices_TKB = torch.stack([_indices(run, steps) for run in self.active], dim=1)
        for step, fractions_K, indices_KB in zip(
            steps,
            fractions_TK.to(self.stack.device),
            indices_TKB.to(self.stack.device),
            strict=True,
        ):
            tokens_KBL = self._tokens(indices_KB)
            change = (
                partial(self._change, step) if self.active[0].controls.gradient_changers else None
            )
            sums_K += self.stack.step(tokens_KBL, fractions_K, change)
            for run in self.active:
                run.progress.steps = step + 1
            self._measure()
            self._keep(sums_K)
        self._check_losses(sums_K.tolist())
        if not self.active:
            self.trainer.should_stop = True

    def _change(self, step: int, number: int, gradients: Sequence[Tensor]) -> None:
        """Change one run's gradients with its own seed."""
        run = self.active[number]
        run.controls.change_gradients(gradients, seed=run.seed, step=step)

    def _tokens(self, indices_KB: Tensor) -> Tensor:
        if self.pooled:
            return self.pooled.tokens(indices_KB)
        read = [one.sequences.tokens(row) for one, row in zip(self.active, indices_KB, strict=True)]
        return torch.stack(read)

    def _measure(self) -> None:
        """Measure each run of which a look is due; its model receives its weights."""
        for number, run in enumerate(self.active):
            if run.is_look_due():
                run.model.load_state_dict(self.stack.weights(number))
                run.look()

    def _check_losses(self, sums: list[float]) -> None:
        """Check the losses of runs whose stride has ended; runs that are over leave."""
        staying = []
        for number, (run, loss_sum) in enumerate(zip(self.active, sums, strict=True)):
            steps, whole = run.progress.steps, run.stride()
            run.progress.stride_loss_nats = [loss_sum]
            diverged = None
            if steps == whole.stop:
                rate = float(self.stack.peaks[0][number]) * run.fraction(steps - 1)
                try:
                    run.check_loss(whole, loss_sum / len(whole), rate)
                except Diverged as error:
                    diverged = error
            if diverged or run.is_over():
                run.model.load_state_dict(self.stack.weights(number))
                self.on_end(run, diverged)
            else:
                staying.append(number)
        if len(staying) < len(self.active):
            if staying:
                self.stack.keep(staying)
                self.pooled = self.pooled.keep(staying) if self.pooled else None
            self.active = [self.active[number] for number in staying]
            self.rng = [self.rng[number] for number in staying]

    def _keep(self, sums_K: Tensor) -> None:
        """At the end of a step, save checkpoints when they are due, and stop on request."""
        stop = any(run.checkpointing.stop() for run in self.active)
        if not stop and time.monotonic() < self.next_save_seconds:
            return
        for number, (run, loss_sum) in enumerate(zip(self.active, sums_K.tolist(), strict=True)):
            run.progress.stride_loss_nats = [loss_sum]
            run.save(**self._state(number))
        if stop:
            raise Interrupted(f"stopped at step {self.active[0].progress.steps} with checkpoints")
        self.next_save_seconds = next_save_seconds(self.active)

    def _state(self, number: int) -> dict[str, Any]:
        return {
            "model": self.stack.weights(number),
            "optimiser": self.stack.optimiser_state(number),
            "rng": self.rng[number],
        }


def _require_one_pace(runs: Sequence[TrainingRun]) -> None:
    def pace(run: TrainingRun) -> tuple[object, ...]:
        return (
            run.progress.steps,
            run.resume is None,
            run.order.batch_size,
            run.length,
            run.budget.check_every_steps,
            run.clip_norm,
            run.precision,
            run.scored_from,
        )

    if any(pace(run) != pace(runs[0]) for run in runs):
        raise CannotStack("their steps, batches, clipping or number formats differ")
    if any(run.controls != runs[0].controls for run in runs):
        raise CannotStack("their controls differ")


def _pooled(runs: Sequence[TrainingRun]) -> StackedTokens | None:
    """Return all sequences in one tensor; None if some are made for each batch."""
    resident = [one.sequences for one in runs if isinstance(one.sequences, TokensInMemory)]
    return StackedTokens.of(resident) if len(resident) == len(runs) else None


def _indices(run: TrainingRun, steps: range) -> Tensor:
    assert isinstance(run.order, BatchOrder)  # other orders need controls that run alone
    return run.order.indices(steps)
