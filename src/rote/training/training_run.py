"""Hold the state of one training run: data, settings, progress, and when it is over.

`rote.training.module` trains a run alone, `rote.training.stacked` several together. A checkpoint of
either serves the other, because this state knows nothing of how the weights move: so neither the
module nor the stack is part of a run id.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from rote.core.units import bits_from_nats
from rote.ledger.curve import BELOW_UNIFORM_BITS, LOSS_NATS, MEMORISED_BITS
from rote.optim.schedules import Schedule, earliest_end
from rote.precision import Precision
from rote.tasks.protocol import Sequences
from rote.training.budget import Budget
from rote.training.controls.combined import Controls
from rote.training.controls.protocol import Facts, GradientMaker, StoppingRule
from rote.training.data import Order

DIVERGED_FACTOR = 2.0  # times the loss of a uniform guesser

Row = dict[str, float]
MakeOptimiser = Callable[[Iterable[tuple[str, nn.Parameter]]], Optimizer]


class Diverged(RuntimeError):
    """The loss is not finite, or far above that of a uniform guesser."""


class Interrupted(RuntimeError):
    """Training stopped on request and left a checkpoint, from which the same run resumes."""


@dataclass
class FinishProgress:
    """Progress of the second phase; bits are memorised ones, or those below a uniform guesser."""

    evaluations: int = 0  # of loss and gradient of the whole training set
    iterations: int = 0
    renewed_at_iteration: int = 0
    restarted_at_iterations: list[int] = field(default_factory=list)  # the pairs were not saved
    bits_before: float = 0.0
    bits_after: float = 0.0
    gradient_norm: float = 0.0  # of the mean nats per token
    gains_bits: list[float] = field(default_factory=list)  # predicted, of the last iterations
    ended_by: str | None = None  # why it is over; None while it runs


@dataclass
class Progress:
    """Progress of training: together with weights and optimiser, all that a resume needs."""

    steps: int = 0  # optimiser steps done
    # Sums over the finished steps of the current stride, one for each process.
    stride_loss_nats: list[float] = field(default_factory=list)
    tokens_seen: int = 0
    memorised_bits: list[float] = field(default_factory=list)  # upper bounds, one per stride
    growth_bits_per_1000_steps: float | None = None
    converged: bool = False
    end_step: int | None = None  # brought forward by saturation; None: the budget's
    finish: FinishProgress | None = None  # None until the optimiser's steps are over

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> "Progress":
        """Build from a checkpoint."""
        finish = saved.get("finish")
        return cls(**{**saved, "finish": FinishProgress(**finish) if finish else None})

    def stride_loss_of(self, rank: int, num_processes: int) -> float:
        """Return the sum that this process goes on from; another number of them shares the mean."""
        sums = self.stride_loss_nats
        if len(sums) == num_processes:
            return sums[rank]
        return sum(sums) / len(sums) if sums else 0.0


@dataclass(frozen=True, kw_only=True)
class CheckpointPolicy:
    """When training saves a checkpoint, and how; by default a Trainer does so itself."""

    save: Callable[[int, dict[str, Any]], None] = lambda step, state: None
    stop: Callable[[], bool] = lambda: False  # called after every step
    every_seconds: float | None = None  # None: only on request to stop
    has_pairs: bool = True  # False: the finish restarts from the weights of a checkpoint


@dataclass(frozen=True, kw_only=True)
class LookPolicy:
    """When a run is measured while it trains, and how."""

    at: frozenset[int]  # optimiser steps done; 0: before training
    take: Callable[[], None]  # measures the run's model without changing what training computes


@dataclass(kw_only=True)
class TrainingRun:
    """A model, one fixed set of sequences, and the budget in which it may memorise them."""

    model: nn.Module
    sequences: Sequences
    length: int
    entropy_bits: float  # of the data; if unknown, a uniform guesser's code length
    vocab_size: int
    order: Order
    optimiser: MakeOptimiser
    schedule: Schedule
    clip_norm: float | None
    budget: Budget
    precision: Precision
    on_row: Callable[[Row], None]
    checkpointing: CheckpointPolicy
    resume: Mapping[str, Any] | None
    looking: LookPolicy | None = None
    compile_mode: str | None = None
    attention: str | None = None  # the kernel that torch's attention takes
    recomputed: bool = False  # blocks run again in the backward pass
    num_microbatches: int = 1  # of the batch of one process
    entropy_is_known: bool = True
    scored_from: int = 0  # tokens before this position are read, not learnt or scored
    seed: int = 0  # for draws of controls
    controls: Controls = field(default_factory=Controls)
    gradient_maker: GradientMaker | None = None  # replaces the backward pass
    watch: StoppingRule | None = None  # may end training, and chooses its weights
    num_left_out: int | None = None  # of the task's sequences, if a control may leave some out

    def __post_init__(self) -> None:
        self.progress = Progress.of(self.resume["progress"]) if self.resume else Progress()
        if self.resume and self.watch:
            self.watch.load(self.resume["watch"])

    def fraction(self, step: int) -> float:
        """Return the fraction of the peak learning rates at this step."""
        return self.schedule(step, self.end_step)

    @property
    def guesser_nats(self) -> float:
        """Return the nats per token of a uniform guesser."""
        return math.log(self.vocab_size)

    @property
    def bits_name(self) -> str:
        """Return the name of the quantity that `bits` computes."""
        return MEMORISED_BITS if self.entropy_is_known else BELOW_UNIFORM_BITS

    def bits(self, loss_nats: float) -> float:
        """Return the bits of the training set at this loss in nats per token."""
        return self.entropy_bits - self.epoch_tokens * bits_from_nats(loss_nats)

    @property
    def updates(self) -> int:
        """Return the optimiser's steps and the finish's evaluations that are done."""
        finish = self.progress.finish
        return self.progress.steps + (finish.evaluations if finish else 0)

    def row(self, loss_nats: float) -> Row:
        """Return a row of the curve for the current state."""
        return {
            "step": self.updates,
            "tokens": self.progress.tokens_seen,
            LOSS_NATS: loss_nats,
            self.bits_name: self.bits(loss_nats),
        }

    @property
    def end_step(self) -> int:
        """Return the total number of steps, as far as it is known now."""
        return self.progress.end_step or self.budget.max_steps

    @property
    def epoch_tokens(self) -> int:
        """Return the number of tokens scored in one pass over the training set."""
        return self.sequences.num_sequences * (self.length - self.scored_from)

    def stride(self) -> range:
        """Return all steps of the stride whose loss is checked next, finished ones included."""
        every = self.budget.check_every_steps
        start = every * len(self.progress.memorised_bits)
        return range(start, min(start + every, self.budget.max_steps))

    def is_look_due(self) -> bool:
        """Return whether the run is measured after the steps that are done now."""
        return self.looking is not None and self.progress.steps in self.looking.at

    def look(self) -> None:
        """Measure the model, which holds the current weights, if a look is due."""
        if self.looking and self.is_look_due():
            self.looking.take()

    def is_over(self) -> bool:
        """Return whether training is over.

        It is when its steps are used up, when it has saturated and no decay of the rate is to come,
        or when its stopping rule ends it.
        """
        return (
            self.progress.steps >= self.end_step
            or (self._is_saturated() and self.progress.end_step is None)
            or (self.watch is not None and self.watch.is_over)
        )

    def _is_saturated(self) -> bool:
        enough = self.progress.steps >= self.budget.saturation.min_steps
        return self.progress.converged and enough

    def _bring_the_end_forward(self) -> None:
        """Start a decay that is still to come now, because it adds bits (docs/log.md)."""
        every, steps = self.budget.check_every_steps, self.progress.steps
        end = earliest_end(self.schedule, steps - 1, self.budget.max_steps)
        if steps < end < self.budget.max_steps:
            self.progress.end_step = min(-(-end // every) * every, self.budget.max_steps)

    @property
    def _most_nats(self) -> float:
        """Return the divergence limit; none if tokens are masked: their loss is unbounded."""
        if self.controls.leave_tokens_out:
            return sys.float_info.max
        return DIVERGED_FACTOR * self.guesser_nats

    def check_loss(self, steps: range, loss_nats: float, learning_rate: float) -> None:
        """Record progress after a stride; raises Diverged."""
        progress = self.progress
        length = self.length - self.scored_from
        # `not <=` rather than `>`: it also catches NaN.
        if not loss_nats <= self._most_nats:
            raise Diverged(
                f"the loss is {loss_nats:.4g} nats per token by step {steps.stop}, "
                f"that of a model which knows nothing is {self.guesser_nats:.4g}"
            )
        bits = self.bits(loss_nats)
        saturation = self.budget.saturation
        progress.stride_loss_nats = []
        progress.tokens_seen += round(self.order.batches(steps) * self.order.batch_size) * length
        progress.memorised_bits.append(bits)
        growth = saturation.growth(progress.memorised_bits, self.budget.check_every_steps)
        progress.growth_bits_per_1000_steps = growth
        progress.converged = saturation.reached(growth, bits, self.entropy_bits)
        if self._is_saturated() and progress.end_step is None:
            self._bring_the_end_forward()
        row: Row = self.row(loss_nats) | {"learning_rate": learning_rate}
        if self.watch:
            row |= self._check_stopping_rule(self.watch)
        self.on_row(row)

    def _check_stopping_rule(self, watch: StoppingRule) -> Facts:
        """Raises Diverged if the stride's last step left bad weights, though its loss is finite."""
        facts = watch.check_loss(self.model, self.progress.steps, self.precision)
        for name, value in facts.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value} by step {self.progress.steps}")
        return facts

    def save(self, **weights_and_state: Any) -> None:
        """Save a checkpoint: the arguments, and the progress of training."""
        state = {"progress": asdict(self.progress), **weights_and_state}
        if self.watch:
            state["watch"] = self.watch.state()
        self.checkpointing.save(self.updates, state)

    def wait_for_finish(self) -> None:
        """Save the state after the steps; the finish waits for other runs of the stack."""
        self.progress.finish = FinishProgress()
        self.save(model=self.model.state_dict(), rng=torch.get_rng_state())

    def finish(self) -> None:
        """Put the weights that are to be measured into the model; training is over."""
        if self.watch:
            self.watch.end(self.model)
        self.precision.settle(self.model)

    def facts(self) -> Facts:
        """Return what controls and the number format add to the record; empty for most runs."""
        facts: dict[str, float] = dict(self.precision.facts(self.model))
        if self.num_left_out is not None:
            facts["sequences_left_out"] = self.num_left_out
        if self.gradient_maker:
            facts |= self.gradient_maker.facts(self.progress.steps)
        if self.watch:
            facts |= self.watch.facts()
        return facts


OnEnd = Callable[[TrainingRun, Diverged | None], None]  # called with a run that leaves its module


def next_save_seconds(runs: Iterable[TrainingRun]) -> float:
    """Return when a checkpoint of runs that train together is due, by `time.monotonic`."""
    wanted = [run.checkpointing.every_seconds for run in runs]
    return time.monotonic() + min((one for one in wanted if one is not None), default=math.inf)
