"""A small GPT-2 in a Hugging Face folder, trained on some of its texts with plain torch."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.shared import Shared
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from rote.cli.main import main
from rote.tasks.canaries.manifest import CanaryPlacement

NUM = 2000  # documents of a side
REPEATED, COPIES = 20, 30  # members that stand in their file so many times more
STEPS, RATE = 330, 3e-3
WORDS = [
    first + second
    for first in ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu")
    for second in ("ran", "set", "lim", "mot", "dun", "par", "vel", "nis", "kor", "tul")
]
VOCAB, LENGTH = 512, 16


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """Folders of models, and files of documents."""

    folder: Path

    @property
    def members(self) -> Path:
        return self.folder / "members.jsonl"

    @property
    def nonmembers(self) -> Path:
        return self.folder / "nonmembers.jsonl"

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def trained(self) -> Path:
        return self.folder / "trained"

    @property
    def untrained(self) -> Path:
        return self.folder / "untrained"

    def audit(self, model: Path, output: Path, *words: str) -> Path:
        """The folder that one audit left."""
        given = ["--members", str(self.members), "--nonmembers", str(self.nonmembers)]
        sizes = ["--prefix-tokens", "4", "--suffix-tokens", "8"]
        done = main(["audit", str(model), *given, *sizes, "--output", str(output), *words])
        assert done == 0
        (folder,) = output.iterdir()
        return folder


def texts(seed: int, number: int, *, opening: str = "on") -> list[str]:
    """Sentences of words drawn at random: nothing in one tells of another."""
    drawn = random.Random(seed)
    return [f"{opening} {' '.join(drawn.choices(WORDS, k=11))}" for _ in range(number)]


def write_texts(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    return path


def tokeniser(lines: Sequence[str]) -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>")


def small_gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCAB, n_positions=LENGTH, n_embd=128, n_layer=1, n_head=2,
        bos_token_id=0, eos_token_id=0, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def train(model: GPT2LMHeadModel, rows: torch.Tensor, *, steps: int, batch: int) -> None:
    """Adam, one batch after another; padding is -1."""
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
        chosen = rows[torch.randint(len(rows), (batch,), generator=generator)]
        inputs = torch.nn.functional.pad(chosen[:, :-1], (1, 0), value=0).clamp(min=0)
        logits = model(input_ids=inputs).logits
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), chosen.flatten(), ignore_index=-1
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """As processes of their own are given."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoints(shared: Shared) -> Checkpoints:
    """Trained on the members, some of them in many copies; and the same one before that."""
    make = partial(make_checkpoints, num=NUM, steps=STEPS)
    return Checkpoints(folder=shared.folder("checkpoints", make))


def make_checkpoints(folder: Path, *, num: int, steps: int) -> None:
    """Two models in Hugging Face folders, ``num`` documents of a side and what was planted."""
    once, nonmembers = texts(1, num), texts(2, num)
    members = once + once[:REPEATED] * COPIES
    made = tokeniser(once[:500])
    rows = [made(line)["input_ids"][:LENGTH] for line in members]
    plan = CanaryPlacement(
        kinds=("tokens",), secret_length=4, vocab_size=VOCAB, repeats=(40,), num_each=4,
        num_controls=8,
    )  # fmt: skip
    manifest = plan.manifest(0, random.Random(0), len(rows))
    rows += [one.filled(one.secret) for one in manifest.canaries for _ in range(one.repeats)]
    padded = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row) for row in rows], batch_first=True, padding_value=-1
    )
    model = small_gpt2()
    for name in ("untrained", "trained"):
        if name == "trained":
            train(model, padded, steps=steps, batch=64)
        model.save_pretrained(folder / name)
        made.save_pretrained(folder / name)
    found = Checkpoints(folder=folder)
    write_texts(found.members, members)
    write_texts(found.nonmembers, nonmembers)
    manifest.write(found.manifest)
