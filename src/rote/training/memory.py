"""The memory that one process needs at most while it trains: a formula, checked against real peaks.

`benchmarks/memory.py` measures the peaks; docs/performance.md has predicted over measured. The
formula follows this project's GPT; of a model without ``blocks`` and ``head`` it knows the state.
Letters: P parameters, N positions in a step, L in a sequence, D width, H heads, V vocabulary, b
sequences whose own gradients are held at once.
"""

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn

from rote.models.attention import is_written_out
from rote.models.contracts import HasBlocks, HasDropout, HasHead, num_heads
from rote.models.likelihood import chunk_logits_bytes, whole_logits_bytes
from rote.precision import DTYPES, Precision

FLOAT32 = 4
INTERPRETER_BYTES = 450 << 20  # Python, torch, Lightning and rote after a step of 6,700 parameters
# On a CPU: glibc's heap keeps what was freed (`rote.allocator`), with holes. Fitted to 15 measured
# peaks of 0.45 to 6 GiB: predictions are 0.90 to 1.09 of them.
HEAP_FACTOR = 1.45
STRATEGIES = ("ddp", "fsdp")


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """What of a model decides how much memory it takes."""

    parameters: int
    num_blocks: int
    width: int
    num_heads: int
    vocab_size: int
    dropout_places: Collection[str]

    @classmethod
    def of(cls, model: nn.Module) -> "Anatomy":
        """Read off a model, which may be on the meta device."""
        vocab_size, width = model.head.shape if isinstance(model, HasHead) else (0, 0)
        return cls(
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            num_blocks=len(model.blocks) if isinstance(model, HasBlocks) else 0,
            width=width,
            num_heads=num_heads(model),
            vocab_size=vocab_size,
            dropout_places=model.dropout_places if isinstance(model, HasDropout) else (),
        )


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of training as one process sees it."""

    anatomy: Anatomy
    batch_size: int  # of all processes together
    length: int
    weight_bytes: int  # of one weight, gradient, or number of the optimiser
    product_bytes: int  # of one number that a matrix product gives
    copied_bytes: int  # of a weight's copy, cast or rounded, that products read; 0: none is made
    on_cpu: bool
    processes: int  # that train together
    strategy: str  # ddp or fsdp: how they share the model
    microbatch_size: int | None  # b; None: one gradient of a whole batch is taken

    @classmethod
    def of(
        cls,
        anatomy: Anatomy,
        precision: Precision,
        *,
        batch_size: int,
        length: int,
        device_type: str,
        processes: int,
        strategy: str,
        microbatch_size: int | None,
    ) -> "Step":
        """The widths of numbers are those of the precision.

        Raises ValueError for a strategy that is none.
        """
        if strategy not in STRATEGIES:
            raise ValueError(f"host.strategy={strategy!r}: choose from {STRATEGIES}")
        return cls(
            anatomy=anatomy,
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
        """N, of this process's equal share of the batch, or of what is taken of it at once."""
        sequences = -(-self.batch_size // self.processes)
        return min(sequences, self.microbatch_size or sequences) * self.length

    def block_bytes(self) -> int:
        """Kept by one block for its backward pass (as Korthikanti et al. 2022, section 4.1).

        Inputs of two norms (2 D; where each sequence has weights of its own 4 D, before and after
        they are scaled) and their statistics; what six products read: normed inputs and
        mixed values (3 D), before and after the GELU (8 D); the attention; masks of two branches.
        """
        if not self.anatomy.num_blocks:
            return 0
        width = self.anatomy.width
        norms = 2 if self.microbatch_size is None else 4
        per_position = (norms * width + 4) * self.weight_bytes + 11 * width * self.product_bytes
        masks = 2 * width * self._mask_bytes("residual", self.product_bytes)
        return self.positions * (per_position + self._attention_bytes() + masks)

    def activation_bytes(self) -> int:
        """Kept by all blocks together."""
        return self.anatomy.num_blocks * self.block_bytes()

    def is_recomputed(self, limit_gib: float | None) -> bool:
        """Whether blocks run again in the backward pass, given the limit of conf/host."""
        if limit_gib is None or self.microbatch_size:  # vmap cannot go through a block twice
            return False
        return self.activation_bytes() > limit_gib * 2**30

    def peak_bytes(self, *, optimiser_copies: float, recomputed: bool) -> int:
        """The most that is held at once: where the backward pass begins, or where it ends.

        Between the two activations go and gradients come, both block by block. On a CPU with the
        interpreter, else what the device holds.
        """
        begins = self._kept_bytes(recomputed) + max(self._head_bytes(), self._passing_bytes())
        ends = self._gradient_bytes()
        made = max(begins, ends) + self._copies_bytes()
        held = self._own_bytes() * (1 + optimiser_copies) + self._exchanged_bytes()
        held += self._summed_bytes()
        return int(held + INTERPRETER_BYTES + HEAP_FACTOR * made if self.on_cpu else held + made)

    def _own_bytes(self) -> float:
        """This process's part of the weights."""
        shares = self.processes if self.strategy == "fsdp" else 1
        return self.anatomy.parameters * self.weight_bytes / shares

    def _gradient_bytes(self) -> float:
        """All gradients, and the last block that is gone through; or, of each sequence, its own.

        Those are then squared in float32 for their norms, one weight after the other.
        """
        passing = self.block_bytes() + self._passing_bytes()
        if self.microbatch_size is None:
            return self._own_bytes() + passing
        sequences = self.positions // self.length
        width, vocab_size = self.anatomy.width, self.anatomy.vocab_size
        squares = FLOAT32 * sequences * width * max(vocab_size, 4 * width)
        return sequences * self._own_bytes() + max(passing, squares)

    def _summed_bytes(self) -> float:
        """The sum of sequences' gradients, in float32, and the gradient that is made of it."""
        if self.microbatch_size is None:
            return 0.0
        return FLOAT32 * self.anatomy.parameters + self._own_bytes()

    def _embedding_bytes(self) -> int:
        return self.anatomy.vocab_size * self.anatomy.width * self.weight_bytes

    def _kept_bytes(self, recomputed: bool) -> int:
        """For the backward pass, the final norm and its output included."""
        numbers = self.positions * self.anatomy.width
        residual = numbers * self.weight_bytes
        mask = numbers * self._mask_bytes("embedding", self.weight_bytes)
        if recomputed:
            return (self.anatomy.num_blocks + 2) * residual + mask + self.block_bytes()
        final = 2 if self.microbatch_size is None else 3
        return self.activation_bytes() + final * residual + mask

    def _head_bytes(self) -> int:
        """Logits, probabilities, which become their gradient, and a copy in float32 on the way.

        A GPU makes none of logits that are in float32. In chunks, besides: the sum of the head's
        gradients in float32, and the latest of them.
        """
        logits = FLOAT32 * self.positions * self.anatomy.vocab_size
        if logits <= whole_logits_bytes(on_cpu=self.on_cpu):
            return 3 * logits if self.on_cpu else self._logits_on_gpu(logits)
        head = self.anatomy.vocab_size * self.anatomy.width
        chunk = chunk_logits_bytes(on_cpu=self.on_cpu)
        return FLOAT32 * head + max(3 * chunk, self.product_bytes * head + chunk)

    def _logits_on_gpu(self, logits: int) -> int:
        """10 bytes a logit measured in bf16_mixed, 8 in fp32 (torch 2.11, H100)."""
        if self.product_bytes == FLOAT32:
            return 2 * logits
        return 2 * logits + logits * self.product_bytes // FLOAT32

    def _passing_bytes(self) -> int:
        """Gradients inside one block: of its MLP (9 D), of written-out attention's weights (3 H L).

        And that of the tied embedding, which comes twice, from the head and from the input.
        """
        width, heads = self.anatomy.width, self.anatomy.num_heads
        weights = 3 * heads * self.length if self._is_written_out else 0
        return self._embedding_bytes() + self.positions * (9 * width + weights) * self.product_bytes

    def _copies_bytes(self) -> int:
        """Copies of matrices, cast or rounded, that are kept from forward to backward pass."""
        return self.anatomy.parameters * self.copied_bytes

    def _exchanged_bytes(self) -> int:
        """DDP's buckets, as large as all gradients; FSDP's gathered embedding and two blocks.

        What is gathered comes with a gradient, in float32 while it is averaged.
        """
        if self.processes == 1:
            return 0
        if self.strategy == "ddp":
            return self.anatomy.parameters * self.weight_bytes
        gathered = self._embedding_bytes() // self.weight_bytes + 24 * self.anatomy.width**2
        return gathered * (2 * self.weight_bytes + FLOAT32)

    @property
    def _is_written_out(self) -> bool:
        """Whether attention is plain products, as `rote.models.attention` decides.

        Torch's fused kernel for a CPU takes no dropout: plain products stand in for it.
        """
        if not self.on_cpu or not self.anatomy.num_heads:
            return False
        is_mapped = self.microbatch_size is not None
        return (
            is_mapped
            or "attention" in self.anatomy.dropout_places
            or is_written_out(
                length=self.length,
                head_width=self.anatomy.width // self.anatomy.num_heads,
                number_bytes=self.product_bytes,
            )
        )

    def _attention_bytes(self) -> int:
        """For one position: query, key, value; the weights, or the log of their sum if fused."""
        width, heads = self.anatomy.width, self.anatomy.num_heads
        if not self._is_written_out:
            return 3 * width * self.product_bytes + FLOAT32 * heads
        weights = heads * self.length
        mask = self._mask_bytes("attention", self.product_bytes)
        dropped = weights * (mask + self.product_bytes) if mask else 0  # with their mask
        return (3 * width + weights) * self.product_bytes + dropped

    def _mask_bytes(self, place: str, number_bytes: int) -> int:
        """Of one number that may be dropped: on a CPU torch keeps a mask of numbers, else bytes."""
        if place not in self.anatomy.dropout_places:
            return 0
        return number_bytes if self.on_cpu else 1
