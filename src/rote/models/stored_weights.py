"""Read stored weights, names and shapes at once and values on demand, and sort out unused ones.

Stored weights that the configured model does not use are either harmless or another model's.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    """Tensors by name, or slices that become tensors when indexed; valid until the block ends."""

    by_name: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    whole: frozenset[str]  # names of tensors of whole numbers or flags, such as masks
    num_bytes: int  # of the files

    @property
    def num_numbers(self) -> int:
        """The number of stored numbers; one that a pickle repeats counts once."""
        number = 0
        for name, value in self.by_name.items():
            stored = math.prod(self.shapes[name])
            if isinstance(value, Tensor):
                stored = min(stored, value.untyped_storage().nbytes() // value.element_size())
            number += stored
        return number


@contextmanager
def stored_weights(paths: Sequence[Path]) -> Iterator[StoredWeights]:
    """Open the weight files of one model; an index among them is skipped.

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
    except Exception as error:  # safetensors raises its own error class and others
        raise ValueError(f"{path} cannot be loaded: {first_line(error)}") from error


def _of_pickle(path: Path) -> dict[str, Any]:
    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # pickle and torch share no error class
        raise ValueError(f"{path} cannot be loaded: {first_line(error)}") from error
    if not isinstance(held, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in held.items()
    ):
        raise ValueError(f"{path} cannot be loaded: it holds more than tensors by their names")
    return held


def first_line(error: BaseException) -> str:
    """Return an error's first line, and the second if the first ends with a colon."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(line.strip() for line in lines[: 2 if lines[0].endswith(":") else 1])


Shape = Sequence[int]
# Buffers that older versions stored and newer ones compute from the configuration. Their shapes
# (`_SHAPES`) tell them from weights of the same name. No other list of them exists.
ROTARY = r"(^|\.)(rope|rotary\w*)\.(inv_freq|original_inv_freq|freqs|(cos|sin)_cached)$"
MASK = r"(^|\.)(attn|attention|crossattention|self_attn)\.(bias|causal_mask)$"
MASK_VALUE = r"(^|\.)masked_bias$"
POSITIONS = r"(^|\.)position_ids$"
PLACEHOLDER = r"(^|\.)(_float_tensor|version)$"
ADAPTERS = r"(^|[._])(lora|adapters?|ia3|base_layer|prompt_encoder|modules_to_save)([._]|$)"
LAYER = r"\.(\d+)\."


def is_harmless(name: str, shape: Shape, declared: Iterable[str]) -> bool:
    """Return whether the model computes the same without this weight.

    ``declared`` are patterns that the architecture itself calls needless.
    """
    for pattern, has_its_shape in _SHAPES.items():
        if re.search(pattern, name):
            return has_its_shape(shape)
    return any(re.search(pattern, name) for pattern in declared)


def unused_weights(
    shapes: Mapping[str, Shape], unexpected: Iterable[str], model: Any
) -> tuple[list[str], list[str]]:
    """Return names of stored weights that ``model`` does not use: harmless ones, then the others.

    ``unexpected`` are those that loading found no place for; loading skips those that the
    architecture declares.
    """
    declared = sorted(model._keys_to_ignore_on_load_unexpected or ())
    used = set(model.state_dict())
    inner = {name.removeprefix(f"{model.base_model_prefix}.") for name in used}
    patterns = [*_SHAPES, *declared]
    passed_over = {
        name
        for name in shapes.keys() - used - inner
        if any(re.search(pattern, name) for pattern in patterns)
    }
    names = sorted(passed_over | set(unexpected))
    harmless = [name for name in names if is_harmless(name, shapes.get(name, ()), declared)]
    return harmless, [name for name in names if name not in harmless]


def require_merged(folder: Path, unused: Sequence[str]) -> None:
    """Raises ValueError where unused weights belong to an adapter."""
    if adapters := [name for name in unused if re.search(ADAPTERS, name)]:
        raise ValueError(
            f"{folder} holds an adapter that is not merged ({adapters[0]!r} and "
            f"{len(adapters) - 1} more weights): merge it (merge_and_unload of peft) and save that"
        )


def require_all_used(folder: Path, unused: Sequence[str], num_layers: Any) -> None:
    """Raises ValueError for unused weights, since they may change what a model computes."""
    if not unused:
        return
    layers = [int(found[1]) for name in unused if (found := re.search(LAYER, name))]
    beyond = isinstance(num_layers, int) and layers and max(layers) >= num_layers
    why = f"; config.json says {num_layers} layers" if beyond else ""
    raise ValueError(
        f"{folder} holds {len(unused)} weights that the model of its config.json does not use, "
        f"such as {unused[0]!r}{why}: numbers would be those of another model. Give the "
        "config.json that belongs to these weights, or save the model again"
    )


def _is_mask(shape: Shape) -> bool:
    return len(shape) >= 2 and shape[-1] == shape[-2] and all(size == 1 for size in shape[:-2])


def _is_single(shape: Shape) -> bool:
    return all(size == 1 for size in shape)


_SHAPES: dict[str, Callable[[Shape], bool]] = {
    ROTARY: lambda shape: True,
    MASK: _is_mask,
    MASK_VALUE: _is_single,
    POSITIONS: lambda shape: len(shape) >= 1 and _is_single(shape[:-1]),
    PLACEHOLDER: _is_single,
}
