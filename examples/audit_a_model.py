"""Audit a model in the Hugging Face format: what does it give away of its training data?

python examples/audit_a_model.py

Takes `pip install 'rote[hf]'`. The model here is a tiny GPT-2 made and overfitted on the spot.
"""

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from rote.cli.main import main as rote

WORDS = ["red", "blue", "old", "new", "cat", "dog", "bird", "tree", "runs", "sings", "falls"]


def sentences(number: int, seed: int) -> list[str]:
    """So many of fifteen words each."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=15)) for _ in range(number)]


def trained(members: list[str], folder: Path) -> None:
    """A GPT-2 that has read the members forty times."""
    tokeniser = Tokenizer(models.WordLevel(unk_token="?"))
    tokeniser.pre_tokenizer = pre_tokenizers.Whitespace()
    tokeniser.train_from_iterator(members, trainers.WordLevelTrainer(special_tokens=["?", "|"]))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokeniser, unk_token="?", bos_token="|")
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(fast), n_positions=32, n_embd=64, n_layer=2, n_head=2,
        bos_token_id=fast.bos_token_id, eos_token_id=fast.bos_token_id,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    ids = torch.tensor([[fast.bos_token_id, *fast(text).input_ids] for text in members])
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        for batch in ids.split(32):
            optimiser.zero_grad()
            model(input_ids=batch, labels=batch).loss.backward()
            optimiser.step()
    model.save_pretrained(folder)
    fast.save_pretrained(folder)


def main() -> None:
    """Two verdicts, with what they rest on."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        sides = {"members": sentences(128, seed=1), "nonmembers": sentences(128, seed=2)}
        for side, texts in sides.items():
            (folder / f"{side}.txt").write_text("\n".join(texts))
        trained(sides["members"], folder / "model")
        files = [f"--{side}={folder / f'{side}.txt'}" for side in sides]
        lengths = ["--prefix-tokens=4", "--suffix-tokens=8", "--max-tokens=16"]
        rote(["audit", str(folder / "model"), *files, *lengths, "--quick", f"--output={folder}"])
        (found,) = folder.glob("**/audit.json")
        told = json.loads(found.read_text())
        print({kind: told[kind]["verdict"] for kind in ("membership", "regurgitation")})


if __name__ == "__main__":
    main()
