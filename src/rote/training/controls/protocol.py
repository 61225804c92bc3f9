"""What a control may change of a run: each kind is a protocol, and a control is of one or more.

Controls are frozen settings: two runs with equal ones may train as one stack. What they draw is a
function of the run's seed and the step. Shapes: B batch, L positions, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from rote.precision import Precision
from rote.tasks.protocol import Sequences, Task
from rote.training.budget import Budget
from rote.training.data import Order
from rote.training.objective import Objective

Facts = Mapping[str, float]  # what a record tells beside the settings


@dataclass(frozen=True, kw_only=True)
class PlannedTraining:
    """What is known of a run before it starts."""

    task: Task
    model: nn.Module  # on the meta device: shapes without values
    num_sequences: int  # to train on, as controls leave them
    budget: Budget
    compile_mode: str | None

    @property
    def batch_size(self) -> int:
        """A smaller data set is read whole."""
        return min(self.budget.batch_size, self.num_sequences)


@runtime_checkable
class Checks(Protocol):
    """A control that does not go with everything."""

    def check(self, prospect: PlannedTraining) -> None:
        """Before any training; raises ValueError."""
        ...


@runtime_checkable
class ChangesModel(Protocol):
    """A control of how the model computes while it trains, perhaps at random."""

    def change_model(self, model: nn.Module) -> None:
        """In place; torch's generator is set anew at each step of such a run."""
        ...


@runtime_checkable
class ChangesSequences(Protocol):
    """A control of what is trained on; measures go on reading the task's own sequences."""

    def change_sequences(self, sequences: Sequences, *, length: int) -> Sequences:
        """Those to train on."""
        ...


@runtime_checkable
class ChangesGradients(Protocol):
    """A control of the step: it comes after clipping, right before the optimiser."""

    def change_gradients(self, gradients: Sequence[Tensor], *, seed: int, step: int) -> None:
        """In place; the gradients of one model, in the order of its parameters."""
        ...


class GradientMaker(Protocol):
    """Who takes the gradients of one run."""

    @property
    def order(self) -> Order:
        """Which sequences each step reads."""
        ...

    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, *, step: int, objective: Objective
    ) -> Tensor:
        """Leave gradients in the parameters; returns this batch's part of the loss, in nats."""
        ...

    def facts(self, steps: int) -> Facts:
        """After so many steps."""
        ...


@runtime_checkable
class MakesGradients(Protocol):
    """A control that takes the place of the backward pass; a run has one at most."""

    @property
    def microbatch_size(self) -> int:
        """Sequences whose own gradients are held at once."""
        ...

    def begin(
        self, *, num_sequences: int, batch_size: int, max_steps: int, seed: int
    ) -> GradientMaker:
        """For one run; raises ValueError."""
        ...


class StoppingRule(Protocol):
    """Who follows one run's held-out loss."""

    def check_loss(self, model: nn.Module, step: int, precision: Precision) -> Facts:
        """After a stride; returns what the curve's row tells besides."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether training ends here."""
        ...

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        ...

    def end(self, model: nn.Module) -> None:
        """Training is over: leave the weights that are to be measured."""
        ...

    def facts(self) -> Facts:
        """Of the whole training."""
        ...


@runtime_checkable
class HasStoppingRule(Protocol):
    """A control that looks at held-out sequences of its own; a run has one at most."""

    def reported(self, task: Task) -> Task:
        """The task without them."""
        ...

    def watch(
        self, task: Task, *, seed: int, batch_size: int, device: torch.device
    ) -> StoppingRule:
        """Begin to follow a run."""
        ...
