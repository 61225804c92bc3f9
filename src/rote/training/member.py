"""One run in training: what it reads and when, how far it has come, when it is over.

The weights are moved by `rote.training.module`, alone, or by `rote.training.stacked`, with others.
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from rote.ledger.curve import BELOW_UNIFORM_BITS, LOSS_NATS, MEMORISED_BITS
from rote.optim.schedules import Schedule, earliest_end
from rote.precision import Precision
from rote.tasks.protocol import Sequences
from rote.training.budget import Budget
from rote.training.controls.protocol import Facts, GradientMaker, Watch
from rote.training.controls.together import Controls
from rote.training.order import Order
from rote.units import bits_from_nats

DIVERGED_FACTOR = 2.0  # times the loss of a model that knows nothing

Row = dict[str, float]
MakeOptimiser = Callable[[Iterable[tuple[str, nn.Parameter]]], Optimizer]


class Diverged(RuntimeError):
    """The loss is not finite, or far above that of a model that knows nothing."""


class Interrupted(RuntimeError):
    """Training was asked to stop and has left a checkpoint; the same run goes on from there."""


@dataclass
class FinishProgress:
    """How far the second phase has come; bits are memorised, or below a uniform guesser's."""

    evaluations: int = 0  # of loss and gradient of the whole training set
    iterations: int = 0
    renewed_at_iteration: int = 0
    bits_before: float = 0.0
    bits_after: float = 0.0
    gradient_norm: float = 0.0  # of the mean nats of a token
    gains_bits: list[float] = field(default_factory=list)  # predicted, of the last iterations
    ended_by: str | None = None  # why it is over; None: it is not


@dataclass
class Progress:
    """How far training has come: with weights and optimiser, all that going on needs."""

    steps: int = 0  # optimiser steps done
    # Sums over the steps done of the stride under way, one for each process.
    stride_loss_nats: list[float] = field(default_factory=list)
    tokens_seen: int = 0
    memorised_bits: list[float] = field(default_factory=list)  # at most: one estimate a stride
    growth_bits_per_1000_steps: float | None = None
    converged: bool = False
    end_step: int | None = None  # brought forward by saturation; None: the budget's
    finish: FinishProgress | None = None  # None: the optimiser's steps are not over

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> "Progress":
        """From a checkpoint."""
        finish = saved.get("finish")
        return cls(**{**saved, "finish": FinishProgress(**finish) if finish else None})


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """When training leaves a checkpoint, and with whom."""

    save: Callable[[int, dict[str, Any]], None]
    stop: Callable[[], bool]  # asked after every step
    every_seconds: float | None  # None: only when asked to stop


@dataclass(kw_only=True)
class Member:
    """A model, one fixed set of sequences, and the budget in which it may memorise them."""

    model: nn.Module
    sequences: Sequences
    length: int
    entropy_bits: float  # of the data; where that is unknown, a uniform guesser's code length
    vocab_size: int
    order: Order
    optimiser: MakeOptimiser
    schedule: Schedule
    clip_norm: float | None
    budget: Budget
    precision: Precision
    on_row: Callable[[Row], None]
    keeper: Keeper
    resume: Mapping[str, Any] | None
    compile_mode: str | None = None
    entropy_is_known: bool = True
    scored_from: int = 0  # tokens before this position are read, not learnt or scored
    seed: int = 0  # of what controls draw
    controls: Controls = field(default_factory=Controls)
    gradient_maker: GradientMaker | None = None  # in the place of the backward pass
    watch: Watch | None = None  # may end training, and chooses its weights
    num_left_out: int | None = None  # of the task's sequences, where a control may leave some out

    def __post_init__(self) -> None:
        self.progress = Progress.of(self.resume["progress"]) if self.resume else Progress()
        if self.resume and self.watch:
            self.watch.load(self.resume["watch"])

    def fraction(self, step: int) -> float:
        """Of the peak learning rates, at this step."""
        return self.schedule(step, self.end_step)

    @property
    def guesser_nats(self) -> float:
        """Per token, of a model that knows nothing."""
        return math.log(self.vocab_size)

    @property
    def bits_name(self) -> str:
        """What `bits` are."""
        return MEMORISED_BITS if self.entropy_is_known else BELOW_UNIFORM_BITS

    def bits(self, loss_nats: float) -> float:
        """Of the training set, where a token costs so much."""
        return self.entropy_bits - self.epoch_tokens * bits_from_nats(loss_nats)

    def row(self, loss_nats: float) -> Row:
        """Of the curve: where training stands now."""
        finish = self.progress.finish
        return {
            "step": self.progress.steps + (finish.evaluations if finish else 0),
            "tokens": self.progress.tokens_seen,
            LOSS_NATS: loss_nats,
            self.bits_name: self.bits(loss_nats),
        }

    @property
    def end_step(self) -> int:
        """The steps in all, as far as is known now."""
        return self.progress.end_step or self.budget.max_steps

    @property
    def epoch_tokens(self) -> int:
        """Scored in one pass over the training set."""
        return self.sequences.num_sequences * (self.length - self.scored_from)

    def stride(self) -> range:
        """The steps up to the next look at the loss, those behind us included."""
        every = self.budget.check_every_steps
        start = self.progress.steps // every * every
        return range(start, min(start + every, self.budget.max_steps))

    def is_over(self) -> bool:
        """Whether its steps are used up, or it has saturated with no decay of the rate to come."""
        return (
            self.progress.steps >= self.end_step
            or (self._is_saturated() and self.progress.end_step is None)
            or (self.watch is not None and self.watch.is_over)
        )

    def _is_saturated(self) -> bool:
        enough = self.progress.steps >= self.budget.saturation.min_steps
        return self.progress.converged and enough

    def _bring_the_end_forward(self) -> None:
        """A decay still to come adds bits (docs/log.md): it begins now rather than never."""
        every, steps = self.budget.check_every_steps, self.progress.steps
        end = earliest_end(self.schedule, steps - 1, self.budget.max_steps)
        if steps < end < self.budget.max_steps:
            self.progress.end_step = min(-(-end // every) * every, self.budget.max_steps)

    @property
    def _most_nats(self) -> float:
        """Tokens that are never learnt may cost any finite number: what is sure of others errs."""
        if self.controls.leave_tokens_out:
            return sys.float_info.max
        return DIVERGED_FACTOR * self.guesser_nats

    def look(self, steps: range, loss_nats: float, learning_rate: float) -> None:
        """After a stride: note where training stands; raises Diverged."""
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
            row |= self._watched(self.watch)
        self.on_row(row)

    def _watched(self, watch: Watch) -> Facts:
        """The stride's loss may be finite where weights that its last step left are not."""
        facts = watch.look(self.model, self.progress.steps, self.precision)
        for name, value in facts.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value} by step {self.progress.steps}")
        return facts

    def save(self, **weights_and_state: Any) -> None:
        """Leave a checkpoint: what is given, and how far training has come."""
        state = {"progress": asdict(self.progress), **weights_and_state}
        if self.watch:
            state["watch"] = self.watch.state()
        self.keeper.save(self.progress.steps, state)

    def wait_for_finish(self) -> None:
        """The optimiser's steps are over, and others of a stack go on before the finish begins."""
        self.progress.finish = FinishProgress()
        self.save(model=self.model.state_dict(), rng=torch.get_rng_state())

    def finish(self) -> None:
        """Training is over: the model gets the weights that are to be measured."""
        if self.watch:
            self.watch.end(self.model)
        self.precision.settle(self.model)

    def facts(self) -> Facts:
        """What controls and the number format add to the record; nothing in most runs."""
        facts: dict[str, float] = dict(self.precision.facts(self.model))
        if self.num_left_out is not None:
            facts["sequences_left_out"] = self.num_left_out
        if self.gradient_maker:
            facts |= self.gradient_maker.facts(self.progress.steps)
        if self.watch:
            facts |= self.watch.facts()
        return facts
