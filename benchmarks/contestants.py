"""Who is timed by speed.py: each trains one GPT-2 on random tokens and says how fast.

All train the same shape on batches of the same tokens, with fused AdamW, clipping at 1.0, no
dropout and equally many threads. A contestant is called with a number of steps and returns tokens a
second; the first steps of each call are left out.
"""

import contextlib
import itertools
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from rote.measures.cost import sequence_code_bits
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.optim.schedules import constant
from rote.precision import Precision
from rote.tasks.uniform import Uniform
from rote.training.budget import Budget
from rote.training.data import BatchOrder, TokensInMemory
from rote.training.graphed import compiled
from rote.training.module import TrainingModule, fit
from rote.training.saturation import Saturation
from rote.training.training_run import CheckpointPolicy, TrainingRun

VOCAB_SIZE, LENGTH, NUM_SEQUENCES = 2048, 64, 1024
# 1,024 tokens, 8 MiB of logits: a step of four times as many takes four times as long within 2 %
# (535k, one core), so that a larger batch would only make the rounds longer.
BATCH_SIZE = 16
WARMUP_STEPS = 2
LEARNING_RATE, CLIP_NORM = 1e-3, 1.0
SHAPES = {"535k": (8, 64, 2), "1.86m": (8, 128, 4)}  # layers, width, heads
PRECISIONS = {
    "fp32": Precision(name="fp32", weights="float32", autocast=None, matmul="highest"),
    "bf16_mixed": Precision(
        name="bf16_mixed", weights="float32", autocast="bfloat16", matmul="highest"
    ),
}
TASK = Uniform(
    num_sequences=NUM_SEQUENCES, length=LENGTH, vocab_size=VOCAB_SIZE, num_heldout_sequences=1
)
Contestant = Callable[[int], float]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What all contestants of one comparison have in common."""

    shape: str
    precision: str

    def tokens_NL(self) -> Tensor:
        """The data, on the device."""
        return TASK.train(0).tokens(torch.arange(NUM_SEQUENCES))

    def active(self) -> contextlib.AbstractContextManager[None]:
        """The number format."""
        return PRECISIONS[self.precision].active("cpu")


class Stopwatch:
    """Tokens a second between the end of the warm-up and the last step."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def step_is_over(self) -> bool:
        """False, so that it can be asked whether to stop."""
        self.ends.append(time.perf_counter())
        return False

    def tokens_per_second(self) -> float:
        """Over all steps but the first few."""
        timed = self.ends[WARMUP_STEPS - 1 :]
        return (len(timed) - 1) * BATCH_SIZE * LENGTH / (timed[-1] - timed[0])


def our_model(cell: Cell) -> GPT:
    """A fresh one."""
    layers, width, heads = SHAPES[cell.shape]
    torch.manual_seed(0)
    return GPT(
        num_layers=layers, width=width, num_heads=heads, vocab_size=VOCAB_SIZE, max_length=LENGTH
    )


def their_model(cell: Cell) -> nn.Module:
    """Hugging Face's GPT-2 of the same shape."""
    from transformers import GPT2Config, GPT2LMHeadModel

    layers, width, heads = SHAPES[cell.shape]
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCAB_SIZE, n_positions=LENGTH, n_embd=width, n_layer=layers, n_head=heads,
        attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, use_cache=False,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def bare_loop(model: nn.Module, loss_of: Callable[[Tensor], Tensor], cell: Cell) -> Contestant:
    """Nothing but torch."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    batches = itertools.cycle(cell.tokens_NL().split(BATCH_SIZE))

    def train(num_steps: int) -> float:
        watch = Stopwatch()
        for tokens_BL in itertools.islice(batches, num_steps):
            with cell.active():
                loss_of(tokens_BL).backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimiser.step()
            optimiser.zero_grad()
            watch.step_is_over()
        return watch.tokens_per_second()

    return train


def their_loop(cell: Cell) -> Contestant:
    """Their model, their loss, a bare loop."""
    model = their_model(cell)
    return bare_loop(model, lambda tokens_BL: model(tokens_BL, labels=tokens_BL).loss, cell)


def our_loop(cell: Cell) -> Contestant:
    """Our model, our loss, a bare loop."""
    model = our_model(cell)
    return bare_loop(model, lambda tokens_BL: token_nats(model, tokens_BL).mean(), cell)


def our_compiled_loop(cell: Cell) -> Contestant:
    """The same through torch.compile, as `host.compile=default` does it."""
    model, nats = our_model(cell), compiled(token_nats, "default")
    return bare_loop(model, lambda tokens_BL: nats(model, tokens_BL).mean(), cell)


def our_product(cell: Cell) -> Contestant:
    """As `rote train` does it: Lightning, strides, schedule, data order, a look at each step."""
    model, tokens_NL = our_model(cell), cell.tokens_NL()
    never = Saturation(window_steps=1000, max_growth_per_1000_steps=0.0, min_steps=1 << 30)

    def train(num_steps: int) -> float:
        watch = Stopwatch()
        member = TrainingRun(
            model=model,
            sequences=TokensInMemory(tokens_NL),
            length=LENGTH,
            entropy_bits=TASK.entropy_bits(),
            vocab_size=VOCAB_SIZE,
            order=BatchOrder(num_sequences=NUM_SEQUENCES, batch_size=BATCH_SIZE, seed=0),
            optimiser=partial(torch.optim.AdamW, lr=LEARNING_RATE, fused=True),
            schedule=partial(constant, warmup_steps=1),
            clip_norm=CLIP_NORM,
            budget=Budget(
                max_steps=num_steps, batch_size=BATCH_SIZE, check_every_steps=100, saturation=never
            ),
            precision=PRECISIONS[cell.precision],
            on_row=lambda row: None,
            checkpointing=CheckpointPolicy(stop=watch.step_is_over),
            resume=None,
        )
        with contextlib.redirect_stderr(None):
            fit(TrainingModule(member), accelerator="cpu", strategy="ddp")
        return watch.tokens_per_second()

    return train


def their_trainer(cell: Cell) -> Contestant:
    """Their model under transformers.Trainer, with batches cut from one resident tensor."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    tokens_NL, model = cell.tokens_NL(), their_model(cell)
    logging.getLogger("transformers").setLevel(logging.ERROR)

    class Watching(TrainerCallback):
        watch: Stopwatch

        def on_step_end(self, *_: object, **__: object) -> None:
            self.watch.step_is_over()

    watching = Watching()

    def collate(indices: list[int]) -> dict[str, Tensor]:
        return {"input_ids": tokens_NL[indices], "labels": tokens_NL[indices]}

    def train(num_steps: int) -> float:
        watching.watch = Stopwatch()
        arguments = TrainingArguments(
            output_dir=tempfile.gettempdir(), max_steps=num_steps, use_cpu=True,
            per_device_train_batch_size=BATCH_SIZE, optim="adamw_torch_fused",
            learning_rate=LEARNING_RATE, max_grad_norm=CLIP_NORM, lr_scheduler_type="constant",
            bf16=cell.precision == "bf16_mixed", save_strategy="no", logging_strategy="no",
            report_to=[], disable_tqdm=True, remove_unused_columns=False,
        )  # fmt: skip
        trainer = Trainer(
            model=model, args=arguments, data_collator=collate,
            train_dataset=list(range(NUM_SEQUENCES)), callbacks=[watching],
        )  # fmt: skip
        with contextlib.redirect_stdout(None):
            trainer.train()
        return watching.watch.tokens_per_second()

    return train


def our_forward(cell: Cell) -> Contestant:
    """A bare forward pass without gradients, the ceiling of evaluation."""
    model, tokens_NL = our_model(cell).eval(), cell.tokens_NL()

    def forward(_: int) -> float:
        start = time.perf_counter()
        with torch.inference_mode(), cell.active():
            for tokens_BL in tokens_NL.split(BATCH_SIZE):
                model(tokens_BL)
        return tokens_NL.numel() / (time.perf_counter() - start)

    return forward


def our_evaluation(cell: Cell) -> Contestant:
    """Code length of every sequence, as `rote.measures.cost` takes it."""
    model, sequences = our_model(cell).eval(), TokensInMemory(cell.tokens_NL())

    def evaluate(_: int) -> float:
        start = time.perf_counter()
        with cell.active():
            sequence_code_bits(model, sequences, TASK, device=torch.device("cpu"))
        return NUM_SEQUENCES * LENGTH / (time.perf_counter() - start)

    return evaluate


def matrix_products(dtype: torch.dtype, _: Cell) -> Contestant:
    """Not tokens but FLOPs a second: products of 512 x 512 matrices, best of twenty."""
    matrix = torch.randn(512, 512).to(dtype)

    def multiply(_: int) -> float:
        times = []
        for _ in range(20):
            start = time.perf_counter()
            matrix @ matrix
            times.append(time.perf_counter() - start)
        return 2 * 512**3 / min(times)

    return multiply


def parameters(shape: str) -> int:
    """Of our model, which are as many as theirs."""
    return sum(p.numel() for p in our_model(Cell(shape=shape, precision="fp32")).parameters())
