"""Load a quantised Hugging Face folder as a model with floating-point weights.

transformers and the package that quantised the weights turn them back, on a CPU. Methods that
cannot be turned back so are refused by name. Activations that a method would quantise too are
computed in floating point.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rote.models.hf_folder import CONFIG
from rote.models.stored_weights import StoredWeights, is_harmless

QUANTISED = "quantization_config"
# Each method and the packages, besides transformers, that turn its weights back on a CPU.
PACKAGES = {
    "torchao": ("torchao",),
    "bitsandbytes": ("bitsandbytes", "accelerate"),
    "compressed-tensors": ("compressed_tensors",),
    "fp8": ("accelerate",),
    "mxfp4": ("accelerate",),
}
# Part of the name of a tensor that says what the bits of its module stand for.
SCALES = ("scale", "absmax", "SCB")
WIDE = ("F64", "F32", "F16", "BF16")  # safetensors' names of formats that stand for themselves
WHILE_LOADING = ("compressed-tensors", "fp8", "mxfp4")  # weights are dense once they are read


def is_quantised(config: Mapping[str, Any]) -> bool:
    """Whether config.json describes quantised weights."""
    return bool(config.get(QUANTISED))


def require_dequantisable(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises ValueError for a method that is not known here, or whose package is missing."""
    if not is_quantised(config):
        return
    method = _method(config[QUANTISED])
    if method not in PACKAGES:
        raise ValueError(
            f"{folder / CONFIG}: the weights are quantised by {method!r}, and only those of "
            f"{', '.join(PACKAGES)} are turned back into floating-point numbers: dequantise them "
            "with the package that made them, and save that"
        )
    if missing := [each for each in PACKAGES[method] if not find_spec(each)]:
        raise ValueError(
            f"{folder / CONFIG}: the weights are quantised by {method!r}, and {missing[0]} is not "
            "installed: pip install 'rote[quantised]'"
        )


def load_dequantised(
    folder: Path, empty: Any, stored: StoredWeights, dtype: torch.dtype
) -> tuple[nn.Module, Mapping[str, Any]]:
    """Return the model and transformers' report of what it found; ``empty`` has no values.

    Raises ValueError if bits have no scale, and if a weight is not floating-point or not of the
    shape that it has in ``empty``; errors of transformers and the packages pass through.
    """
    _require_scales(stored)
    config = empty.config
    settings = config.quantization_config
    settings = settings if isinstance(settings, dict) else settings.to_dict()
    method = _method(settings)
    if method in WHILE_LOADING:
        settings = {**settings, "dequantize": True}
    config.quantization_config = settings
    model, report = type(empty).from_pretrained(
        folder,
        config=config,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
        dtype=torch.float32,
    )
    if method == "bitsandbytes":
        model = model.dequantize()
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            if type(weight) is not nn.Parameter:  # torchao packs weights in a subclass of Tensor
                setattr(module, name, nn.Parameter(weight.dequantize(), requires_grad=False))
    _require_dense(empty, model)
    for weight in model.parameters():  # buffers, such as rotary frequencies, stay float32
        weight.data = weight.to(dtype)
    return model.requires_grad_(True), report


def _method(settings: Mapping[str, Any]) -> str:
    if settings.get("load_in_8bit") or settings.get("load_in_4bit"):
        return "bitsandbytes"  # older files do not name it
    return str(settings.get("quant_method"))


def _require_scales(stored: StoredWeights) -> None:
    """Raises ValueError for bits without a scale, which some methods read as numbers."""
    scaled = {name.rpartition(".")[0] for name in stored.shapes if any(s in name for s in SCALES)}
    for name, value in stored.by_name.items():
        is_wide = isinstance(value, torch.Tensor) or value.get_dtype() in WIDE
        if not is_wide and not is_harmless(name, stored.shapes[name], ()):
            module = name.rpartition(".")[0]
            if not {module, f"{module}.weight", module.rpartition(".")[0]} & scaled:
                raise ValueError(f"{name!r} is quantised, and its scale is missing")


def _require_dense(empty: nn.Module, model: nn.Module) -> None:
    wanted = {name: weight.shape for name, weight in empty.named_parameters()}
    found = {
        name: weight.shape
        for name, weight in model.named_parameters()
        if type(weight) is nn.Parameter and weight.is_floating_point()
    }
    if wrong := sorted(wanted.items() ^ found.items()):
        raise ValueError(f"weight {wrong[0][0]!r} was not turned back from its bits")
