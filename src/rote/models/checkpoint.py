"""Inspect a third party's Hugging Face folder, then load it or refuse it with one line.

Weights are read from safetensors; a pickle is read only on explicit request, and then by torch's
``weights_only``, which builds tensors and calls nothing. No code from the folder is run. While a
model is built, a bound limits the modules, weights and buffers that may be created.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from rote.models.adapters import Adapter, is_adapter
from rote.models.causal_lm import CausalLM, with_what_it_offers
from rote.models.dequantise import is_quantised, load_dequantised, require_dequantisable
from rote.models.hf_folder import (
    CONFIG,
    read_object,
    require_causal,
    require_plain_entries,
    weight_files,
)
from rote.models.stored_weights import (
    StoredWeights,
    first_line,
    require_all_used,
    require_merged,
    stored_weights,
    unused_weights,
)

LENGTH_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
# A configuration class creates lists of so many entries before anything can check them.
COUNTS, MOST_OF_THEM = ("layer", "depth", "num_labels"), 100_000
# How much more config.json may describe than is stored: tied weights are created twice, 4-bit ones
# count half, and some modules and tables of positions are created but not stored.
MOST_TIMES, FREE_NUMBERS, FREE_BUFFER_BYTES = 4, 1 << 20, 1 << 30
PARTS_PER_TENSOR, FREE_PARTS = 100, 3_000
MOST_TENSORS_PER_WEIGHT = 1_024  # the experts of a layer are stored one by one and held as one
# Keys of config.json that make transformers read other files than those checked here.
REDIRECTIONS = ("transformers_weights", "fusion_config")


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A model as its config.json describes it; None where it does not say."""

    model_type: str
    vocab_size: int  # number of logits
    max_length: int | None  # in tokens: position 0 reads a start, the last token is never read
    config: Mapping[str, Any]  # as in the file
    read: Any  # transformers' object, with the defaults of its class

    @property
    def text(self) -> Any:
        """The part of ``read`` that configures the text model."""
        return self.read.get_text_config()


def architecture(folder: Path) -> Architecture:
    """Read the configuration and nothing else.

    Raises ValueError for a folder that holds no causal language model, for one that brings code
    of its own, and for sizes that are invalid.
    """
    require_plain_entries(folder)
    if is_adapter(folder):
        raise ValueError(f"{folder} is an adapter, which holds only a part of a model")
    if not (folder / CONFIG).exists():
        raise ValueError(f"{folder} is no model of Hugging Face: there is no {folder / CONFIG}")
    config = read_object(folder / CONFIG)
    transformers = import_transformers()
    kind = require_causal(folder, config, transformers)
    _require_counts(config, folder / CONFIG)
    try:
        read = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        text = read.get_text_config()
        sizes = [text.vocab_size, *(getattr(text, name, None) for name in LENGTH_NAMES)]
    except Exception as error:  # a configuration class may raise anything for an invalid value
        raise ValueError(f"{folder / CONFIG} cannot be read: {first_line(error)}") from error
    vocab_size, *lengths = [size if type(size) is int else None for size in sizes]
    max_length = next((length for length in lengths if length is not None), None)
    if vocab_size is None or vocab_size < 1 or (max_length is not None and max_length < 2):
        raise ValueError(
            f"{folder / CONFIG} makes no model: vocab_size {sizes[0]!r}, context {max_length!r}"
        )
    return Architecture(
        model_type=kind, vocab_size=vocab_size, max_length=max_length, config=config, read=read
    )


def load_tokeniser(folder: Path) -> Any:
    """Load transformers' tokeniser, a fast one if it exists; its libraries' errors pass through."""
    return import_transformers().AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_fast=True
    )


def require_fitting(
    folder: Path, found: Architecture, paths: Sequence[Path], adapter: Adapter | None
) -> None:
    """Raises ValueError where config.json describes much more than ``paths`` hold weights for.

    Raises it too for an ``adapter`` of another model, and for weights that are quantised in a way
    that is not turned back. Nothing is allocated.
    """
    require_dequantisable(folder, found.config)
    with stored_weights(paths) as stored:
        empty = _empty_model(folder, found, stored)
    if adapter is not None:
        adapter.require_fitting(empty)


def load_causal_lm(
    folder: Path,
    *,
    dtype: torch.dtype,
    start_token: int,
    allow_pickle: bool,
    adapter: Adapter | None = None,
) -> CausalLM:
    """Load the model on the CPU, in eval mode, with weights of ``dtype`` and ``adapter`` merged.

    Raises ValueError where a weight is missing (transformers would draw it at random), has another
    shape than the configuration says or is not used by it, and for a model that is not a causal
    language model.
    """
    found = architecture(folder)
    with stored_weights(weight_files(folder, allow_pickle=allow_pickle)) as stored:
        empty = _empty_model(folder, found, stored)
        try:
            if is_quantised(found.config):
                model, report = load_dequantised(folder, empty, stored, dtype)
            else:
                model, report = type(empty).from_pretrained(
                    None,
                    config=empty.config,
                    state_dict=dict(stored.by_name),  # so that no other file of the folder is read
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,  # so that the report says which
                    dtype=dtype,
                )
        except Exception as error:  # transformers, safetensors and pickle share no error class
            raise ValueError(f"{folder} cannot be loaded: {first_line(error)}") from error
        harmless = _require_same(folder, found, stored, model, report)
    if adapter is not None:
        adapter.merge(model)
    try:
        tried = with_what_it_offers(
            model.eval(), start_token=start_token, vocab_size=found.vocab_size
        )
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    tried.unused_weights = harmless
    return tried


def import_transformers() -> Any:
    """Import it without progress bars and warnings; raises ValueError if it is not installed."""
    try:
        transformers = import_module("transformers")
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is not installed: pip install 'rote[hf]'") from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def _empty_model(folder: Path, found: Architecture, stored: StoredWeights) -> Any:
    """Build config.json's model without values; raises ValueError if ``stored`` is far smaller."""
    read = found.read
    read._attn_implementation = None  # config.json may name a kernel to be downloaded
    for name in REDIRECTIONS:
        if hasattr(read, name):
            delattr(read, name)
    num_numbers = stored.num_numbers
    if is_quantised(found.config):
        num_numbers = 2 * stored.num_bytes  # the smallest have four bits
    bound = _bounded_construction(
        parts=FREE_PARTS + PARTS_PER_TENSOR * len(stored.shapes),
        numbers=FREE_NUMBERS + MOST_TIMES * num_numbers,
        buffer_bytes=FREE_BUFFER_BYTES + MOST_TIMES * stored.num_bytes,
    )
    try:
        with torch.device("meta"), bound, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes that make no model
            model = import_transformers().AutoModelForCausalLM.from_config(
                read, trust_remote_code=False
            )
    except _TooLarge as error:
        layers = getattr(found.text, "num_hidden_layers", None)
        raise ValueError(
            f"{folder / CONFIG} describes a larger model than the {stored.num_numbers:,} numbers "
            f"of its weights make (vocab_size {found.vocab_size:,}, num_hidden_layers {layers})"
        ) from error
    except Exception as error:  # an architecture may raise anything for sizes that do not fit
        raise ValueError(f"{folder / CONFIG} makes no model: {first_line(error)}") from error
    num_weights = len(list(model.parameters()))
    if len(stored.shapes) > MOST_TENSORS_PER_WEIGHT * num_weights:
        raise ValueError(
            f"{folder} holds {len(stored.shapes):,} weights, and its {CONFIG} describes "
            f"{num_weights:,}"
        )
    if not all(weight.numel() for weight in model.parameters()):
        raise ValueError(f"{folder / CONFIG} makes no model: a size in it is 0")
    return model


class _TooLarge(Exception):
    """The model being built exceeds its bound."""


@contextmanager
def _bounded_construction(**left: int) -> Iterator[None]:
    """Within the block, raises `_TooLarge` once a bound is exceeded; for one thread.

    ``parts`` are modules and weights, ``numbers`` those of all weights, tied ones more than once,
    and ``buffer_bytes`` those of all buffers.
    """

    def take(**taken: int) -> None:
        left.update({name: left[name] - number for name, number in taken.items()})
        if min(left.values()) < 0:
            raise _TooLarge

    with (
        register_module_module_registration_hook(lambda *_: take(parts=1)),
        register_module_parameter_registration_hook(
            lambda _, __, weight: take(parts=1, numbers=0 if weight is None else weight.numel())
        ),
        register_module_buffer_registration_hook(
            lambda _, __, buffer: take(buffer_bytes=0 if buffer is None else buffer.nbytes)
        ),
    ):
        yield


def _require_same(
    folder: Path, found: Architecture, stored: StoredWeights, model: Any, report: Mapping[str, Any]
) -> list[str]:
    """Return names of harmless stored weights; raises ValueError unless all others are used."""
    if wrong := sorted(report["mismatched_keys"]):
        name, held, wanted = wrong[0]
        raise ValueError(f"{folder}: weight {name!r} is {[*held]}, {CONFIG} says {[*wanted]}")
    harmless, unused = unused_weights(stored.shapes, report["unexpected_keys"], model)
    require_merged(folder, unused)
    if missing := sorted(report["missing_keys"]):
        instead = f", and {unused[0]!r} is there instead" if unused else ""
        raise ValueError(
            f"{folder}: weight {missing[0]!r} is missing ({len(missing)} in all){instead}"
        )
    require_all_used(folder, unused, getattr(found.text, "num_hidden_layers", None))
    buffers = {name for name, held in model.state_dict().items() if not held.is_floating_point()}
    whole = sorted(stored.whole.difference(harmless, buffers))
    if whole and not is_quantised(found.config):
        raise ValueError(
            f"{folder}: weight {whole[0]!r} holds whole numbers, as a quantised one does, and "
            f"{CONFIG} says nothing of it: save the model with floating-point weights"
        )
    return harmless


def _require_counts(value: Any, path: Path) -> None:
    """Raises ValueError for a count above the limit, at any depth of ``value``."""
    for key, held in value.items():
        if isinstance(held, dict):
            _require_counts(held, path)
        is_count = any(word in key for word in COUNTS)
        if is_count and type(held) is int and held > MOST_OF_THEM:
            raise ValueError(f"{path} says {key}={held:,}, and no model has more than 100,000")
