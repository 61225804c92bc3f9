"""Tables of runs that never ran: a known capacity is planted in them."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest

from rote.analysis.fits.plateau import Knee
from rote.core.units import sequences_holding, uniform_ceiling_bits

Curves = dict[str, list[dict[str, float]]]
Shape = tuple[int, int]  # layers, width

PLANTED_BITS_PER_PARAMETER = {"fp32": 3.0, "bf16_mixed": 2.5}
FILLS = (0.25, 0.5, 1.0, 2.0, 3.0, 4.5)  # all that can be memorised, over capacity


@pytest.fixture
def build_table() -> Callable[..., pl.DataFrame]:
    """The builder itself; see `_table`."""
    return _table


@pytest.fixture
def build_curves() -> Callable[[pl.DataFrame], Curves]:
    """Saturating curves of every run of a table."""
    return lambda table: {row["run_id"]: _curve(row) for row in table.iter_rows(named=True)}


def _table(
    *,
    shapes: Sequence[Shape] = ((1, 16), (1, 24)),
    fills: Sequence[float] = FILLS,
    seeds: Sequence[int] = (0,),
    planted: dict[str, float] = PLANTED_BITS_PER_PARAMETER,
    vocab_size: int = 64,
    length: int = 16,
    noise: float = 0.0,
) -> pl.DataFrame:
    """Runs whose memorised bits follow a knee of sharpness 4 at ``planted`` bits per parameter."""
    generator = np.random.default_rng(7)
    rows = []
    for (layers, width), (precision, alpha), fill, seed in product(
        shapes, planted.items(), fills, seeds
    ):
        parameters = (vocab_size + length + 2) * width + layers * (12 * width**2 + 13 * width)
        knee = Knee(capacity_bits=alpha * parameters, sharpness=4.0)
        num_sequences = sequences_holding(fill * knee.capacity_bits, length, vocab_size)
        ceiling_bits = uniform_ceiling_bits(num_sequences, length, vocab_size)
        pull = knee.pull(ceiling_bits)
        memorised_bits = float(knee.predict(ceiling_bits) * (1 + noise * pull * generator.normal()))
        first_bits = num_sequences * float(np.log2(vocab_size))
        entropy_bits = first_bits * length
        row = {
            "run_id": f"{len(rows):016x}",
            "task._target_": "rote.tasks.uniform.Uniform",
            "task.num_sequences": num_sequences,
            "task.length": length,
            "task.vocab_size": vocab_size,
            "size.num_layers": layers,
            "size.width": width,
            "size.num_heads": 2,
            "precision.name": precision,
            "budget.max_steps": 2000,
            "optim.lr": 1e-3,
            "optim.betas": "[0.9, 0.99]",
            "seed": seed,
            "parameters": parameters,
            "entropy_bits": entropy_bits,
            "entropy_after_first_token_bits": entropy_bits - first_bits,
            "cost.train_code_bits": entropy_bits - memorised_bits,
            "cost.train_first_token_code_bits": first_bits,
            "cost.train_sequences": num_sequences,
            "cost.train_tokens": num_sequences * length,
            "cost.heldout_code_bits": entropy_bits,
            "cost.heldout_sequences": num_sequences,
            "cost.heldout_tokens": num_sequences * length,
            "training.steps": 2000,
            "training.tokens_seen": 2000 * 64 * length,
            "training.converged": True,
            "training.growth_bits_per_1000_steps": 0.1,
        }
        rows.append(row)
    return pl.DataFrame(rows)


def _curve(row: dict[str, Any]) -> list[dict[str, float]]:
    memorised_bits = row["entropy_bits"] - row["cost.train_code_bits"]
    return [
        {
            "step": step,
            "tokens": step * 64 * row["task.length"],
            "memorised_bits": memorised_bits * (1 - np.exp(-step / 400)),
            "loss_nats_per_token": 1.0,
            "learning_rate": 1e-3,
        }
        for step in range(0, row["training.steps"] + 1, 50)
    ]
