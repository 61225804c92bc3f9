"""Combine all controls of one run and apply them by what they change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from rote.core.rng import stream_seed
from rote.tasks.protocol import Sequences, Task
from rote.training import distributed
from rote.training.controls.protocol import (
    ChangesGradients,
    ChangesModel,
    ChangesOrder,
    ChangesSequences,
    Checks,
    HasStoppingRule,
    MakesGradients,
    PlannedTraining,
)
from rote.training.objective import ChangesLoss, Objective, WeighsTokens

KINDS = (
    ChangesModel, ChangesSequences, ChangesLoss, WeighsTokens, ChangesGradients, ChangesOrder,
    MakesGradients, HasStoppingRule,
)  # fmt: skip
ONE_AT_MOST = (ChangesOrder, MakesGradients, HasStoppingRule)
# A gradient maker has an order of its own, and an order is of the task's own sequences.
EXCLUSIVE = ((ChangesOrder, MakesGradients), (ChangesOrder, ChangesSequences))
# Runs of a stack cannot draw apart, take other gradients, or end with other weights.
ALONE = (ChangesModel, MakesGradients, HasStoppingRule)
WHOLE_WEIGHTS = (ChangesGradients, HasStoppingRule)  # not shards of them, as FSDP's processes hold


@dataclass(frozen=True)
class Controls:
    """The controls of a run, in no order; raises ValueError for those that exclude each other."""

    by_name: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, control in self.by_name.items():
            if not isinstance(control, KINDS):
                raise ValueError(f"control.{name}: {type(control).__name__} is no control")
        groups = [self._names((kind,)) for kind in ONE_AT_MOST]
        groups += [
            [*self._names((one,))[:1], *self._names((other,))[:1]] for one, other in EXCLUSIVE
        ]
        for names in groups:
            if len(names) > 1:
                raise ValueError(f"control: {' and '.join(names)} cannot be had together")

    @classmethod
    def of(
        cls, configs: Mapping[str, Mapping[str, Any]], build: Callable[[Mapping[str, Any]], object]
    ) -> "Controls":
        """Build the controls of a spec, each with ``build``."""
        return cls({name: build(config) for name, config in configs.items()})

    def check(self, planned: PlannedTraining) -> None:
        """Check the controls before training; raises ValueError."""
        for control in self._ordered:
            if isinstance(control, Checks):
                control.check(planned)

    def require_strategy(self, strategy: str) -> None:
        """Raises ValueError for controls that do not work with several processes."""
        if distributed.num_processes() == 1:
            return
        if names := self._names((MakesGradients,)):
            raise ValueError(f"control.{names[0]} trains in one process: use a host with one")
        if strategy == "fsdp" and (names := self._names(WHOLE_WEIGHTS)):
            raise ValueError(f"control.{names[0]} does not go with host.strategy=fsdp: use ddp")

    @property
    def why_alone(self) -> str | None:
        """Return the control that keeps a run from training in a stack, as a reason; else None."""
        names = self._names(ALONE)
        return f"control.{names[0]} has to train one by one" if names else None

    def objective(self, scored_from: int) -> Objective:
        """Return the objective: the loss that a batch is trained on, and its plain cost."""
        return Objective(
            losses=tuple(one for one in self._ordered if isinstance(one, ChangesLoss)),
            weighers=tuple(one for one in self._ordered if isinstance(one, WeighsTokens)),
            scored_from=scored_from,
        )

    @property
    def leave_tokens_out(self) -> bool:
        """Return whether some tokens may count less for the gradient than for the curve."""
        return bool(self._names((WeighsTokens,)))

    def change_model(self, model: nn.Module) -> None:
        """Change the model in place, before training."""
        for control in self._ordered:
            if isinstance(control, ChangesModel):
                control.change_model(model)

    def change_sequences(self, sequences: Sequences, *, length: int) -> Sequences:
        """Return the sequences to train on."""
        for control in self._ordered:
            if isinstance(control, ChangesSequences):
                sequences = control.change_sequences(sequences, length=length)
        return sequences

    @property
    def change_which_sequences(self) -> bool:
        """Return whether `change_sequences` may leave some out."""
        return bool(self._names((ChangesSequences,)))

    @property
    def beyond_data(self) -> list[str]:
        """Return the names of controls that change more than which sequences are read."""
        data_alone = self._names((ChangesSequences,))
        return [name for name in sorted(self.by_name) if name not in data_alone]

    def before_step(self, *, seed: int, step: int) -> None:
        """Seed the forward pass, so that its draws depend on seed, step and process only.

        A run without draws is not seeded: it costs nothing, and keeps the numbers that it had.
        """
        if self._draw:
            torch.manual_seed(stream_seed(seed, "forward", step, distributed.rank()))

    def change_gradients(self, gradients: Sequence[Tensor], *, seed: int, step: int) -> None:
        """Change the gradients in place, after clipping."""
        for control in self.gradient_changers:
            control.change_gradients(gradients, seed=seed, step=step)

    @cached_property
    def gradient_changers(self) -> list[ChangesGradients]:
        """Return the controls that change gradients; cached because every step asks for them."""
        return [one for one in self._ordered if isinstance(one, ChangesGradients)]

    @property
    def orders(self) -> ChangesOrder | None:
        """Return the control that chooses which sequences each step reads, if any."""
        return next((one for one in self._ordered if isinstance(one, ChangesOrder)), None)

    @property
    def gradients(self) -> MakesGradients | None:
        """Return the control that replaces the backward pass, if any."""
        return next((one for one in self._ordered if isinstance(one, MakesGradients)), None)

    @property
    def microbatch_size(self) -> int | None:
        """Return how many sequences' own gradients are held at once; None for other controls."""
        return self.gradients.microbatch_size if self.gradients else None

    @property
    def watches(self) -> HasStoppingRule | None:
        """Return the control that reads held-out sequences of its own, if any."""
        return next((one for one in self._ordered if isinstance(one, HasStoppingRule)), None)

    def reported(self, task: Task) -> Task:
        """Return the task without held-out sequences that training reads."""
        return self.watches.reported(task) if self.watches else task

    @property
    def _ordered(self) -> list[object]:
        return [control for _, control in sorted(self.by_name.items())]

    @cached_property
    def _draw(self) -> bool:
        return any(isinstance(one, ChangesModel) for one in self._ordered)

    def _names(self, kinds: tuple[type, ...]) -> list[str]:
        return sorted(name for name, one in self.by_name.items() if isinstance(one, kinds))
