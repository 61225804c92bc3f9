"""Measure speed and memory on a GPU, part by part, and merge the parts into one JSON.

    python benchmarks/gpu.py --list           the parts, what they take, when they are killed
    python benchmarks/gpu.py [PART ...]       these parts, or all

Each part (gpu_parts.py) runs in a process of its own until its limit. After each,
benchmarks/results/gpu.json has its rows with device, versions and commit; a part that fails or is
killed leaves those that it measured, and never replaces one that finished. All parts share the
folder of torch's compiled kernels. Without a GPU the same code runs tiny and only prints.
"""

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from rote.core.provenance import provenance
from rote.io.outputs import outputs_folder
from rote.io.write import write_json

RESULTS = Path(__file__).parent / "results" / "gpu.json"
FINISHED = "finished"


class Part(NamedTuple):
    """Something to measure; the expected seconds are those of a GPU, imports included."""

    about: str
    expected_seconds: float
    limit_seconds: float
    measure: Callable[[], Iterator[tuple[str, dict[str, Any]]]]


def main(arguments: Sequence[str]) -> int:
    """Return 0 if all chosen parts finished, 1 if one did not; argparse exits with 2."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="PART")
    parser.add_argument("--list", action="store_true", help="print the parts and end")
    parser.add_argument("--parts", default="gpu_parts", help="the module that defines them")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON to merge into")
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)  # of the process of one part
    asked = parser.parse_args(arguments)
    parts = importlib.import_module(asked.parts).PARTS
    if unknown := set(asked.names) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    if asked.list:
        sys.stdout.writelines(_listed(parts))
        return 0
    if asked.rows:
        _measure_here(importlib.import_module(asked.parts), asked.names[0], asked.rows)
        return 0
    all_finished = True
    for name in asked.names or parts:
        part = measure(asked.parts, name, parts[name].limit_seconds)
        all_finished &= part["ended"] == FINISHED
        sys.stdout.write(json.dumps({name: part}, indent=1) + "\n")
        sys.stdout.flush()
        if part["device"] not in (None, "cpu") or asked.results != RESULTS:
            merge(asked.results, name, part)
    return 0 if all_finished else 1


def _listed(parts: dict[str, Part]) -> Iterator[str]:
    for name, part in parts.items():
        seconds = f"{part.expected_seconds:4.0f} s of {part.limit_seconds:3.0f}"
        yield f"{name:15} {seconds}  {part.about}\n"
    yield f"{'all':15} {sum(part.expected_seconds for part in parts.values()):4.0f} s\n"


def measure(parts: str, name: str, limit_seconds: float) -> dict[str, Any]:
    """Run a part in a process group of its own; return its rows and how it ended."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rows, log = Path(folder) / "rows.jsonl", Path(folder) / "log"
        rows.touch()
        with log.open("wb") as stream:
            command = [sys.executable, __file__, "--parts", parts, "--rows", str(rows), name]
            child = subprocess.Popen(
                command, env=_environment(), stdout=stream, stderr=stream, start_new_session=True
            )
            try:
                code = child.wait(limit_seconds)
                ended = FINISHED if code == 0 else _failure(code, log)
            except subprocess.TimeoutExpired:
                ended = f"killed after {limit_seconds:g} s"
            finally:
                with suppress(ProcessLookupError):  # what the part started ends with it
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        whole_lines = rows.read_text().rpartition("\n")[0].splitlines()
    found: dict[str, Any] = {}
    for line in whole_lines:
        found |= json.loads(line)
    return {
        "ended": ended,
        "seconds": time.monotonic() - started,
        "device": found.pop("device", None),
        "rows": found,
        "provenance": provenance(),
    }


def merge(results: Path, name: str, part: dict[str, Any]) -> None:
    """Replace one part of the JSON, at once, unless that would lose a part that finished."""
    whole = json.loads(results.read_text()) if results.exists() else {}
    parts = whole.setdefault("parts", {})
    if part["ended"] == FINISHED or parts.get(name, {}).get("ended") != FINISHED:
        parts[name] = part
        write_json(results, whole)


def _measure_here(module: Any, name: str, rows: Path) -> None:
    """Append the device and each row, as soon as it is measured."""
    with rows.open("a", buffering=1) as stream:
        stream.write(json.dumps({"device": module.device_name()}) + "\n")
        for row, values in module.PARTS[name].measure():
            stream.write(json.dumps({row: values}) + "\n")


def _environment() -> dict[str, str]:
    """Return the environment with one folder for compiled kernels, unless it names another."""
    cache = str(outputs_folder().resolve() / "compiled")
    return {"TORCHINDUCTOR_CACHE_DIR": cache, "TRITON_CACHE_DIR": f"{cache}/triton", **os.environ}


def _failure(code: int, log: Path) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    lines = log.read_text(errors="replace").strip().splitlines()
    return f"failed: {lines[-1] if lines else f'exit code {code}'}"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a part ends with the driver
    sys.exit(main(sys.argv[1:]))
