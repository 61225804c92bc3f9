"""The Lightning module of a stack: one Lightning step is one stride of every member.

Shapes: T steps in a stride, K members, B batch, L positions.
"""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim import Optimizer

from rote.training.data import Pooled, Resident
from rote.training.member import Diverged, Interrupted, Member
from rote.training.order import BatchOrder
from rote.training.stack import CannotStack, Stack

OnEnd = Callable[[Member, Diverged | None], None]


class StackedMemoriser(lightning.LightningModule):
    """Trains members of one shape side by side; each leaves when it is over or has diverged.

    ``on_end`` is called with a member that leaves, its model holding its weights. Raises
    CannotStack for members that differ in more than data, seed and learning rates, and Interrupted
    once each has left a checkpoint, from which it can go on alone as well.
    """

    def __init__(self, members: Sequence[Member], on_end: OnEnd, device: torch.device) -> None:
        super().__init__()
        self.automatic_optimization = False
        if why := members[0].controls.why_alone or members[0].precision.why_alone:
            raise CannotStack(why)
        _require_one_pace(members)
        self.here = list(members)
        self.on_end = on_end
        saved = [member.resume for member in members]
        for member, state in zip(members, saved, strict=True):
            member.model.to(device)
            if state:
                member.model.load_state_dict(state["model"])
        self.stack = Stack(
            models=[member.model for member in members],
            optimisers=[member.optimiser for member in members],
            clip_norm=members[0].clip_norm,
            precision=members[0].precision,
            compile_mode=members[0].compile_mode,
            objective=members[0].controls.objective(members[0].scored_from),
        )
        states = [state["optimiser"] for state in saved if state]
        if states:
            self.stack.load_optimiser_states(states)
        self.pooled = _pooled(members)
        # Nothing draws from it in training: a member that goes on alone finds its own.
        self.rng = [state["rng"] if state else torch.get_rng_state() for state in saved]
        for member in members:
            member.resume = None  # the copies of the weights are not needed any more

    def strides_left(self) -> range:
        """At most: every Lightning step ends a stride of at least one member."""
        return range(sum(len(member.budget.strides()) for member in self.here))

    def configure_optimizers(self) -> Optimizer:
        """Its rates are set by the stack."""
        return self.stack.optimiser

    def on_fit_start(self) -> None:
        """The time of the first checkpoint counts from here."""
        self.next_save_seconds = self._next_save()

    def training_step(self, *_: int) -> None:
        """The steps up to the next look at a loss."""
        start = self.here[0].progress.steps
        steps = range(start, min(member.stride().stop for member in self.here))
        begun = [sum(member.progress.stride_loss_nats) for member in self.here]
        sums_K = torch.tensor(begun, dtype=torch.float64, device=self.stack.device)
        # Both for the whole stride at once: a copy to a GPU waits for all that it has to do.
        fractions_TK = torch.tensor([[one.fraction(step) for one in self.here] for step in steps])
        indices_TKB = torch.stack([_indices(member, steps) for member in self.here], dim=1)
        for step, fractions_K, indices_KB in zip(
            steps,
            fractions_TK.to(self.stack.device),
            indices_TKB.to(self.stack.device),
            strict=True,
        ):
            tokens_KBL = self._tokens(indices_KB)
            change = (
                partial(self._change, step) if self.here[0].controls.gradient_changers else None
            )
            sums_K += self.stack.step(tokens_KBL, fractions_K, change)
            for member in self.here:
                member.progress.steps = step + 1
            self._keep(sums_K)
        self._look(sums_K.tolist())
        if not self.here:
            self.trainer.should_stop = True

    def _change(self, step: int, number: int, gradients: Sequence[Tensor]) -> None:
        """Each member draws on its own seed."""
        member = self.here[number]
        member.controls.change_gradients(gradients, seed=member.seed, step=step)

    def _tokens(self, indices_KB: Tensor) -> Tensor:
        if self.pooled:
            return self.pooled.tokens(indices_KB)
        read = [one.sequences.tokens(row) for one, row in zip(self.here, indices_KB, strict=True)]
        return torch.stack(read)

    def _look(self, sums: list[float]) -> None:
        """At the losses of those whose stride has ended; who is over leaves."""
        staying = []
        for number, (member, loss_sum) in enumerate(zip(self.here, sums, strict=True)):
            steps = member.progress.steps
            whole = member.budget.strides()[(steps - 1) // member.budget.check_every_steps]
            member.progress.stride_loss_nats = [loss_sum]
            diverged = None
            if steps == whole.stop:
                rate = float(self.stack.peaks[0][number]) * member.fraction(steps - 1)
                try:
                    member.look(whole, loss_sum / len(whole), rate)
                except Diverged as error:
                    diverged = error
            if diverged or member.is_over():
                member.model.load_state_dict(self.stack.weights(number))
                self.on_end(member, diverged)
            else:
                staying.append(number)
        if len(staying) < len(self.here):
            if staying:
                self.stack.keep(staying)
                self.pooled = self.pooled.keep(staying) if self.pooled else None
            self.here = [self.here[number] for number in staying]
            self.rng = [self.rng[number] for number in staying]

    def _keep(self, sums_K: Tensor) -> None:
        """At a step's end: leave checkpoints where they are due, and stop where that is asked."""
        stop = any(member.keeper.stop() for member in self.here)
        if not stop and time.monotonic() < self.next_save_seconds:
            return
        for number, (member, loss_sum) in enumerate(zip(self.here, sums_K.tolist(), strict=True)):
            member.progress.stride_loss_nats = [loss_sum]
            member.save(**self._state(number))
        if stop:
            raise Interrupted(f"stopped at step {self.here[0].progress.steps} with checkpoints")
        self.next_save_seconds = self._next_save()

    def _state(self, number: int) -> dict[str, Any]:
        return {
            "model": self.stack.weights(number),
            "optimiser": self.stack.optimiser_state(number),
            "rng": self.rng[number],
        }

    def _next_save(self) -> float:
        wanted = [member.keeper.every_seconds for member in self.here]
        return time.monotonic() + min((one for one in wanted if one is not None), default=math.inf)


def _require_one_pace(members: Sequence[Member]) -> None:
    def pace(member: Member) -> tuple[object, ...]:
        return (
            member.progress.steps,
            member.resume is None,
            member.order.batch_size,
            member.length,
            member.budget.check_every_steps,
            member.clip_norm,
            member.precision,
            member.scored_from,
        )

    if any(pace(member) != pace(members[0]) for member in members):
        raise CannotStack("their steps, batches, clipping or number formats differ")
    if any(member.controls != members[0].controls for member in members):
        raise CannotStack("their controls differ")


def _pooled(members: Sequence[Member]) -> Pooled | None:
    """None where sequences are made for each batch."""
    resident = [one.sequences for one in members if isinstance(one.sequences, Resident)]
    return Pooled.of(resident) if len(resident) == len(members) else None


def _indices(member: Member, steps: range) -> Tensor:
    assert isinstance(member.order, BatchOrder)  # other orders come with controls that run alone
    return member.order.indices(steps)
