"""Measure what the trained model still knows once its weights are rounded to fewer bits.

Every matrix is quantised after training, the tied embedding included, and code lengths are measured
again; this gives the bits memorised per bit stored. Shapes: N sequences, B batch, L positions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.checks import require_list, require_whole
from rote.measures.cost import num_scored_tokens, sequence_code_bits, token_batches
from rote.measures.protocol import Measurement
from rote.models.gptq import gptq_weights
from rote.models.quantise import (
    Integers,
    WeightFormat,
    matrices,
    replaced,
    rounded_weights,
    stored_bits,
)
from rote.tasks.protocol import Identified, Sequences, Task

GPTQ = "gptq"  # suffix of the names of formats that were rounded by GPTQ


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """Measures -log2 p of each sequence in each format; raises ValueError for a wrong setting.

    ``gptq`` names integer formats that are also rounded by GPTQ, calibrated on the first
    ``calibration_sequences`` of the training set: ``int4_g32`` gives ``int4_g32_gptq``.
    """

    formats: Mapping[str, WeightFormat]
    gptq: Sequence[str]
    calibration_sequences: int

    def __post_init__(self) -> None:
        require_whole("measure.quantised.calibration_sequences", self.calibration_sequences, 1)
        if not isinstance(self.formats, Mapping) or not self.formats:
            raise ValueError(
                "measure.quantised.formats must hold at least one format by name, got "
                f"{self.formats!r}"
            )
        require_list("measure.quantised.gptq", self.gptq)
        for name in self.gptq:
            if not isinstance(self.formats.get(name), Integers):
                whole = [key for key, one in self.formats.items() if isinstance(one, Integers)]
                raise ValueError(
                    f"measure.quantised.gptq: {name!r} is no format of integers: choose from "
                    f"{whole}"
                )

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Return code lengths of both splits in bits, and ``stored_bits``, for each format.

        ``stored_bits`` of the model count scales, zero points and what is not quantised: norms and
        biases.
        """
        splits = {"train": task.train(seed), "heldout": task.heldout(seed)}
        kept = sum(one.numel() for one in model.parameters())
        kept -= sum(one.numel() for one in matrices(model).values())
        totals: dict[str, float] = {"unquantised_parameters": kept}
        arrays: dict[str, np.ndarray] = {}
        for split, sequences in splits.items():
            totals[f"{split}_sequences"] = sequences.num_sequences
            totals[f"{split}_tokens"] = num_scored_tokens(sequences.num_sequences, task)
            if isinstance(sequences, Identified):
                arrays[f"{split}_sample_ids"] = sequences.sample_ids
        calibration = partial(self._calibration, splits["train"], task, device)
        for name, form, weights in self._weights(model, calibration):
            totals[f"stored_bits_{name}"] = stored_bits(model, form)
            with replaced(model, weights):
                for split, sequences in splits.items():
                    bits_N, _ = sequence_code_bits(model, sequences, task, device=device)
                    totals[f"{split}_code_bits_{name}"] = float(bits_N.sum())
                    arrays[f"{split}_code_bits_{name}"] = bits_N.astype(np.float32)
        return Measurement(totals=totals, arrays=arrays)

    def _weights(
        self, model: nn.Module, calibration: partial[Iterator[Tensor]]
    ) -> Iterator[tuple[str, WeightFormat, dict[str, Tensor]]]:
        """Yield one format after the other: only one copy of the weights is held at a time."""
        for name, form in self.formats.items():
            yield name, form, rounded_weights(model, form)
        for name in self.gptq:
            form = self.formats[name]
            assert isinstance(form, Integers)
            yield f"{name}_{GPTQ}", form, gptq_weights(model, form, calibration)

    def _calibration(
        self, sequences: Sequences, task: Task, device: torch.device
    ) -> Iterator[Tensor]:
        """Tokens [B, L] of the first training sequences."""
        number = min(self.calibration_sequences, sequences.num_sequences)
        return (tokens_BL for _, tokens_BL in token_batches(sequences, number, task, device))
