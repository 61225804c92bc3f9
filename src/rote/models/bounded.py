"""Bound the modules, weights and buffers that may be created while a model is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)


class TooLarge(Exception):
    """The model being built exceeds its bound."""


@dataclass(kw_only=True)
class Bound:
    """How many parts, numbers and bytes may still be created."""

    parts: int  # modules and weights
    numbers: int  # of all weights, tied ones more than once
    buffer_bytes: int

    def take_module(self, _: nn.Module, __: str, ___: Any) -> None:
        """Subtract a module that was added to another one."""
        self.parts -= 1
        self._check()

    def take_weight(self, _: nn.Module, __: str, weight: Tensor | None) -> None:
        """Subtract a weight that was added to a module."""
        self.parts -= 1
        self.numbers -= 0 if weight is None else weight.numel()
        self._check()

    def take_buffer(self, _: nn.Module, __: str, buffer: Tensor | None) -> None:
        """Subtract a buffer that was added to a module."""
        self.buffer_bytes -= 0 if buffer is None else buffer.numel() * buffer.element_size()
        self._check()

    def _check(self) -> None:
        if min(self.parts, self.numbers, self.buffer_bytes) < 0:
            raise TooLarge


@contextmanager
def bounded_construction(bound: Bound) -> Iterator[None]:
    """Within the block, raises `TooLarge` once the bound is exceeded; for one thread."""
    with (
        register_module_module_registration_hook(bound.take_module),
        register_module_parameter_registration_hook(bound.take_weight),
        register_module_buffer_registration_hook(bound.take_buffer),
    ):
        yield
