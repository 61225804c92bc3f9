"""Peak memory of real runs beside what `rote.training.memory` predicts.

    python benchmarks/memory.py [CASE ...]

Each case is `rote train` in a process of its own, two optimiser steps and the measures after them;
its peak is the kernel's ru_maxrss. Writes benchmarks/results/memory.json, where the rows of cases
that were not asked for stay. All of them need 10 GiB and, on two cores, 45 minutes.

Cases that begin with "fsdp" take two steps of one of several processes, here in a group that sends
nothing, so that its numbers mean nothing but its tensors have their sizes. Torch counts the bytes
of tensors; interpreter and heap are left out. All of them take a minute.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._pytree import tree_leaves

from rote.config.build import build
from rote.config.compose import Composer, groups
from rote.core.provenance import provenance
from rote.ledger.spec import Spec
from rote.models.count import named_trainable
from rote.models.likelihood import token_nats
from rote.run.preflight import Preflight
from rote.training import sharding
from rote.training.blocks import train_blocks

RESULTS = Path(__file__).parent / "results" / "memory.json"
MIB = 1 << 20
COMMON = (
    "log=none",
    "optim=adamw",
    "host.accelerator=cpu",
    "host.checkpoint_every_seconds=null",
    "budget.max_steps=2",
    "budget.check_every_steps=2",
    "task.num_heldout_sequences=1",
)
SHARDED = ("host.strategy=fsdp", "host.accelerator=cpu", "task.length=64", "task.vocab_size=2048")
GPT2 = ("task.length=1024", "task.vocab_size=50257", "host.threads=2")
DEMO = ("task.length=16", "task.vocab_size=64")
NEVER, ALWAYS = "host.recompute_above_gib=null", "host.recompute_above_gib=0"
FORMATS = ("fp32", "bf16_mixed", "bf16_true")
WIDE = ("size=535k", "size.num_layers=2", "size.width=256", "size.num_heads=4", "task.length=128",
        "task.vocab_size=256", NEVER)  # fmt: skip


def cases() -> dict[str, list[str]]:
    """Name -> overrides."""
    shapes = {
        "demo_m B=32": (32, FORMATS, ("size=demo_m", *DEMO, NEVER)),
        "535k B=64": (64, FORMATS, ("size=535k", NEVER)),
        "535k B=1024": (1024, FORMATS, ("size=535k", NEVER)),
        "20m B=64": (64, FORMATS, ("size=20m", NEVER)),
        "20m B=64 cut": (64, FORMATS, ("size=20m", NEVER, "host.accumulate_above_gib=1.2")),
        "124m B=2": (2, FORMATS, ("size=124m", *GPT2, NEVER)),
        "355m B=1": (1, ("fp32", "bf16_true"), ("size=355m", *GPT2, NEVER)),
        "355m B=1 recomputed": (1, FORMATS, ("size=355m", *GPT2, ALWAYS)),
        "774m B=1 S=256 recomputed": (
            1, ("bf16_true",), ("size=774m", *GPT2, "task.length=256", ALWAYS),
        ),
    }  # fmt: skip
    for model in sorted(groups()["model"]):
        shapes[f"{model} 535k B=256"] = (256, ("fp32",), ("size=535k", NEVER, f"model={model}"))
        shapes[f"{model} 2x256 B=64"] = (64, ("fp32",), (*WIDE, f"model={model}"))
    return {
        f"{name} {precision}": [
            *COMMON,
            *overrides,
            f"budget.batch_size={batch_size}",
            f"task.num_sequences={batch_size}",
            f"precision={precision}",
        ]
        for name, (batch_size, precisions, overrides) in shapes.items()
        for precision in precisions
    }


def sharded_cases() -> dict[str, tuple[list[str], int]]:
    """Name -> overrides and number of processes."""
    shapes = [
        (8, precision, optim, limit)
        for precision in FORMATS
        for optim, limit in (("adamw", NEVER), ("adamw", ALWAYS))
    ] + [(64, "fp32", "adamw", NEVER), (8, "fp32", "muon", NEVER)]
    return {
        f"fsdp 10.6m B={batch_size}{' recomputed' if limit == ALWAYS else ''} {optim} {precision} "
        f"over {processes}": (
            [
                "size=10.6m", limit, f"optim={optim}", f"precision={precision}", *SHARDED,
                f"budget.batch_size={batch_size}", f"task.num_sequences={batch_size}",
            ],
            processes,
        )
        for batch_size, precision, optim, limit in shapes
        for processes in (2, 4, 8)
    }  # fmt: skip


def main(asked: list[str]) -> None:
    """Measure one case after another; each is written down at once."""
    rows = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    measures = {name: partial(measure, overrides) for name, overrides in cases().items()}
    for name, (overrides, processes) in sharded_cases().items():
        spec = Spec.from_config(Composer().config(overrides))
        measures[name] = partial(measure_shard, spec, processes)
    for name, make in measures.items():
        if not asked or any(name.startswith(word) for word in asked):
            rows[name] = row = make()
            RESULTS.write_text(
                json.dumps({"rows": rows, "provenance": provenance()}, indent=1) + "\n"
            )
            sys.stdout.write(f"{name}: {row}\n")
            sys.stdout.flush()


def measure(overrides: list[str]) -> dict[str, Any]:
    """Predicted and measured peak in MiB, their ratio, seconds of training and of the whole."""
    facts = Preflight().facts(Spec.from_config(Composer().config(overrides)))
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as outputs:
        child = subprocess.Popen(
            [sys.executable, "-m", "rote", "train", *overrides],
            env={**os.environ, "ROTE_OUTPUTS": outputs},
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"rote train {' '.join(overrides)}: exit code {child.returncode}")
        (told,) = Path(outputs).glob("runs/*/circumstances.json")
        train_seconds = json.loads(told.read_text())["train_seconds"]
    predicted, measured = facts.peak_bytes(1) / MIB, usage.ru_maxrss / 1024
    return {
        "predicted_mib": round(predicted),
        "measured_mib": round(measured),
        "predicted_over_measured": round(predicted / measured, 3),
        "train_seconds": round(train_seconds, 1),
        "seconds": round(time.monotonic() - start, 1),
    }


def measure_shard(spec: Spec, processes: int) -> dict[str, float]:
    """Predicted and measured MiB of tensors in one of so many processes, and their ratios.

    "state" is what stays: weights, gradients, optimiser state; the others are the peak of a step.
    """
    facts = Preflight().facts(spec)
    step, copies = replace(facts.step, processes=processes), facts.optimiser_copies
    recomputed = step.is_recomputed(facts.limits["recompute_above_gib"])
    state, peak = _in_one_process(spec, processes, recomputed=recomputed)
    predicted = step.held_bytes(copies) + step.made_bytes(recomputed=recomputed)
    predicted_state = step.own_bytes() * (2 + copies)
    return {
        "state_predicted_mib": round(predicted_state / MIB, 1),
        "state_measured_mib": round(state / MIB, 1),
        "state_predicted_over_measured": round(predicted_state / state, 3),
        "predicted_mib": round(predicted / MIB, 1),
        "measured_mib": round(peak / MIB, 1),
        "predicted_over_measured": round(predicted / peak, 3),
    }


def _in_one_process(spec: Spec, processes: int, *, recomputed: bool) -> tuple[int, int]:
    """Return the bytes of weights, gradients and optimiser state, and the peak of the 2nd step."""
    what = spec.what
    length, vocab_size = what["task"]["length"], what["task"]["vocab_size"]
    precision = build(what["precision"])
    distributed.init_process_group("fake", rank=0, world_size=processes, store=FakeStore())
    try:
        model = precision.cast(build(what["model"], vocab_size=vocab_size, max_length=length))
        if recomputed:
            train_blocks(model, compiled=False, recomputed=True)
        sharding.shard(model, init_device_mesh("cpu", (processes,)))
        optimiser = build(what["optim"]["optimiser"])(named_trainable(model))
        tokens_BL = torch.zeros(
            what["budget"]["batch_size"] // processes, length, dtype=torch.int64
        )
        weights = list(model.parameters())
        for _ in range(2):  # the first one makes the optimiser's state
            for weight in weights:
                weight.grad = None
            with FSDPMemTracker(model, optimiser) as tracker:
                with precision.active("cpu"):
                    token_nats(model, tokens_BL).mean().backward()
                optimiser.step()
        held = [*weights, *(one.grad for one in weights), *tree_leaves(optimiser.state_dict())]
        return _bytes(held), tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    finally:
        distributed.destroy_process_group()


def _bytes(values: Iterable[Any]) -> int:
    """Of the tensors among them, of this process's parts."""
    parts = [one.to_local() if isinstance(one, DTensor) else one for one in values]
    storages = [one.untyped_storage() for one in parts if isinstance(one, Tensor)]
    return sum({one.data_ptr(): one.nbytes() for one in storages}.values())


if __name__ == "__main__":
    main(sys.argv[1:])
