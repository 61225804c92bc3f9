"""What very many runs take: planning, status and collecting, by folders and by archive.

Runs are planted, not trained. Every step is a process of its own, with its seconds of the clock and
of the processor and its peak memory. Run it from the root of the repository as
``PYTHONPATH=. python benchmarks/many_runs.py [RUNS]``; writes benchmarks/results/many_runs.json.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from tests.conftest import TINY
from tests.site.planted import CIRCUMSTANCES, record_of

from rote.cluster.plan import Plan, Point
from rote.config.compose import Composer
from rote.core.provenance import provenance
from rote.ledger.spec import Spec
from rote.ledger.store import Store

NUM_RUNS, NUM_SETTINGS = 10_000, 192  # the sweep `capacity` has 192 points a seed
ROWS = 20  # of a curve: a run logs its loss on a logarithmic grid of steps
STEPS = ("status", "status many", "collect many", "archive many", "status many", "collect many",
         "archive many --restore")  # fmt: skip


def main() -> None:
    """Write a row for each step."""
    number = int(sys.argv[1]) if sys.argv[1:] else NUM_RUNS
    with tempfile.TemporaryDirectory() as scratch:
        outputs = Path(scratch)
        planted(outputs, number)
        rows = [planning(number)]
        for step in STEPS:
            rows.append({"step": f"rote {step}", **taken(["-m", "rote", *step.split()], outputs)})
            rows[-1]["inodes"] = sum(1 for _ in outputs.rglob("*"))
    result = {"runs": number, "steps": rows, "provenance": provenance()}
    text = json.dumps(result, indent=1) + "\n"
    (Path(__file__).parent / "results" / "many_runs.json").write_text(text)
    sys.stdout.write(text)


def planning(number: int) -> dict[str, Any]:
    """Compose and check so many points of `capacity`."""
    seeds = f"['seed=range(0,{number // NUM_SETTINGS})']"
    here = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})"
    code = f"{here}; import planning as one; one.OVERRIDES = {seeds}; one.plan_once(0)"
    return {"step": "plan", **taken(["-c", code], Path())}


def taken(words: list[str], outputs: Path) -> dict[str, float]:
    """Seconds of a Python process, its start included, and its peak memory in MiB."""
    environment = {**os.environ, "ROTE_OUTPUTS": str(outputs)}
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    return {
        "exit_code": os.waitstatus_to_exitcode(status),
        "seconds": round(time.perf_counter() - begun, 2),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_memory_mib": round(used.ru_maxrss / 1024),
    }


def planted(outputs: Path, number: int) -> None:
    """A launched sweep of so many finished runs, their seeds apart."""
    base = Spec.from_config(Composer().config(list(TINY)))
    plain = yaml.dump({"what": base.what, "how": base.how}, Dumper=yaml.CSafeDumper)
    before, after = re.split(r"^  seed: \d+$", plain, flags=re.MULTILINE)
    rows = [{"step": 10 * n, "tokens": 320 * n, "memorised_bits": 1.5 * n} for n in range(ROWS)]
    curve = "".join(json.dumps(row) + "\n" for row in rows)
    store, points = Store(outputs), []
    with patch("os.fsync"):
        for seed in range(number):
            spec = Spec(what={**base.what, "seed": seed}, how=base.how)
            record = record_of(spec, seed)
            run = store.run(spec.run_id)
            run.path.mkdir(parents=True)
            run.spec_path.write_text(f"{before}  seed: {seed}{after}")
            run.curve_path.write_text(curve)
            run.finish(record, {"cost.train_code_bits": np.zeros(8, np.float32)}, CIRCUMSTANCES)
            # Trained runs sync their files, so that the seal is younger than all of them.
            sealed = run.path / "seal.json"
            os.utime(sealed, (time.time() + 1, time.time() + 1))
            points.append(
                Point(run_id=spec.run_id, spec=spec, parameters=record.parameters, max_flops=1e9)
            )
    Plan(name="many", question="", report="capacity", points=tuple(points)).save(outputs)


if __name__ == "__main__":
    main()
