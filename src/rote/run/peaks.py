"""Predict the peak memory of a run's second phase, and of the stacks that it can be part of."""

from dataclasses import dataclass, replace

from rote.training.budget import LBFGS
from rote.training.finish.evaluation import OWN_GRADIENT_BYTES, chunk_sequences
from rote.training.finish.lbfgs import SINGLE_VECTORS
from rote.training.memory import StepMemory

FLOAT64 = 8  # bytes


@dataclass(frozen=True, kw_only=True)
class Finishing:
    """Memory of the second phase: chunks of data, and float64 vectors of all parameters."""

    step: StepMemory  # of one chunk
    vectors: int

    @classmethod
    def of(cls, step: StepMemory, finish: LBFGS, num_sequences: int) -> "Finishing":
        """Take the chunk that the finish takes of ``num_sequences``, in the format of weights."""
        rows = chunk_sequences(
            step.batch_size, step.length, step.shape.vocab_size, on_cpu=step.on_cpu
        )
        chunk = replace(step, batch_size=min(rows, num_sequences), product_bytes=step.weight_bytes)
        return cls(step=chunk, vectors=2 * finish.memory + SINGLE_VECTORS)

    def peak_bytes(self) -> int:
        """Return the peak bytes; this phase never recomputes blocks."""
        copies = self.vectors * FLOAT64 / self.step.weight_bytes
        peak = self.step.peak_bytes(optimiser_copies=copies, recomputed=False)
        return peak + OWN_GRADIENT_BYTES


@dataclass(frozen=True, kw_only=True)
class StackMemory:
    """Memory of a stack on a GPU: what each run adds, and what it takes whatever it holds."""

    run_bytes: int
    base_bytes: int

    @classmethod
    def of(cls, step: StepMemory, finish: LBFGS | None, optimiser_copies: float) -> "StackMemory":
        """Return an upper bound from the step of one run alone.

        Runs of a stack share the chunk of the finish; it is added whole, to the greater of what a
        run adds in either phase.
        """
        one = replace(step, on_cpu=False, is_stacked=True)
        run_bytes = one.peak_bytes(optimiser_copies=optimiser_copies, recomputed=False)
        if finish is None:
            return cls(run_bytes=run_bytes, base_bytes=0)
        rows = chunk_sequences(one.batch_size, one.length, one.shape.vocab_size, on_cpu=one.on_cpu)
        second = Finishing.of(one, finish, rows)
        vector_bytes = second.vectors * FLOAT64 * one.shape.parameters
        return cls(
            run_bytes=max(run_bytes, vector_bytes),
            base_bytes=replace(second, vectors=0).peak_bytes(),
        )
