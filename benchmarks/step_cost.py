"""What a training step costs beside the matrix-product rate: the two constants of planner/bill.py.

Runs each shape in turns, several times over, in one process; prints the fit and writes it with the
machine and the versions to benchmarks/results/step_cost.json.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

from rote.core.process import keep_freed_memory
from rote.core.provenance import provenance
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.planner.bill import matmul_flops_per_second

SHAPES = {  # name: layers, width, heads, V, S, batch
    "demo_s": (1, 12, 1, 64, 16, 32),
    "demo_m": (1, 20, 1, 64, 16, 32),
    "80k": (1, 32, 1, 2048, 64, 16),
    "335k": (4, 64, 2, 2048, 64, 16),
    "535k": (8, 64, 2, 2048, 64, 16),
    "1.86m": (8, 128, 4, 2048, 64, 8),
}
ROUNDS = 7


def main() -> None:
    """Alternate over shapes, take medians, fit seconds = overhead + FLOPs / (share * rate)."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as a run does
    steps = {name: Step(*shape) for name, shape in SHAPES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in SHAPES}
    rates = []
    for _ in range(ROUNDS):
        rates.append(matmul_flops_per_second())
        for name, step in steps.items():
            seconds[name].append(step.seconds())
    median = {name: statistics.median(values) for name, values in seconds.items()}
    flops = {name: step.flops for name, step in steps.items()}
    rate = statistics.median(rates)
    # Relative residuals: a tiny model's step counts as much as a large one's.
    times = np.array(list(median.values()))
    design = np.stack([np.ones(len(times)), np.array(list(flops.values()))], axis=1)
    overhead, per_flop = np.linalg.lstsq(design / times[:, None], np.ones(len(times)))[0]
    result = {
        "matmul_flops_per_second": rate,
        "step_seconds": median,
        "step_seconds_spread": {n: [min(v), max(v)] for n, v in seconds.items()},
        "step_flops": flops,
        "share_of_matmul_rate": {n: flops[n] / median[n] / rate for n in median},
        "fit_overhead_seconds": overhead,
        "fit_matmul_share": 1 / per_flop / rate,
        "provenance": provenance(),
    }
    text = json.dumps(result, indent=1)
    (Path(__file__).parent / "results" / "step_cost.json").write_text(text + "\n")
    sys.stdout.write(text + "\n")


class Step:
    """A whole training step of one shape: loss, gradients, clipping, AdamW."""

    def __init__(
        self, layers: int, width: int, heads: int, vocab_size: int, length: int, batch: int
    ) -> None:
        torch.manual_seed(0)
        self.model = GPT(
            num_layers=layers, width=width, num_heads=heads,
            vocab_size=vocab_size, max_length=length,
        )  # fmt: skip
        self.optimiser = torch.optim.AdamW(self.model.parameters(), fused=True)
        self.tokens = torch.randint(vocab_size, (batch, length))
        self.flops = 6.0 * sum(p.numel() for p in self.model.parameters()) * batch * length
        self.seconds()  # the first steps also warm caches up

    def seconds(self) -> float:
        """Seconds a step, over at least a third of a second."""
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.3:
            token_nats(self.model, self.tokens).mean().backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad()
            count += 1
        return (time.perf_counter() - start) / count


if __name__ == "__main__":
    main()
