"""The Lightning module: one Lightning step is one stride of many optimiser steps.

Lightning costs about half a millisecond a step of its own, as much as a small model's forward pass;
a stride pays it once, and the host looks at the loss once a stride.
Shapes: K steps in a stride, B batch, L positions.
"""

import math
import time
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim import Optimizer

from rote.training import distributed, sharding
from rote.training.compiling import compiled
from rote.training.member import Interrupted, Member


class Memoriser(lightning.LightningModule):
    """Trains one member until it is over; raises Diverged, and Interrupted after a checkpoint."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.automatic_optimization = False
        if member.order.batch_size % distributed.num_processes():
            raise ValueError(
                f"{distributed.num_processes()} processes cannot share batches of "
                f"{member.order.batch_size} sequences equally"
            )
        self.member = member
        self.model = member.model
        self.objective = member.controls.objective(member.scored_from)
        self.of_tokens = compiled(self.objective.of_tokens, member.compile_mode)

    def strides_left(self) -> range:
        """Numbers of the strides that are not over; a stride interrupted at its end is not."""
        done = len(self.member.progress.memorised_bits)
        return range(done, len(self.member.budget.strides()))

    def configure_model(self) -> None:
        """Lightning's hook for sharing a model out; it gives a mesh only where that is asked."""
        if self.device_mesh is not None:
            sharding.shard(self.model, self.device_mesh["data_parallel"])

    def configure_optimizers(self) -> Optimizer:
        """Schedules are pure functions of the step, applied in `_step`: Lightning needs none."""
        return self.member.optimiser(self.model.named_parameters())

    def on_fit_start(self) -> None:
        """Keep all weights and peak rates of their groups; then go on from a checkpoint, if any."""
        optimiser = self._optimiser()
        self.weights = list(self.model.parameters())
        self.peak_rates = [group["lr"] for group in optimiser.param_groups]
        self.next_save_seconds = self._next_save()
        if resume := self.member.resume:
            sharding.load_weights(self.model, resume["model"])
            sharding.load_optimiser(optimiser, resume["optimiser"])
            torch.set_rng_state(resume["rng"])
            self.member.resume = None  # the copy of the weights is not needed any more

    def training_step(self, stride: int, _: int) -> None:
        """One stride, or what is left of it: a "batch" of the loader is no more than its number."""
        member, progress = self.member, self.member.progress
        whole = member.budget.strides()[stride]
        steps = range(max(whole.start, progress.steps), whole.stop)
        begun = progress.stride_loss_nats[distributed.rank()] if progress.stride_loss_nats else 0.0
        loss_sum = torch.tensor(begun, dtype=torch.float64, device=self.device)
        # Each process reads its share of every batch.
        share = slice(distributed.rank(), None, distributed.num_processes())
        indices_KB = member.order.read(steps, share=share, device=self.device)
        for step, indices_B in zip(steps, indices_KB, strict=True):
            loss_sum += self._step(step, member.sequences.tokens(indices_B))
            progress.steps = step + 1
            self._keep(loss_sum)
        loss_nats = _mean(distributed.from_all(float(loss_sum))) / member.order.batches(whole)
        member.look(whole, loss_nats, self._optimiser().param_groups[0]["lr"])
        if member.is_over():
            self.trainer.should_stop = True

    def _keep(self, loss_sum: Tensor) -> None:
        """At a step's end: leave a checkpoint where one is due, and stop where that is asked."""
        member = self.member
        stop = distributed.any_of(member.keeper.stop())
        due = time.monotonic() >= self.next_save_seconds
        if not (stop or distributed.any_of(due)):
            return
        member.progress.stride_loss_nats = distributed.from_all(float(loss_sum))
        member.save(
            model=sharding.gathered(self.model.state_dict()),
            optimiser=sharding.gathered(self._optimiser().state_dict()),
            rng=torch.get_rng_state(),
        )
        if stop:
            raise Interrupted(f"stopped at step {member.progress.steps} with a checkpoint")
        self.next_save_seconds = self._next_save()

    def _next_save(self) -> float:
        every = self.member.keeper.every_seconds
        return math.inf if every is None else time.monotonic() + every

    def _step(self, step: int, tokens_BL: Tensor) -> Tensor:
        """One update; returns the loss before it, in nats per token."""
        member, optimiser = self.member, self._optimiser()
        fraction = member.fraction(step)
        for group, peak in zip(optimiser.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak * fraction
        member.controls.before_step(seed=member.seed, step=step)
        with member.precision.active(self.device.type):
            loss = self._gradients(step, tokens_BL)
        gradients = [one.grad for one in self.weights if one.grad is not None]
        member.precision.unscale(gradients)
        if member.clip_norm is not None:
            _clip(gradients, member.clip_norm)
        if member.controls.gradient_changers:
            member.controls.change_gradients(gradients, seed=member.seed, step=step)
        optimiser.step()
        for weight in self.weights:
            weight.grad = None
        return loss.detach()

    def _gradients(self, step: int, tokens_BL: Tensor) -> Tensor:
        """Into the parameters; returns what the tokens cost, whatever is trained on."""
        if make := self.member.gradient_maker:
            return make(self.model, tokens_BL, step=step, objective=self.objective)
        trained_BL, nats_BL = self.of_tokens(self.model, tokens_BL)
        loss = trained_BL.mean()
        self._backward(self.member.precision.scaled(loss))
        return loss if trained_BL is nats_BL else nats_BL.mean()

    def _backward(self, loss: Tensor) -> None:
        """Lightning's own where gradients are averaged over processes; the bare one is cheaper."""
        if distributed.num_processes() > 1:
            self.manual_backward(loss)
        else:
            loss.backward()  # type: ignore[no-untyped-call]

    def _optimiser(self) -> Any:
        """The bare one: Lightning's wrapper costs 50 us a step and adds nothing here."""
        return self.optimizers(use_pl_optimizer=False)


def _clip(gradients: list[Tensor], max_norm: float) -> None:
    """As `torch.nn.utils.clip_grad_norm_`, which takes 70 us for 1x12 where this takes 35."""
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
