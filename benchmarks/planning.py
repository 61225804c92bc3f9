"""How long a sweep of two thousand points takes to plan, from overrides to frozen specs on disk.

Each round is a process of its own, so that nothing is known from the round before; writes points,
seconds, the machine and the versions to benchmarks/results/planning.json.
"""

import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from rote.core.provenance import provenance

SWEEP, OVERRIDES = "capacity", ["seed=range(0,9)"]  # 7 ratios, 16 sizes, 2 formats, 9 seeds
ROUNDS = 5


def main() -> None:
    """Median and range over the rounds."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        rounds = list(pool.map(plan_once, range(ROUNDS)))
    result = {
        "sweep": [SWEEP, *OVERRIDES],
        "points": rounds[0]["points"],
        **{name: _summary([row[name] for row in rounds]) for name in rounds[0] if name != "points"},
        "provenance": provenance(),
    }
    text = json.dumps(result, indent=1)
    (Path(__file__).parent / "results" / "planning.json").write_text(text + "\n")
    sys.stdout.write(text + "\n")


def plan_once(_: int) -> dict[str, float]:
    """Points, seconds to import what planning needs, seconds to plan, seconds to write the plan."""
    start = time.perf_counter()
    from rote.cluster.planning import make_plan
    from rote.config.compose import Composer
    from rote.config.sweep import load_sweep, with_overrides

    imported = time.perf_counter()
    plan, _facts = make_plan(with_overrides(load_sweep(SWEEP), OVERRIDES), Composer())
    planned = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        plan.save(Path(folder))
    return {
        "points": len(set(plan.run_ids)),
        "import_seconds": imported - start,
        "plan_seconds": planned - imported,
        "save_seconds": time.perf_counter() - planned,
    }


def _summary(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}


if __name__ == "__main__":
    main()
