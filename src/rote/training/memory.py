"""Estimate the peak memory of one training process, and cut its batches to reduce it.

`benchmarks/memory.py` measures real peaks; docs/performance.md has predicted over measured. What a
block keeps for the backward pass, the block states (`activation_bytes`); one that does not counts
as GPT-2's. For a model without ``blocks`` and ``head`` only weights, gradients and optimiser state
count. Recomputed blocks keep only their input (`rote.training.blocks`).

Letters: N positions in a step, D width, b sequences whose own gradients are held at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from torch import nn

from rote.models.attention import mask_bytes
from rote.models.contracts import (
    FLOAT32,
    HasActivationBytes,
    HasBlocks,
    HasDropout,
    HasHead,
    StepFormat,
)
from rote.models.count import (
    frozen_parameters,
    num_passes,
    trainable_parameters,
    training_flops_per_token,
)
from rote.models.likelihood import chunk_logits_bytes, whole_logits_bytes
from rote.precision import DTYPES, Precision

INTERPRETER_BYTES = 450 << 20  # Python, torch, Lightning and rote after a step of 6,700 parameters
# On a CPU glibc keeps freed memory (`rote.core.process`), with holes. Fitted to 15 measured peaks
# of 0.45 to 6 GiB: predictions are 0.90 to 1.09 of them.
HEAP_FACTOR = 1.45
STRATEGIES = ("ddp", "fsdp")


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """The properties of a model that decide how much memory its training takes."""

    parameters: int  # that train
    frozen_parameters: int
    block_parameters: int  # of the largest block
    outside_parameters: int  # of no block: embeddings, the final norm, the head
    flops_per_token: float  # of training
    num_blocks: int  # that run, one that runs twice as two
    width: int
    vocab_size: int
    drops_embeddings: bool
    # What one block keeps of each position. Equal blocks have unequal methods.
    block_bytes: Callable[[StepFormat], float] = field(compare=False)

    @classmethod
    def of(cls, model: nn.Module) -> "ModelShape":
        """Read the properties off a model, which may be on the meta device."""
        vocab_size, width = model.head.shape if isinstance(model, HasHead) else (0, 0)
        blocks = list(model.blocks) if isinstance(model, HasBlocks) else []
        block = blocks[0] if blocks else None
        sizes = [trainable_parameters(one) + frozen_parameters(one) for one in blocks]
        parameters, frozen = trainable_parameters(model), frozen_parameters(model)
        return cls(
            parameters=parameters,
            frozen_parameters=frozen,
            block_parameters=max(sizes, default=0),
            outside_parameters=parameters + frozen - sum(sizes),
            flops_per_token=training_flops_per_token(model),
            num_blocks=num_passes(model),
            width=width,
            vocab_size=vocab_size,
            drops_embeddings=isinstance(model, HasDropout) and "embedding" in model.dropout_places,
            block_bytes=block.activation_bytes
            if isinstance(block, HasActivationBytes)
            else partial(_as_of_gpt2, width),
        )


def _as_of_gpt2(width: int, step: StepFormat) -> float:
    """Return what a GPT-2 block keeps of a position: 2 D of norms and 14 D of products."""
    return 2 * width * step.weight_bytes + 14 * width * step.product_bytes


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
    is_stacked: bool = False  # one run's part of a stack's step
    num_microbatches: int = 1  # that each process computes one after another

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
        """Take widths of numbers from the precision; raises ValueError for an unknown strategy."""
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
        sequences = self._share // self.num_microbatches
        return min(sequences, self.microbatch_size or sequences) * self.length

    @property
    def _share(self) -> int:
        return -(-self.batch_size // self.processes)

    def block_bytes(self) -> int:
        """Return the bytes that one block keeps for the backward pass."""
        if not self.shape.num_blocks:
            return 0
        return int(self.positions * self.shape.block_bytes(self._format))

    @property
    def _format(self) -> StepFormat:
        return StepFormat(
            length=self.length,
            weight_bytes=self.weight_bytes,
            product_bytes=self.product_bytes,
            on_cpu=self.on_cpu,
            has_own_weights=self.is_stacked or self.microbatch_size is not None,
        )

    def activation_bytes(self) -> int:
        """Return the bytes that all blocks together keep."""
        return self.shape.num_blocks * self.block_bytes()

    def is_recomputed(self, limit_gib: float | None) -> bool:
        """Return whether blocks run again in the backward pass, given the limit of conf/host."""
        if limit_gib is None or self._format.has_own_weights:  # under vmap no block runs twice
            return False
        return self.activation_bytes() > limit_gib * 2**30

    def cut(
        self,
        *,
        accumulate_above_gib: float | None,
        recompute_above_gib: float | None,
        optimiser_copies: float,
    ) -> "StepMemory":
        """Return the step in the fewest equal micro-batches whose peak is within the limit.

        They have one sequence each if no number suffices. Without a limit, and where sequences'
        own gradients are taken, the step stays whole.
        """
        if accumulate_above_gib is None or self.microbatch_size:
            return self
        divisors = (number for number in range(1, self._share) if self._share % number == 0)
        for number in divisors:
            step = replace(self, num_microbatches=number)
            recomputed = step.is_recomputed(recompute_above_gib)
            peak = step.peak_bytes(optimiser_copies=optimiser_copies, recomputed=recomputed)
            if peak <= accumulate_above_gib * 2**30:
                return step
        return replace(self, num_microbatches=self._share)

    def peak_bytes(self, *, optimiser_copies: float, recomputed: bool) -> int:
        """Return the most bytes held at once: where the backward pass begins, or where it ends.

        In between, activations are freed and gradients appear block by block. On a CPU the
        interpreter is included; otherwise this is the device's memory alone.
        """
        held, made = self.held_bytes(optimiser_copies), self.made_bytes(recomputed=recomputed)
        return int(held + INTERPRETER_BYTES + HEAP_FACTOR * made if self.on_cpu else held + made)

    def held_bytes(self, optimiser_copies: float) -> float:
        """Return the bytes that the whole step needs: weights, optimiser state, what is shared."""
        held = self.own_bytes() * (1 + optimiser_copies) + self._exchanged_bytes()
        frozen = self.shape.frozen_parameters * self.weight_bytes / self._shares
        return held + self._summed_bytes() + frozen

    def made_bytes(self, *, recomputed: bool) -> float:
        """Return the most bytes that the step makes besides: activations and gradients."""
        passing = self._passing_bytes() + self._reduced_bytes(self.shape.block_parameters)
        begins = self._kept_bytes(recomputed) + max(self._head_bytes(), passing)
        if self.num_microbatches > 1:  # the sum of gradients so far
            begins += int(self.own_bytes())
        largest = max(self.shape.block_parameters, self.shape.outside_parameters)
        ends = self._gradient_bytes() + self._reduced_bytes(largest)
        copied = self.shape.parameters + self.shape.frozen_parameters
        return max(begins, ends) + copied * self.copied_bytes

    def own_bytes(self) -> float:
        """Return the bytes of this process's part of the weights that train."""
        return self.shape.parameters * self.weight_bytes / self._shares

    @property
    def _shares(self) -> int:
        return self.processes if self.strategy == "fsdp" else 1

    def _gradient_bytes(self) -> float:
        """Return the bytes of all gradients and the last block, or of sequences' own gradients.

        The latter are then squared in float32 for their norms, one weight after the other.
        """
        passing = self.block_bytes() + self._passing_bytes()
        if self.microbatch_size is None:
            # A stack keeps the weights from before the update (`rote.training.stack`).
            return self.own_bytes() * (2 if self.is_stacked else 1) + passing
        sequences = self.positions // self.length
        width, vocab_size = self.shape.width, self.shape.vocab_size
        squares = FLOAT32 * sequences * width * max(vocab_size, 4 * width)
        return sequences * self.own_bytes() + max(passing, squares)

    def _summed_bytes(self) -> float:
        """Return the bytes of the float32 sum of sequences' gradients and of the final one."""
        if self.microbatch_size is None:
            return 0.0
        return FLOAT32 * self.shape.parameters + self.own_bytes()

    def _kept_bytes(self, recomputed: bool) -> int:
        """Return the bytes kept for the backward pass, the final norm and its output included."""
        numbers = self.positions * self.shape.width
        residual = numbers * self.weight_bytes
        mask = 0
        if self.shape.drops_embeddings:
            mask = numbers * mask_bytes(self._format, self.weight_bytes)
        if recomputed:
            return (self.shape.num_blocks + 2) * residual + mask + self.block_bytes()
        final = 3 if self._format.has_own_weights else 2
        return self.activation_bytes() + final * residual + mask

    def _head_bytes(self) -> int:
        """Return the bytes of logits and their probabilities, which become their gradient.

        A GPU also copies logits of 16 bits to float32: 10 bytes each measured in bf16_mixed, 8 in
        fp32 (torch 2.11, H100). In chunks the sum of the head's gradients in float32 and the latest
        of them are added.
        """
        logits = FLOAT32 * self.positions * self.shape.vocab_size
        if self.is_stacked or logits <= whole_logits_bytes(on_cpu=self.on_cpu):
            is_copied = not self.on_cpu and self.product_bytes < FLOAT32
            return 2 * logits + is_copied * logits * self.product_bytes // FLOAT32
        head = self.shape.vocab_size * self.shape.width
        chunk = chunk_logits_bytes(on_cpu=self.on_cpu)
        return FLOAT32 * head + max(3 * chunk, self.product_bytes * head + chunk)

    def _passing_bytes(self) -> int:
        """Return the bytes of gradients inside one block, and of the tied embedding's.

        Those of the MLP (9 D); beside frozen weights adapters have as many of their own. The
        embedding's gradient comes twice, from the head and from the input.
        """
        embedding = self.shape.vocab_size * self.shape.width * self.weight_bytes
        numbers = (18 if self.shape.frozen_parameters else 9) * self.shape.width
        return embedding + self.positions * numbers * self.product_bytes

    def _exchanged_bytes(self) -> int:
        """Return the bytes of DDP's buckets (all gradients), or of weights that FSDP gathers."""
        if self.processes == 1:
            return 0
        if self.strategy == "ddp":
            return self.shape.parameters * self.weight_bytes
        blocks = 2 * self.shape.block_parameters  # one of them ahead
        return (self.shape.outside_parameters + blocks) * self.weight_bytes

    def _reduced_bytes(self, parameters: int) -> int:
        """Return the bytes of the whole gradients of a block under FSDP.

        Those of ``parameters`` are averaged in float32, while the next block makes its own.
        """
        if self.processes == 1 or self.strategy == "ddp":
            return 0
        return parameters * FLOAT32 + self.shape.block_parameters * self.weight_bytes
