"""Combine two optimisers into one."""

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


class Pair(Optimizer):
    """Two optimisers over disjoint parameters that act as one."""

    def __init__(self, first: Optimizer, second: Optimizer) -> None:
        self.parts = (first, second)
        super().__init__([{"params": part.param_groups[0]["params"]} for part in self.parts], {})
        # The same dictionaries as in the parts, so that a schedule that sets "lr" here reaches
        # them.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Run one update of each part."""
        loss = closure() if closure else None
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the parts."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both parts and share their parameter groups again."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]
