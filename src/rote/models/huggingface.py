"""GPT-2 weights in and out of the Hugging Face format: a folder of safetensors and config.json."""

import json
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor

from rote.files import write_bytes, write_json
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


def save_gpt2(model: GPT, folder: Path) -> None:
    """Write ``model`` so that ``GPT2LMHeadModel.from_pretrained(folder)`` reads it."""
    weights = {
        _their_name(name): _transposed(name, tensor).contiguous()
        for name, tensor in model.state_dict().items()
    }
    write_bytes(folder / WEIGHTS, save(weights, metadata={"format": "pt"}))
    write_json(folder / CONFIG, _their_config(model))


def load_gpt2(folder: Path) -> GPT:
    """Read a GPT-2 from a Hugging Face folder; safetensors only, nothing is unpickled.

    Raises ValueError where the folder holds another architecture or lacks a weight.
    """
    config = json.loads((folder / CONFIG).read_text())
    if config.get("model_type") != "gpt2":
        raise ValueError(f"{folder / CONFIG}: model_type={config.get('model_type')!r}, not 'gpt2'")
    model = GPT(
        num_layers=config["n_layer"],
        width=config["n_embd"],
        num_heads=config["n_head"],
        vocab_size=config["vocab_size"],
        max_length=config["n_positions"],
    )
    theirs = load_file(folder / WEIGHTS)
    # The published checkpoints of GPT-2 leave the prefix out.
    prefix = "" if any(name.startswith("transformer.") for name in theirs) else "transformer."
    theirs = {prefix + name: tensor for name, tensor in theirs.items()}
    missing = [name for name in map(_their_name, model.state_dict()) if name not in theirs]
    if missing:
        raise ValueError(f"{folder / WEIGHTS}: no weight {missing[0]!r} ({len(missing)} missing)")
    model.load_state_dict(
        {name: _transposed(name, theirs[_their_name(name)]) for name in model.state_dict()}
    )
    return model


def _their_name(name: str) -> str:
    if name in OUTER:
        return OUTER[name]
    _, layer, *path, leaf = name.split(".")
    return f"transformer.h.{layer}.{INNER['.'.join(path)]}.{leaf}"


def _transposed(name: str, tensor: Tensor) -> Tensor:
    """Their projections are Conv1D, [in, out]; ours are Linear, [out, in]."""
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
