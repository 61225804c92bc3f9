"""Seconds a step of each control, beside none: real runs of demo_m, interleaved.

`python benchmarks/controls.py`: each round runs every control in turn, in a fresh run; seconds are
the process's own, one thread, from the first look at the loss to the last, so that other work on
the machine moves them less. Writes benchmarks/results/controls.json for this machine.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rote.config.compose import Composer, groups
from rote.core.provenance import provenance
from rote.ledger.record import Record
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute

ROUNDS = 5
STEPS, LOOK = 600, 100
BASE = (
    "size=demo_m", "task.vocab_size=64", "task.length=16", "task.num_sequences=1000",
    "task.num_heldout_sequences=256", "budget=demo", f"budget.max_steps={STEPS}",
    f"budget.check_every_steps={LOOK}", f"budget.saturation.min_steps={STEPS}", "log=none",
    "host.accelerator=cpu", "measure=[cost]",
)  # fmt: skip
MORE = {"early_stopping": ("control.early_stopping.patience_looks=1000",)}


class Clock:
    """Notes the process's own time at each look at the loss."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def start(self, spec: Spec, parameters: int, epoch_tokens: int) -> None:
        """Nothing to note."""

    def row(self, row: dict[str, float]) -> None:
        """After a stride."""
        self.seconds.append(time.process_time())

    def finish(self, record: Record) -> None:
        """Nothing to note."""

    def pause(self) -> None:
        """Never."""

    def fail(self, reason: str) -> None:
        """Told by the exception."""


def step_seconds(overrides: tuple[str, ...]) -> float:
    """Of one fresh run."""
    spec = Spec.from_config(Composer().config([*BASE, *overrides]))
    clock = Clock()
    with tempfile.TemporaryDirectory() as outputs:
        execute(spec, Store(Path(outputs)), [clock])
    return (clock.seconds[-1] - clock.seconds[0]) / (STEPS - LOOK)


def main() -> None:
    """All controls, and none."""
    runs: dict[str, tuple[str, ...]] = {"none": ()}
    runs |= {name: (f"control=[{name}]", *MORE.get(name, ())) for name in groups()["control"]}
    seen: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, overrides in runs.items():
            seen[name].append(step_seconds(overrides))
    result = {
        name: {"median": statistics.median(each), "least": min(each), "most": max(each)}
        for name, each in seen.items()
    }
    text = json.dumps({"seconds_per_step": result, "provenance": provenance()}, indent=1)
    (Path(__file__).parent / "results" / "controls.json").write_text(text + "\n")
    for name, row in result.items():
        ratio = row["median"] / result["none"]["median"]
        sys.stdout.write(f"{name}: {1e3 * row['median']:.2f} ms a step, {ratio:.2f} of none's\n")


if __name__ == "__main__":
    main()
