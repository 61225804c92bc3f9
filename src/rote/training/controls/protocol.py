"""Define protocols for what a control may change in a run; a control follows one or more.

Controls are frozen settings: two runs with equal controls may train as one stack. Their random
draws depend on the run's seed and the step only. The first key of a control's YAML is its strength
in reports. Shapes: B batch, L positions, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from rote.precision import Precision
from rote.tasks.protocol import Sequences, Task
from rote.training.budget import Budget
from rote.training.data import BatchOrder, Order
from rote.training.objective import Objective

Facts = Mapping[str, float]  # what a record states besides the settings


@dataclass(frozen=True, kw_only=True)
class PlannedTraining:
    """What is known of a run before it starts."""

    task: Task
    model: nn.Module  # on the meta device: shapes without values
    num_sequences: int  # to train on, after controls have changed them
    budget: Budget
    compile_mode: str | None

    @property
    def batch_size(self) -> int:
        """Return the batch size; a data set smaller than a batch is read whole."""
        return min(self.budget.batch_size, self.num_sequences)


@runtime_checkable
class Checks(Protocol):
    """A control that does not work with every run."""

    def check(self, planned: PlannedTraining) -> None:
        """Raises ValueError before any training if the control does not work with this run."""


@runtime_checkable
class ChangesModel(Protocol):
    """A control that changes how the model computes in training, perhaps at random."""

    def change_model(self, model: nn.Module) -> None:
        """Change the model in place; torch's generator is seeded at each step of such a run."""


@runtime_checkable
class ChangesSequences(Protocol):
    """A control that changes the training set; measures still read the task's own sequences."""

    def change_sequences(self, sequences: Sequences, *, length: int) -> Sequences:
        """Return the sequences to train on."""


@runtime_checkable
class ChangesGradients(Protocol):
    """A control of the step: it acts after clipping, right before the optimiser."""

    def change_gradients(self, gradients: Sequence[Tensor], *, seed: int, step: int) -> None:
        """Change the gradients of one model in place; they are in the order of its parameters."""


@runtime_checkable
class ChangesOrder(Protocol):
    """A control of which sequences each step reads; a run has one at most."""

    def order(self, task: Task, *, batch_size: int, max_steps: int, seed: int) -> BatchOrder:
        """Return the order of one run, a pure function of seed and step; raises ValueError."""


class GradientMaker(Protocol):
    """Computes the gradients of one run."""

    @property
    def order(self) -> Order:
        """Return which sequences each step reads."""

    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, *, step: int, objective: Objective
    ) -> Tensor:
        """Leave gradients in the parameters; return this batch's part of the loss, in nats."""

    def facts(self, steps: int) -> Facts:
        """Return facts for the record after so many steps."""


@runtime_checkable
class MakesGradients(Protocol):
    """A control that replaces the backward pass; a run has one at most."""

    @property
    def microbatch_size(self) -> int:
        """Return how many sequences' own gradients are held at once."""

    def begin(
        self, *, num_sequences: int, batch_size: int, max_steps: int, seed: int
    ) -> GradientMaker:
        """Return the gradient maker of one run; raises ValueError."""


class StoppingRule(Protocol):
    """Follows the held-out loss of one run."""

    def check_loss(self, model: nn.Module, step: int, precision: Precision) -> Facts:
        """Compute the loss after a stride; return further columns for the curve's row."""

    @property
    def is_over(self) -> bool:
        """Return whether training ends here."""

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the state from a checkpoint."""

    def end(self, model: nn.Module) -> None:
        """Leave the weights that are to be measured in the model; training is over."""

    def facts(self) -> Facts:
        """Return facts about the whole training."""


@runtime_checkable
class HasStoppingRule(Protocol):
    """A control that reads held-out sequences of its own; a run has one at most."""

    def reported(self, task: Task) -> Task:
        """Return the task without those sequences."""

    def watch(
        self, task: Task, *, seed: int, batch_size: int, device: torch.device
    ) -> StoppingRule:
        """Start to follow a run."""
