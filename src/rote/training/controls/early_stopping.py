"""Stop early: keep the weights of the step with the lowest validation loss.

Validation sequences are a random share of the task's held-out ones; measures report only the
others. Source: Prechelt 1998, Early stopping - but when?
Shapes: B batch, L positions, N sequences.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.checks import require_number, require_whole
from rote.core.rng import generator
from rote.models.likelihood import token_nats
from rote.precision import Precision
from rote.tasks.protocol import HasItems, Items, Sequences, Task, scored_from
from rote.training import distributed
from rote.training.controls.protocol import Facts, PlannedTraining
from rote.training.data import on_device, subset_of

VALIDATION_NATS = "validation_nats_per_token"


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Settings; raises ValueError for a share outside [0, 1) and a patience below 1."""

    validation_share: float  # of the held-out sequences
    patience_looks: int  # checks of the loss (budget.check_every_steps) without a lower one

    def __post_init__(self) -> None:
        name = "control.early_stopping.validation_share"
        require_number(name, self.validation_share, 0, below=1)
        require_whole("control.early_stopping.patience_looks", self.patience_looks, 1)

    def check(self, planned: PlannedTraining) -> None:
        """Raises ValueError if a part has no sequence, or validation items cannot be identified."""
        number = planned.task.heldout(0).num_sequences
        if number < 2:
            raise ValueError(f"control.early_stopping splits held-out sequences: there is {number}")
        if isinstance(planned.task, HasItems):
            self._reported_items(planned.task, 0)

    def reported(self, task: Task) -> Task:
        """Return the task, its protocols kept, with only reported held-out sequences."""

        def heldout(seed: int) -> Sequences:
            sequences = task.heldout(seed)
            return subset_of(sequences, self._parts(sequences.num_sequences, seed)[1])

        changed = copy.copy(task)
        vars(changed)["heldout"] = heldout
        if isinstance(task, HasItems):
            vars(changed)["items"] = partial(self._reported_items, task)
        return changed

    def _reported_items(self, task: Task, seed: int) -> Items:
        """Return items of no validation sequence; raises ValueError if these are not identified."""
        assert isinstance(task, HasItems)
        items, sequences = task.items(seed), task.heldout(seed)
        rows_NL = sequences.tokens(torch.arange(sequences.num_sequences)).tolist()
        asked = list(map(tuple, items.tokens_NL.tolist()))
        if not set(map(tuple, rows_NL)) <= set(asked):
            raise ValueError(
                "control.early_stopping looks at held-out sequences, and the items in them cannot "
                "be told from others where sequences are not whole lines: use task/batching=lines"
            )
        validation = self._parts(len(rows_NL), seed)[0]
        looked_at = {tuple(rows_NL[place]) for place in validation}
        is_seen_N = torch.tensor([row in looked_at for row in asked])
        return items.only(items.is_train_N | ~is_seen_N)

    def watch(
        self, task: Task, *, seed: int, batch_size: int, device: torch.device
    ) -> "ValidationStopping":
        """Start to follow a run."""
        sequences = task.heldout(seed)
        validation = subset_of(sequences, self._parts(sequences.num_sequences, seed)[0])
        return ValidationStopping(
            sequences=on_device(validation, length=task.length, device=device),
            patience_looks=self.patience_looks,
            scored_from=scored_from(task),
            batch_size=batch_size,
            device=device,
        )

    def _parts(self, num_sequences: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return validation and reported indices, each in the task's order and at least one.

        Drawn at random: the order of a task's held-out sequences may have a meaning.
        """
        order_N = torch.randperm(num_sequences, generator=generator(seed, "validation")).numpy()
        size = min(max(1, round(self.validation_share * num_sequences)), num_sequences - 1)
        return np.sort(order_N[:size]), np.sort(order_N[size:])


@dataclass(kw_only=True)
class ValidationStopping:
    """The lowest loss so far, and the weights that had it, on the CPU."""

    sequences: Sequences
    patience_looks: int
    scored_from: int
    batch_size: int
    device: torch.device
    best_nats: float = float("inf")
    best_step: int = 0
    looks_since: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def check_loss(self, model: nn.Module, step: int, precision: Precision) -> Facts:
        """Compute the validation loss on every process; rank 0's value decides."""
        with precision.active(self.device.type):
            nats = distributed.from_first(self._nats(model))
        self.looks_since += 1
        if nats < self.best_nats:
            self.best_nats, self.best_step, self.looks_since = nats, step, 0
            weights = model.state_dict()
            self.best_weights = {name: one.to("cpu", copy=True) for name, one in weights.items()}
        return {VALIDATION_NATS: nats}

    @property
    def is_over(self) -> bool:
        """Return whether patience has run out."""
        return self.looks_since >= self.patience_looks

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {name: getattr(self, name) for name in STATE}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `state` returned."""
        for name in STATE:
            setattr(self, name, state[name])

    def end(self, model: nn.Module) -> None:
        """Restore the best weights, however training ended."""
        model.load_state_dict(self.best_weights)

    def facts(self) -> Facts:
        """Return which weights the record describes."""
        return {
            "best_step": self.best_step,
            f"best_{VALIDATION_NATS}": self.best_nats,
            "stopped_early": self.is_over,
        }

    @torch.inference_mode()
    def _nats(self, model: nn.Module) -> float:
        """Return the mean -ln p of scored tokens, with the model in evaluation mode."""
        was_training = model.training
        model.eval()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        indices_N = torch.arange(self.sequences.num_sequences, device=self.device)
        for indices_B in indices_N.split(self.batch_size):  # type: ignore[no-untyped-call]
            nats_BL = token_nats(model, self.sequences.tokens(indices_B))[:, self.scored_from :]
            total += nats_BL.mean(dim=1).sum(dtype=torch.float64)
        model.train(was_training)
        return float(total) / len(indices_N)


STATE = ("best_nats", "best_step", "looks_since", "best_weights")
