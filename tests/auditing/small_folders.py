"""Small Hugging Face folders, not trained, and documents to audit them with."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from rote.cli.main import main

V = 260
SIZES = {
    "vocab_size": V, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64,
    "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
WEIGHTS = "model.safetensors"


def llama(**changes: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**(SIZES | changes)))


def byte_tokeniser() -> PreTrainedTokenizerFast:
    """A start, then a symbol for each byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0} | {sign: number for number, sign in enumerate(alphabet, start=1)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="<s>")


def saved(folder: Path, model: PreTrainedModel | None = None) -> Path:
    (llama() if model is None else model).save_pretrained(folder)
    byte_tokeniser().save_pretrained(folder)
    return folder


def changed(path: Path, **values: object) -> None:
    """Keys of a JSON file; None takes one away."""
    content = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: held for key, held in content.items() if held is not None}))


def with_weights(folder: Path, more: Mapping[str, torch.Tensor]) -> Path:
    weights = load_file(folder / WEIGHTS) | {name: each.clone() for name, each in more.items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def texts(seed: int, number: int = 30) -> list[str]:
    drawn = random.Random(seed)
    return ["".join(drawn.choices("abcdefgh ", k=20)) for _ in range(number)]


def sides(folder: Path) -> list[str]:
    """The words that name members and non-members."""
    words = []
    for seed, name in enumerate(("members", "nonmembers")):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts(seed))
        (folder / f"{name}.jsonl").write_text(lines)
        words += [f"--{name}", str(folder / f"{name}.jsonl")]
    return words


def audited(folder: Path, output: Path, words: list[str]) -> dict[str, Any]:
    """The numbers of an audit of one pass."""
    quick = ["--quick", "--prefix-tokens", "4", "--suffix-tokens", "4", "--output", str(output)]
    assert main(["audit", str(folder), *words, *quick]) == 0
    (numbers,) = output.glob("*/audit.json")
    return dict(json.loads(numbers.read_text()))


def refusal(folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that is said."""
    capsys.readouterr()
    output = ["--quick", "--output", str(folder.parent / "audits")]
    assert main(["audit", str(folder), *words, *output]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1, said
    assert not list(folder.parent.glob("audits/*/audit.json"))
    return said
