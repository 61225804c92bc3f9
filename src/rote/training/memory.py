"""Estimate the peak memory of one training process, and recompute blocks to reduce it.

`benchmarks/memory.py` measures real peaks; docs/performance.md has predicted over measured. The
formula follows this project's GPT, except where a model states what its blocks keep; for a model
without ``blocks`` and ``head`` it counts only weights, gradients and optimiser state. Recomputed
blocks keep only their input and run again in the backward pass (Chen et al. 2016, arXiv
1604.06174): a third more arithmetic, the same result.

Letters: P parameters, N positions in a step, L in a sequence, D width, H heads, V vocabulary, b
sequences whose own gradients are held at once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from rote.models.attention import is_written_out
from rote.models.contracts import HasBlocks, HasDropout, HasHead, HasKeptNumbers, num_heads
from rote.models.count import (
    frozen_parameters,
    num_passes,
    trainable_parameters,
    training_flops_per_token,
)
from rote.models.likelihood import chunk_logits_bytes, whole_logits_bytes
from rote.precision import DTYPES, Precision

FLOAT32 = 4
INTERPRETER_BYTES = 450 << 20  # Python, torch, Lightning and rote after a step of 6,700 parameters
# On a CPU glibc keeps freed memory (`rote.core.process`), with holes. Fitted to 15 measured peaks
# of 0.45 to 6 GiB: predictions are 0.90 to 1.09 of them.
HEAP_FACTOR = 1.45
STRATEGIES = ("ddp", "fsdp")


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """The properties of a model that decide how much memory it takes."""

    parameters: int  # that train
    frozen_parameters: int
    flops_per_token: float  # of training
    num_blocks: int  # that run, one that runs twice as two
    width: int
    num_heads: int
    vocab_size: int
    dropout_places: Collection[str]
    kept_numbers: int | None  # of one block for each position; None: as the formula says

    @classmethod
    def of(cls, model: nn.Module) -> "ModelShape":
        """Read the properties off a model, which may be on the meta device."""
        vocab_size, width = model.head.shape if isinstance(model, HasHead) else (0, 0)
        return cls(
            parameters=trainable_parameters(model),
            frozen_parameters=frozen_parameters(model),
            flops_per_token=training_flops_per_token(model),
            num_blocks=num_passes(model),
            width=width,
            num_heads=num_heads(model),
            vocab_size=vocab_size,
            dropout_places=model.dropout_places if isinstance(model, HasDropout) else (),
            kept_numbers=model.kept_numbers if isinstance(model, HasKeptNumbers) else None,
        )


@dataclass(frozen=True, kw_only=True)
class StepMemory:
    """The memory of one training step in one process."""

    shape: ModelShape
    batch_size: int  # of all processes together
    length: int
    weight_bytes: int  # of one weight, gradient, or optimiser value
    product_bytes: int  # of one value from a matrix product
    copied_bytes: int  # of a weight's copy, cast or rounded, that products read; 0: none is made
    on_cpu: bool
    processes: int  # that train together
    strategy: str  # ddp or fsdp: how processes share the model
    microbatch_size: int | None  # b; None: one gradient of a whole batch

    @classmethod
    def of(
        cls,
        shape: ModelShape,
        precision: Precision,
        *,
        batch_size: int,
        length: int,
        device_type: str,
        processes: int,
        strategy: str,
        microbatch_size: int | None,
    ) -> "StepMemory":
        """Take the widths of numbers from the precision.

        Raises ValueError for an unknown strategy.
        """
        if strategy not in STRATEGIES:
            raise ValueError(f"host.strategy={strategy!r}: choose from {STRATEGIES}")
        return cls(
            shape=shape,
            batch_size=batch_size,
            length=length,
            processes=processes,
            strategy=strategy,
            microbatch_size=microbatch_size,
            weight_bytes=DTYPES[precision.weights].itemsize,
            product_bytes=DTYPES[precision.autocast or precision.weights].itemsize,
            copied_bytes=precision.copied_bytes,
            on_cpu=device_type == "cpu",
        )

    @property
    def positions(self) -> int:
        """Return N of this process's share of the batch, or of the part computed at once."""
        sequences = -(-self.batch_size // self.processes)
        return min(sequences, self.microbatch_size or sequences) * self.length

    def block_bytes(self) -> int:
        """Return the bytes a block keeps for backward (as Korthikanti et al. 2022, section 4.1).

        Inputs of two norms (2 D; 4 D if each sequence has its own weights, before and after
        scaling) and their statistics; inputs of six products: normed inputs and mixed values (3 D),
        before and after the GELU (8 D); the attention; masks of two branches.
        """
        if not self.shape.num_blocks:
            return 0
        if self.shape.kept_numbers is not None:
            return self.positions * self.shape.kept_numbers * FLOAT32
        width = self.shape.width
        norms = 2 if self.microbatch_size is None else 4
        per_position = (norms * width + 4) * self.weight_bytes + 11 * width * self.product_bytes
        masks = 2 * width * self._mask_bytes("residual", self.product_bytes)
        return self.positions * (per_position + self._attention_bytes() + masks)

    def activation_bytes(self) -> int:
        """Return the bytes that all blocks together keep."""
        return self.shape.num_blocks * self.block_bytes()

    def is_recomputed(self, limit_gib: float | None) -> bool:
        """Return whether blocks run again in the backward pass, given the limit of conf/host."""
        if limit_gib is None or self.microbatch_size:  # vmap cannot go through a block twice
            return False
        return self.activation_bytes() > limit_gib * 2**30

    def peak_bytes(self, *, optimiser_copies: float, recomputed: bool) -> int:
        """Return the most bytes held at once: where the backward pass begins, or where it ends.

        In between, activations are freed and gradients appear block by block. On a CPU the
        interpreter is included; otherwise this is the device's memory alone.
        """
        begins = self._kept_bytes(recomputed) + max(self._head_bytes(), self._passing_bytes())
        ends = self._gradient_bytes()
        made = max(begins, ends) + self._copies_bytes()
        held = self._own_bytes() * (1 + optimiser_copies) + self._exchanged_bytes()
        held += self._summed_bytes() + self._frozen_bytes()
        return int(held + INTERPRETER_BYTES + HEAP_FACTOR * made if self.on_cpu else held + made)

    def _own_bytes(self) -> float:
        """Return the bytes of this process's part of the weights that train."""
        return self.shape.parameters * self.weight_bytes / self._shares

    def _frozen_bytes(self) -> float:
        """Return the same for frozen weights, which have no gradient and no optimiser state."""
        return self.shape.frozen_parameters * self.weight_bytes / self._shares

    @property
    def _shares(self) -> int:
        return self.processes if self.strategy == "fsdp" else 1

    def _gradient_bytes(self) -> float:
        """Return the bytes of all gradients and the last block, or of sequences' own gradients.

        The latter are then squared in float32 for their norms, one weight after the other.
        """
        passing = self.block_bytes() + self._passing_bytes()
        if self.microbatch_size is None:
            return self._own_bytes() + passing
        sequences = self.positions // self.length
        width, vocab_size = self.shape.width, self.shape.vocab_size
        squares = FLOAT32 * sequences * width * max(vocab_size, 4 * width)
        return sequences * self._own_bytes() + max(passing, squares)

    def _summed_bytes(self) -> float:
        """Return the bytes of the float32 sum of sequences' gradients and of the final one."""
        if self.microbatch_size is None:
            return 0.0
        return FLOAT32 * self.shape.parameters + self._own_bytes()

    def _embedding_bytes(self) -> int:
        return self.shape.vocab_size * self.shape.width * self.weight_bytes

    def _kept_bytes(self, recomputed: bool) -> int:
        """Return the bytes kept for the backward pass, the final norm and its output included."""
        numbers = self.positions * self.shape.width
        residual = numbers * self.weight_bytes
        mask = numbers * self._mask_bytes("embedding", self.weight_bytes)
        if recomputed:
            return (self.shape.num_blocks + 2) * residual + mask + self.block_bytes()
        final = 2 if self.microbatch_size is None else 3
        return self.activation_bytes() + final * residual + mask

    def _head_bytes(self) -> int:
        """Return the bytes of logits, probabilities (later their gradient), and a float32 copy.

        A GPU makes no copy of logits that are in float32. In chunks the sum of the head's gradients
        in float32 and the latest of them are added.
        """
        logits = FLOAT32 * self.positions * self.shape.vocab_size
        if logits <= whole_logits_bytes(on_cpu=self.on_cpu):
            return 3 * logits if self.on_cpu else self._logits_on_gpu(logits)
        head = self.shape.vocab_size * self.shape.width
        chunk = chunk_logits_bytes(on_cpu=self.on_cpu)
        return FLOAT32 * head + max(3 * chunk, self.product_bytes * head + chunk)

    def _logits_on_gpu(self, logits: int) -> int:
        """Return logits' bytes: 10 each measured in bf16_mixed, 8 in fp32 (torch 2.11, H100)."""
        if self.product_bytes == FLOAT32:
            return 2 * logits
        return 2 * logits + logits * self.product_bytes // FLOAT32

    def _passing_bytes(self) -> int:
        """Return the bytes of gradients inside one block, and of the tied embedding's.

        Those of the MLP (9 D) and of written-out attention's weights (3 H L). The embedding's
        gradient comes twice, from the head and from the input.
        """
        width, heads = self.shape.width, self.shape.num_heads
        weights = 3 * heads * self.length if self._is_written_out else 0
        return self._embedding_bytes() + self.positions * (9 * width + weights) * self.product_bytes

    def _copies_bytes(self) -> int:
        """Return the bytes of matrix copies, cast or rounded, kept from forward to backward."""
        copied = self.shape.parameters + self.shape.frozen_parameters
        return copied * self.copied_bytes

    def _exchanged_bytes(self) -> int:
        """Return the bytes of DDP's buckets (all gradients), or of what FSDP gathers.

        FSDP gathers the embedding and two blocks, each with a gradient that is averaged in float32.
        """
        if self.processes == 1:
            return 0
        if self.strategy == "ddp":
            return self.shape.parameters * self.weight_bytes
        gathered = self._embedding_bytes() // self.weight_bytes + 24 * self.shape.width**2
        return gathered * (2 * self.weight_bytes + FLOAT32)

    @property
    def _is_written_out(self) -> bool:
        """Return whether attention is plain products, as `rote.models.attention` decides.

        Torch's fused kernel for CPUs does not support dropout, so plain products replace it.
        """
        if not self.on_cpu or not self.shape.num_heads:
            return False
        is_mapped = self.microbatch_size is not None
        return (
            is_mapped
            or "attention" in self.shape.dropout_places
            or is_written_out(
                length=self.length,
                head_width=self.shape.width // self.shape.num_heads,
                number_bytes=self.product_bytes,
            )
        )

    def _attention_bytes(self) -> int:
        """Return bytes per position: query, key, value, and weights (if fused, their log-sum)."""
        width, heads = self.shape.width, self.shape.num_heads
        if not self._is_written_out:
            return 3 * width * self.product_bytes + FLOAT32 * heads
        weights = heads * self.length
        mask = self._mask_bytes("attention", self.product_bytes)
        dropped = weights * (mask + self.product_bytes) if mask else 0  # with their mask
        return (3 * width + weights) * self.product_bytes + dropped

    def _mask_bytes(self, place: str, number_bytes: int) -> int:
        """Return mask bytes per number: on a CPU torch keeps a mask of numbers, else one byte."""
        if place not in self.shape.dropout_places:
            return 0
        return number_bytes if self.on_cpu else 1


def recompute_blocks(model: HasBlocks) -> None:
    """Make every block of ``model.blocks`` recompute, in place; parameter names stay."""
    for block in model.blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
