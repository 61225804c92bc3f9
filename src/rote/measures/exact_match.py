"""Test which items a model answers exactly, and how many bits each answer costs it.

Teacher-forced: every token of the answer is the likeliest one after the true tokens before it.
Free-running: greedy decoding from what stands before the answer gives the whole answer. Up to its
first mistake greedy decoding reads the true tokens, so the two differ only by rounding (a key-value
cache adds in another order); the free-running test is what the model would really answer.

Shapes: N items, B of a batch, L positions.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.units import bits_from_nats
from rote.measures.cost import batches, rows_per_batch
from rote.measures.protocol import Measurement
from rote.models.decoder import sequences_at_once, token_reader
from rote.models.likelihood import started, token_nats
from rote.tasks.protocol import HasItems, Items, Task


@dataclass(frozen=True, kw_only=True)
class ExactMatch:
    """Measures every item of the task, seen and held out; no item is selected by its outcome."""

    def check(self, task: Task) -> None:
        """Raises ValueError for a task that has no items."""
        _with_items(task).items(0)

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Return totals for each split and group, and arrays with one value for each item.

        The totals of a group lack ``answer_bits`` where it is not known.
        """
        items = _with_items(task).items(seed)
        code_bits_N, forced_N = _forced(model, items, task, device)
        free_N = _free(model, items, task, device)
        return Measurement(
            totals=_totals(items, code_bits_N, forced_N, free_N),
            arrays={
                "groups": np.array(items.groups),  # names; ``group`` is an index from 0
                "group": items.group_N.numpy().astype(np.uint8),
                "exposures": items.exposures_N.numpy().astype(np.int32),
                "answer_bits": items.bits_N.numpy().astype(np.float32),
                "answer_code_bits": code_bits_N.astype(np.float32),
                "right_forced": forced_N.astype(np.uint8),
                "right_free": free_N.astype(np.uint8),
            },
        )


def _totals(
    items: Items, code_bits_N: np.ndarray, forced_N: np.ndarray, free_N: np.ndarray
) -> dict[str, float]:
    totals: dict[str, float] = {}
    is_train_N, bits_N = items.is_train_N.numpy(), items.bits_N.numpy()
    for split, on_side_N in (("train", is_train_N), ("heldout", ~is_train_N)):
        for number, group in enumerate(items.groups):
            chosen_N = on_side_N & (items.group_N.numpy() == number)
            totals |= {
                f"{split}_{group}_tried": int(chosen_N.sum()),
                f"{split}_{group}_right_forced": int(forced_N[chosen_N].sum()),
                f"{split}_{group}_right_free": int(free_N[chosen_N].sum()),
                f"{split}_{group}_answer_code_bits": float(code_bits_N[chosen_N].sum()),
            }
            if not np.isnan(answer_bits := bits_N[chosen_N].sum()):
                totals[f"{split}_{group}_answer_bits"] = float(answer_bits)
    return totals


@torch.inference_mode()
def _forced(
    model: nn.Module, items: Items, task: Task, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Return each answer's code length, float64, and whether all its tokens are likeliest, [N]."""
    number = len(items.tokens_NL)
    nats_N = torch.empty(number, dtype=torch.float64, device=device)
    right_N = torch.empty(number, dtype=torch.bool, device=device)
    for rows in batches(number, rows_per_batch(task.length, task.vocab_size, device)):
        tokens_BL, inside_BL = items.tokens_NL[rows].to(device), _inside(items, rows).to(device)
        nats_BL = token_nats(model, tokens_BL).double()
        nats_N[rows] = nats_BL.where(inside_BL, 0.0).sum(dim=1)
        likeliest_BL = model(started(model, tokens_BL[:, :-1])).argmax(dim=-1)
        right_N[rows] = ((likeliest_BL == tokens_BL) | ~inside_BL).all(dim=1)
    return np.asarray(bits_from_nats(nats_N.cpu().numpy())), right_N.cpu().numpy()


@torch.inference_mode()
def _free(model: nn.Module, items: Items, task: Task, device: torch.device) -> np.ndarray:
    """Return whether greedy decoding gives the whole answer, bool [N]."""
    size = sequences_at_once(model, length=task.length, vocab_size=task.vocab_size)
    right_N = torch.empty(len(items.tokens_NL), dtype=torch.bool)
    for start in np.unique(items.answer_start_N.numpy()).tolist():
        rows_A = (items.answer_start_N == start).nonzero()[:, 0]
        for rows_B in rows_A.split(size):  # type: ignore[no-untyped-call]
            tokens_BL = items.tokens_NL[rows_B]
            length = int(items.answer_end_N[rows_B].max()) - start
            said_BL = tokens_BL.clone()
            prompts_BL = tokens_BL[:, :start].to(device)
            said_BL[:, start : start + length] = _greedy(model, prompts_BL, length).cpu()
            right_N[rows_B] = ((said_BL == tokens_BL) | ~_inside(items, rows_B)).all(dim=1)
    return right_N.numpy()


def _greedy(model: nn.Module, prompts_BL: Tensor, length: int) -> Tensor:
    """Decode ``length`` tokens greedily, [B, length]."""
    decoder = token_reader(model)
    decoded = [decoder.read(prompts_BL).argmax(dim=-1, keepdim=True)]
    while len(decoded) < length:
        decoded.append(decoder.read(decoded[-1]).argmax(dim=-1, keepdim=True))
    return torch.cat(decoded, dim=1)


def _inside(items: Items, rows: slice | Tensor) -> Tensor:
    """Mark the positions that belong to the answer, bool [B, L]."""
    positions_L = torch.arange(items.tokens_NL.shape[1])
    starts_B1, ends_B1 = items.answer_start_N[rows, None], items.answer_end_N[rows, None]
    return (positions_L >= starts_B1) & (positions_L < ends_B1)


def _with_items(task: Task) -> HasItems:
    if not isinstance(task, HasItems):
        raise ValueError(
            f"measure=exact_match asks for items, and {type(task).__name__} has none: use "
            "task=arithmetic, capitals, biographies, random_labels or mixture"
        )
    return task
