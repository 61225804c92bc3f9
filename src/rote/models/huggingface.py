"""Convert GPT-2 weights to and from the Hugging Face format: a safetensors file and config.json."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from rote.io.write import write_bytes, write_json
from rote.models.gpt import GPT

WEIGHTS, CONFIG = "model.safetensors", "config.json"
OUTER = {
    "token_embedding.weight": "transformer.wte.weight",
    "position_embedding.weight": "transformer.wpe.weight",
    "final_norm.weight": "transformer.ln_f.weight",
    "final_norm.bias": "transformer.ln_f.bias",
}
INNER = {
    "attention_norm": "ln_1",
    "attention.query_key_value": "attn.c_attn",
    "attention.project": "attn.c_proj",
    "mlp_norm": "ln_2",
    "expand": "mlp.c_fc",
    "contract": "mlp.c_proj",
}


# Values that our GPT computes, by transformers' names; the first is the default of a missing name.
# Attention that is reordered and upcast (reorder_and_upcast_attn) is the same in float32.
COMPUTED: dict[str, tuple[object, ...]] = {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),  # two names of GELU-tanh
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
}
EPSILON = 1e-5  # of layer norms, if a file leaves it out
HEAD = "lm_head.weight"
BUFFERS = re.compile(r"transformer\.h\.\d+\.attn\.(bias|masked_bias)")  # masks of old files
SIZES = {  # arguments of `GPT` and the keys of config.json
    "num_layers": "n_layer", "width": "n_embd", "num_heads": "n_head",
    "vocab_size": "vocab_size", "max_length": "n_positions",
}  # fmt: skip


def save_gpt2(model: GPT, folder: Path) -> None:
    """Write ``model`` so that ``GPT2LMHeadModel.from_pretrained(folder)`` reads it.

    Raises ValueError for weights that GPT-2 has no place for, such as adapters.
    """
    weights = {
        _their_name(name): _transposed(name, tensor).contiguous()
        for name, tensor in model.state_dict().items()
    }
    write_bytes(folder / WEIGHTS, save(weights, metadata={"format": "pt"}))
    write_json(folder / CONFIG, _their_config(model))


def load_gpt2(folder: Path) -> GPT:
    """Read a GPT-2 from a Hugging Face folder; safetensors only, nothing is unpickled.

    Epsilons of layer norms are kept. Raises ValueError naming the file where the folder holds
    another architecture, a setting that our GPT does not compute (`COMPUTED`), a head that is not
    the token embedding, or weights that are missing, unused or of another shape.
    """
    config = json.loads((folder / CONFIG).read_text())
    _require_computed(config, folder / CONFIG)
    if missing := [name for name in SIZES.values() if name not in config]:
        raise ValueError(f"{folder / CONFIG} lacks {', '.join(missing)}")
    model = GPT(**{ours: config[theirs] for ours, theirs in SIZES.items()})
    theirs = load_file(folder / WEIGHTS)
    # The published checkpoints of GPT-2 leave the prefix out.
    prefix = "" if any(name.startswith("transformer.") for name in theirs) else "transformer."
    theirs = {prefix + name: tensor for name, tensor in theirs.items()}
    _require_tied(theirs, config, folder / WEIGHTS)
    weights = _ours(model, theirs, folder / WEIGHTS)
    model.load_state_dict(weights)
    for norm in model.modules():
        if isinstance(norm, nn.LayerNorm):
            norm.eps = config.get("layer_norm_epsilon", EPSILON)
    return model


def _require_computed(config: Mapping[str, Any], source: Path) -> None:
    if config.get("model_type") != "gpt2":
        raise ValueError(f"{source}: model_type={config.get('model_type')!r}, not 'gpt2'")
    for name, values in COMPUTED.items():
        if (given := config.get(name, values[0])) not in values:
            raise ValueError(f"{source}: {name}={given!r}, and this GPT computes {values[0]!r}")


def _require_tied(theirs: dict[str, Tensor], config: Mapping[str, Any], source: Path) -> None:
    """Remove the head from the weights; raises ValueError if it differs, since it would be lost."""
    embedding = theirs.get(OUTER["token_embedding.weight"])
    head = theirs.pop(f"transformer.{HEAD}", theirs.pop(HEAD, None))
    if head is None and not config.get("tie_word_embeddings", True):
        raise ValueError(f"{source}: tie_word_embeddings is false and there is no {HEAD!r}")
    if head is not None and (embedding is None or not torch.equal(head, embedding)):
        raise ValueError(f"{source}: {HEAD!r} is not the token embedding, which is this GPT's head")


def _ours(model: GPT, theirs: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """Return their weights under our names."""
    names = {_their_name(name): name for name in model.state_dict()}
    if missing := [name for name in names if name not in theirs]:
        raise ValueError(f"{source}: no weight {missing[0]!r} ({len(missing)} missing)")
    unused = [name for name in theirs if name not in names and not BUFFERS.fullmatch(name)]
    if unused:
        raise ValueError(f"{source}: no use for weight {unused[0]!r} ({len(unused)} unused)")
    found = {name: _transposed(name, theirs[their_name]) for their_name, name in names.items()}
    for name, tensor in model.state_dict().items():
        if found[name].shape != tensor.shape:
            raise ValueError(
                f"{source}: {_their_name(name)!r} has shape {list(theirs[_their_name(name)].shape)}"
                f", and {CONFIG} says {list(_transposed(name, tensor).shape)}"
            )
    return found


def _their_name(name: str) -> str:
    if name in OUTER:
        return OUTER[name]
    _, layer, *path, leaf = name.split(".")
    if leaf not in ("weight", "bias"):
        raise ValueError(f"GPT-2 has no place for the weight {name!r}")
    return f"transformer.h.{layer}.{INNER['.'.join(path)]}.{leaf}"


def _transposed(name: str, tensor: Tensor) -> Tensor:
    """Transpose a projection: theirs are Conv1D, [in, out]; ours are Linear, [out, in]."""
    is_projection = name.startswith("blocks.") and tensor.ndim == 2
    return tensor.T if is_projection else tensor


def _their_config(model: GPT) -> dict[str, object]:
    dtype = model.token_embedding.weight.dtype
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "vocab_size": model.token_embedding.num_embeddings,
        "n_positions": model.position_embedding.num_embeddings,
        "n_embd": model.token_embedding.embedding_dim,
        "n_layer": len(model.blocks),
        "n_head": model.blocks[0].attention.num_heads,  # type: ignore[union-attr]
        "layer_norm_epsilon": model.final_norm.eps,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "tie_word_embeddings": True,
        "bos_token_id": 0,  # our sequences start by reading token 0
        "eos_token_id": 0,
        "dtype": str(dtype).removeprefix("torch."),
    }
