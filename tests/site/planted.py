"""Outputs folders of runs that never ran, written through the real store, and their server."""

import copy
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rote.cluster.plan import Plan, Point
from rote.gathering.api import Api
from rote.ledger.record import Record
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.site.server import Server

SIZES = ((1, 16), (1, 32), (2, 32), (2, 64))  # layers, width
PRECISIONS = ("fp32", "bf16_mixed", "tf32")
ROWS_OF_A_CURVE = 100
CIRCUMSTANCES = {
    "commit": "0123abcd", "uncommitted_digest": None, "versions": {"torch": "2.11.0"},
    "host": "node1", "device": "cpu", "setup_seconds": 0.5, "train_seconds": 3.25,
    "measure_seconds": 0.25, "peak_memory_bytes": 300_000_000,
}  # fmt: skip


def plant(
    outputs: Path, base: Spec, *, name: str, num_runs: int, question: str = "How much?",
    num_seeds: int = 1, **what: Any,
) -> Plan:  # fmt: skip
    """A sweep of so many done runs; ``what`` are keys of the task to set in all of them."""
    store = Store(outputs)
    points = []
    for index, spec in enumerate(specs(base, num_runs, num_seeds, **what)):
        record = record_of(spec, index)
        run = store.run(spec.run_id)
        run.begin(spec, "".join(_curve(record)))
        arrays = {"cost.train_code_bits": np.zeros(8, np.float32)}
        run.finish(record, arrays, CIRCUMSTANCES)
        point = Point(run_id=spec.run_id, spec=spec, parameters=record.parameters, max_flops=1e9)
        points.append(point)
    plan = Plan(name=name, question=question, report="capacity", points=tuple(points))
    plan.save(outputs)
    return plan


def specs(base: Spec, num_runs: int, num_seeds: int = 1, **task: Any) -> Iterator[Spec]:
    """Sizes and precisions in turn, ever more sequences, a rate and a seed of its own for each."""
    for seed in range(num_runs):
        index = seed // num_seeds
        what: dict[str, Any] = copy.deepcopy(dict(base.what))
        layers, width = SIZES[index % len(SIZES)]
        what["size"] |= {"num_layers": layers, "width": width}
        what["precision"]["name"] = PRECISIONS[index // len(SIZES) % len(PRECISIONS)]
        what["task"] |= {"num_sequences": 2 ** (4 + index % 7), **task}
        what["optim"]["optimiser"]["lr"] = round(1e-3 * (1 + index % 10), 6)
        what["seed"] = seed
        yield Spec(what=what, how=base.how)


def record_of(spec: Spec, index: int) -> Record:
    """Memorised bits saturate at 3 bits a parameter, give or take 5 %."""
    what = spec.what
    layers, width = what["size"]["num_layers"], what["size"]["width"]
    parameters = layers * (12 * width**2 + 13 * width) + 26 * width
    sequences, length = what["task"]["num_sequences"], what["task"]["length"]
    entropy_bits = sequences * length * math.log2(what["task"]["vocab_size"])
    share = 0.95 + 0.1 * ((index * 7919) % 1000) / 1000
    memorised = entropy_bits * share / (1 + entropy_bits / (3.0 * parameters))
    cost = {
        "train_code_bits": entropy_bits - memorised,
        "train_first_token_code_bits": (entropy_bits - memorised) / length,
        "train_tokens": sequences * length,
        "heldout_code_bits": 4.0 * length * 1.01,
        "heldout_tokens": length,
    }
    return Record(
        run_id=spec.run_id,
        what=what,
        parameters=parameters,
        embedding_parameters=24 * width,
        entropy_bits=entropy_bits,
        entropy_after_first_token_bits=entropy_bits * (1 - 1 / length),
        training={"steps": 30, "tokens_seen": 30 * 4 * length, "converged": index % 5 != 0,
                  "growth_bits_per_1000_steps": 1.5},
        measures={"cost": cost},
    )  # fmt: skip


def _curve(record: Record) -> Iterator[str]:
    memorised = record.entropy_bits - record.measures["cost"]["train_code_bits"]
    for row in range(1, ROWS_OF_A_CURVE + 1):
        bits = memorised * (1 - math.exp(-4 * row / ROWS_OF_A_CURVE))
        nats = 2.7 - bits / record.measures["cost"]["train_tokens"] * math.log(2)
        yield (
            f'{{"step": {row * 10}, "tokens": {row * 320}, "loss_nats_per_token": {nats!r}, '
            f'"memorised_bits": {bits!r}, "learning_rate": 0.001}}\n'
        )


@contextmanager
def serving(outputs: Path) -> Iterator[Server]:
    """A server over the folder, which answers until the block ends."""
    with Server(outputs, port=0, api=Api(outputs)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
