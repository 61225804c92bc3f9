"""Peak memory of real runs beside what `rote.training.memory` predicts.

    python benchmarks/memory.py [CASE ...]

Each case is `rote train` in a process of its own, two optimiser steps and the measures after them;
its peak is the kernel's ru_maxrss. Writes benchmarks/results/memory.json, where the rows of cases
that were not asked for stay. All of them need 10 GiB and, on two cores, 45 minutes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rote.config.compose import Composer, groups
from rote.core.provenance import provenance
from rote.ledger.spec import Spec
from rote.run.preflight import Preflight

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


def main(asked: list[str]) -> None:
    """Measure one case after another; each is written down at once."""
    rows = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    for name, overrides in cases().items():
        if not asked or any(name.startswith(word) for word in asked):
            rows[name] = row = measure(overrides)
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


if __name__ == "__main__":
    main(sys.argv[1:])
