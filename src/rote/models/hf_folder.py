"""Select the files of a third party's Hugging Face folder that are read, and refuse the others.

The module also checks that a configuration is that of a causal language model, and says in words
what another one is.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rote.io.write import is_lfs_pointer

CONFIG, ADAPTER = "config.json", "adapter_config.json"
WHOLE, SHARDED = "model.safetensors", "model.safetensors.index.json"
PICKLE, SHARDED_PICKLE = "pytorch_model.bin", "pytorch_model.bin.index.json"
TOKENISER_FILES = (
    "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model",
)  # fmt: skip
# Weight files of other programs: an error names them if the expected files are missing.
OTHER_WEIGHTS = (
    "*.safetensors", "*.bin", "*.gguf", "*.pth", "*.pt", "*.h5", "*.msgpack", "*.onnx", "*.ckpt",
)  # fmt: skip
MOST_JSON_BYTES = 1 << 26
HEAD_BYTES = 64


def require_plain_entries(folder: Path) -> None:
    """Raises ValueError for pipes, sockets and devices: opening one may block for ever."""
    for path in sorted(folder.iterdir()):
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ValueError(f"{path} is neither a file nor a folder: it is not opened")


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; raises ValueError naming the file for anything else."""
    require_file(path)
    if path.stat().st_size > MOST_JSON_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, as no such file has")
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError(f"{path} is JSON nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no keys")
    return value


def require_file(path: Path) -> None:
    """Raises ValueError for what is not a regular file, and for a git-lfs pointer in its place."""
    if not path.is_file():
        raise ValueError(f"{path} is not a regular file")
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if is_lfs_pointer(head):
        raise ValueError(
            f"{path} is a pointer of git-lfs, not the file itself: run git lfs pull in its folder"
        )


def weight_files(folder: Path, *, allow_pickle: bool) -> list[Path]:
    """Return the files of weights, after their index if one exists.

    Raises ValueError where none may be read, where a part of them is missing, and where a part
    lies outside of the folder.
    """
    if (folder / WHOLE).exists() and (folder / SHARDED).exists():
        raise ValueError(f"{folder} holds {WHOLE} and {SHARDED}: remove the one that is not meant")
    if (folder / WHOLE).exists():
        paths = [folder / WHOLE]
    elif (folder / SHARDED).exists():
        paths = _parts(folder / SHARDED)
    else:
        paths = _pickles(folder, is_allowed=allow_pickle)
    for path in paths:
        require_file(path)
    return paths


def tokeniser_files(folder: Path) -> list[Path]:
    """Return them sorted, or nothing if none exists. Raises ValueError for a git-lfs pointer."""
    found = {path for pattern in TOKENISER_FILES for path in folder.glob(pattern)}
    files = sorted(path for path in found if path.is_file())
    for path in files:
        require_file(path)
    return files


def _pickles(folder: Path, *, is_allowed: bool) -> list[Path]:
    single, index = folder / PICKLE, folder / SHARDED_PICKLE
    paths = sorted(folder.glob("pytorch_model*.bin"))
    if not paths:
        others = sorted({path.name for each in OTHER_WEIGHTS for path in folder.glob(each)})
        few = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        held = f", and {few} is not read: save the model as safetensors" if others else ""
        raise ValueError(f"{folder} holds no weights: there is no {WHOLE}{held}")
    if not is_allowed:
        raise ValueError(
            f"{folder} holds its weights as a pickle ({paths[0].name}), which may run code: "
            "save it again as safetensors, or give --allow-pickle (torch's weights_only reads it)"
        )
    if single.exists():
        return [single]
    return _parts(index) if index.exists() else paths


def _parts(index: Path) -> list[Path]:
    held = read_object(index).get("weight_map")
    names = list(held.values()) if isinstance(held, dict) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(
            f"{index} has no weight_map that says which file holds which weight: save the model "
            "again, or get the file anew"
        )
    paths = [index.parent / name for name in sorted(set(names))]
    for path in paths:
        _require_inside(path, index)
    if missing := [path.name for path in paths if not path.exists()]:
        raise ValueError(
            f"{index.parent}: {missing[0]} is missing ({len(missing)} of {len(paths)})"
        )
    return [index, *paths]


def _require_inside(path: Path, index: Path) -> None:
    """Raises ValueError for a file outside the folder; a link into the hub's cache is allowed."""
    folder = index.parent
    roots = [folder.resolve()]
    if folder.parent.name == "snapshots":
        roots.append(folder.parent.parent.resolve() / "blobs")
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    is_outside = shown.is_absolute() or ".." in shown.parts
    if is_outside or not any(path.resolve().is_relative_to(root) for root in roots):
        raise ValueError(f"{index} names a file outside of its folder, which is not read: {shown}")


ENCODER = "an encoder, which reads a text from both sides and gives it no likelihood"
ENCODER_DECODER = "an encoder-decoder, which gives a likelihood to an answer, not to a text"
CLASSIFIER = "a classifier, which gives labels: audit the language model that it was made from"
OF_ENDINGS = {
    "ForMaskedLM": ENCODER,
    "ForPreTraining": ENCODER,
    "ForNextSentencePrediction": ENCODER,
    "Classification": CLASSIFIER,
    "ForQuestionAnswering": CLASSIFIER,
    "ForMultipleChoice": CLASSIFIER,
    "ForRegression": CLASSIFIER,
    "RewardModel": CLASSIFIER,
}
CAUSAL_ENDINGS = ("CausalLM", "LMHeadModel", "LMHead")


def require_causal(folder: Path, config: Mapping[str, Any], transformers: Any) -> str:
    """Return the model_type of ``config``, the content of config.json.

    Raises ValueError for a model that gives no likelihood of a text, and for one that comes with
    code of its own.
    """
    names = transformers.models.auto.modeling_auto
    kind = str(config.get("model_type"))
    if kind not in transformers.CONFIG_MAPPING:
        own = " but in code of its own, which is never run" if "auto_map" in config else ""
        raise ValueError(f"{folder}: transformers knows no model_type {kind!r}{own}")
    is_causal = kind in names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    reason = _other_kind(kind, config, names, transformers)
    if reason is not None or not is_causal:
        known = "" if reason is None else f": it is {reason}"
        raise ValueError(f"{folder}: {kind!r} is no causal language model{known}")
    return kind


def _other_kind(kind: str, config: Mapping[str, Any], names: Any, transformers: Any) -> str | None:
    listed = config.get("architectures")
    architecture = str(listed[0]) if isinstance(listed, list) and listed else ""
    if architecture.endswith(CAUSAL_ENDINGS) and config.get("is_encoder_decoder") is not True:
        return None
    for ending, words in OF_ENDINGS.items():
        if architecture.endswith(ending):
            return words
    default = getattr(transformers.CONFIG_MAPPING[kind], "is_encoder_decoder", False)
    if config.get("is_encoder_decoder", default) is True:
        return ENCODER_DECODER
    if kind in names.MODEL_FOR_MASKED_LM_MAPPING_NAMES and config.get("is_decoder") is not True:
        return ENCODER
    return None
