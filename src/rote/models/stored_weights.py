"""Weights as files hold them: names and shapes at once, values when they are asked for."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import safe_open
from torch import Tensor

SAFE, PICKLED = ".safetensors", ".bin"


@dataclass(frozen=True, kw_only=True)
class StoredWeights:
    """Tensors by name, or what becomes one where it is indexed; open as long as the block lasts."""

    by_name: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    whole: frozenset[str]  # names of those that hold whole numbers or flags, as masks do
    num_bytes: int  # of the files

    @property
    def num_numbers(self) -> int:
        """Of all tensors together; a number that a pickle repeats is one."""
        return sum(map(_num_stored, self.by_name.values()))


@contextmanager
def stored_weights(paths: Sequence[Path]) -> Iterator[StoredWeights]:
    """Of the files of one model; an index among them is passed over.

    Raises ValueError for a file that is damaged, a pickle of anything but tensors, and a weight
    that is in two files.
    """
    by_name: dict[str, Any] = {}
    files = [path for path in paths if path.suffix in (SAFE, PICKLED)]
    with ExitStack() as stack:
        for path in files:
            held = _of_pickle(path) if path.suffix == PICKLED else _of_safetensors(path, stack)
            if both := sorted(by_name.keys() & held.keys()):
                raise ValueError(f"{path}: weight {both[0]!r} is in another file as well")
            by_name |= held
        yield StoredWeights(
            by_name=by_name,
            shapes={name: _shape(value) for name, value in by_name.items()},
            whole=frozenset(name for name, value in by_name.items() if _is_whole(value)),
            num_bytes=sum(path.stat().st_size for path in files),
        )


def _num_stored(value: Any) -> int:
    number = torch.Size(_shape(value)).numel()
    if isinstance(value, Tensor):
        return min(number, value.untyped_storage().nbytes() // value.element_size())
    return number


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape if isinstance(value, Tensor) else value.get_shape())


def _is_whole(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.is_floating_point()
    return not str(value.get_dtype()).startswith(("F", "BF"))


def _of_safetensors(path: Path, stack: ExitStack) -> dict[str, Any]:
    try:
        held = stack.enter_context(safe_open(path, framework="pt"))
        return {name: held.get_slice(name) for name in held.keys()}  # noqa: SIM118  # no mapping
    except Exception as error:  # safetensors has an error of its own, and raises others
        raise ValueError(f"{path} cannot be loaded: {first_line(error)}") from error


def _of_pickle(path: Path) -> dict[str, Any]:
    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # pickle and torch have no common one
        raise ValueError(f"{path} cannot be loaded: {first_line(error)}") from error
    if not isinstance(held, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in held.items()
    ):
        raise ValueError(f"{path} cannot be loaded: it holds more than tensors by their names")
    return held


def first_line(error: BaseException) -> str:
    """What an error says, without the paragraphs behind it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(line.strip() for line in lines[: 2 if lines[0].endswith(":") else 1])
