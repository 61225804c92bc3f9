"""A Hugging Face folder from somebody else: looked at, refused with one line, or loaded.

Weights are read from safetensors; a pickle only where that is insisted on, and then by torch's
``weights_only``, which builds tensors and calls nothing. No code that lies in the folder is run.
"""

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rote.models.causal_lm import CausalLM, with_what_it_offers

CONFIG = "config.json"
WHOLE, SHARDED = "model.safetensors", "model.safetensors.index.json"
PICKLES = "pytorch_model*.bin"
TOKENISER_FILES = (
    "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model",
)  # fmt: skip
LENGTH_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What config.json says of a model; None where it does not."""

    model_type: str
    vocab_size: int  # logits
    max_length: int | None  # tokens: position 0 reads a start, the last token is never read
    start_token: int | None  # the beginning of a text, else its end, as GPT-2 has it


def architecture(folder: Path) -> Architecture:
    """Nothing is loaded but the configuration.

    Raises ValueError for a folder that holds no model, and for one that brings code of its own.
    """
    config = _config_json(folder)
    transformers = import_transformers()
    kind = str(config.get("model_type"))
    if kind not in transformers.CONFIG_MAPPING:
        own = " but in code of its own, which is never run" if "auto_map" in config else ""
        raise ValueError(f"{folder}: transformers knows no model_type {kind!r}{own}")
    if kind not in transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ValueError(f"{folder}: {kind!r} is no causal language model")
    try:
        read = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ).get_text_config()
    except Exception as error:  # a configuration class may raise anything over a value it dislikes
        raise ValueError(f"{folder / CONFIG} cannot be read: {_first_line(error)}") from error
    lengths = [getattr(read, name, None) for name in LENGTH_NAMES]
    return Architecture(
        model_type=kind,
        vocab_size=read.vocab_size,
        max_length=next((length for length in lengths if isinstance(length, int)), None),
        start_token=_first_token(getattr(read, "bos_token_id", None), read),
    )


def weight_files(folder: Path, *, allow_pickle: bool) -> list[Path]:
    """Raises ValueError where there are none that may be read, or a part of them is missing."""
    if (folder / "adapter_config.json").exists():
        raise ValueError(f"{folder} is an adapter: merge it into its model and save that")
    if (folder / WHOLE).exists():
        return [folder / WHOLE]
    if (folder / SHARDED).exists():
        parts = json.loads((folder / SHARDED).read_text())["weight_map"].values()
        paths = [folder / name for name in sorted(set(parts))]
        if missing := [path.name for path in paths if not path.exists()]:
            raise ValueError(f"{folder}: {missing[0]} is missing ({len(missing)} of {len(paths)})")
        return [folder / SHARDED, *paths]
    pickles = sorted(folder.glob(PICKLES))
    if pickles and not allow_pickle:
        raise ValueError(
            f"{folder} holds its weights as a pickle ({pickles[0].name}), which may run code: "
            "save it again as safetensors, or give --allow-pickle (torch's weights_only reads it)"
        )
    if not pickles:
        raise ValueError(f"{folder} holds no weights: there is no {WHOLE}")
    return pickles


def tokeniser_files(folder: Path) -> list[Path]:
    """Sorted; empty where the folder has no tokeniser."""
    found = {path for pattern in TOKENISER_FILES for path in folder.glob(pattern)}
    return sorted(path for path in found if path.is_file())


def load_tokeniser(folder: Path) -> Any:
    """transformers' own, the fast kind where there is one; raises ValueError."""
    try:
        return import_transformers().AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except Exception as error:  # tokenizers raises bare Exceptions
        raise ValueError(f"{folder}: its tokeniser cannot be read: {_first_line(error)}") from error


def load_causal_lm(
    folder: Path, *, dtype: torch.dtype, start_token: int, allow_pickle: bool
) -> CausalLM:
    """On the CPU, not training, with weights of ``dtype``.

    Raises ValueError where a weight is missing (transformers would draw it at random) or has
    another shape than the configuration says, and for a model that is no causal language model.
    """
    read = architecture(folder)
    paths = weight_files(folder, allow_pickle=allow_pickle)
    is_pickle = paths[0].suffix == ".bin"
    transformers = import_transformers()
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            use_safetensors=not is_pickle,
            weights_only=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that the report says which
            dtype=dtype,
        )
    except Exception as error:  # transformers, safetensors and pickle have no common one
        raise ValueError(f"{folder} cannot be loaded: {_first_line(error)}") from error
    if wrong := sorted(report["mismatched_keys"]):
        name, held, wanted = wrong[0]
        raise ValueError(f"{folder}: weight {name!r} is {[*held]}, {CONFIG} says {[*wanted]}")
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"{folder}: weight {missing[0]!r} is missing ({len(missing)} in all)")
    return _tried(folder, model.eval(), start_token=start_token, vocab_size=read.vocab_size)


def import_transformers() -> Any:
    """Raises ValueError where it is not installed; its bars and warnings are kept back."""
    try:
        transformers = import_module("transformers")
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is not installed: pip install 'rote[hf]'") from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def _tried(folder: Path, model: nn.Module, *, start_token: int, vocab_size: int) -> CausalLM:
    try:
        return with_what_it_offers(model, start_token=start_token, vocab_size=vocab_size)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error


def _config_json(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise ValueError(f"{folder} is no model of Hugging Face: there is no {path}")
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds no keys")
    return config


def _first_token(begin: Any, config: Any) -> int | None:
    """Some configurations list several ends."""
    for token in (begin, getattr(config, "eos_token_id", None)):
        first = token[0] if isinstance(token, list) and token else token
        if isinstance(first, int):
            return first
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]
