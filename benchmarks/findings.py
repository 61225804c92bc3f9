"""The demos' numbers in docs/findings.md, out of the commit at hand: `make findings`.

Trains every demo from nothing in a folder of their own, reports on it, and replaces what stands
between its two marks in docs/findings.md: commit, processor and times, the report's headlines, its
numbers with their intervals. `python benchmarks/findings.py demo double_descent_demo` does two of
them; with `--report` first their runs stay and only the reports are made anew. The first demo is
also trained as a processor without AVX-512 would (other kernels, other last bits), which tells how
far its numbers move with the machine. Then the scorecard of claims is written anew into
docs/claims.md, docs/claims.json and README.md; a number whose report was not made this time stays
as it was. Refused with uncommitted code.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from rote.core.provenance import commit, processor, uncommitted_digest

ROOT = Path(__file__).parents[1]
OUTPUTS = ROOT / "outputs" / "findings"
PAGE = ROOT / "docs" / "findings.md"
SCORECARD = ROOT / "docs" / "claims.json"
CLAIMS = ROOT / "docs" / "claims.md"
README = ROOT / "README.md"
ROTE = Path(sys.executable).parent / "rote"
OTHER_KERNELS = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
MOST_ROWS = 20  # of a table that is not folded
MOVES = "demo"  # trained a second time under OTHER_KERNELS
DEMOS = (
    "demo",
    "data_shape_demo",
    "text_demo",
    "double_descent_demo",
    "leakage_demo",
    "arithmetic_demo",
    "random_labels_demo",
    "controls_demo",
    "scaling_demo",
    "formats_demo",
    "architectures_demo",
    "definitions_demo",
    "memory_demo",
)


def main() -> None:
    """Raises SystemExit for names of no demo and for uncommitted changes."""
    is_report = sys.argv[1:2] == ["--report"]
    names = sys.argv[1 + is_report :] or list(DEMOS)
    if unknown := sorted(set(names) - set(DEMOS)):
        sys.exit(f"no demo: {', '.join(unknown)}; choose from {', '.join(DEMOS)}")
    if uncommitted_digest():
        sys.exit("there are uncommitted changes: findings come out of a commit")
    if not is_report:
        shutil.rmtree(OUTPUTS, ignore_errors=True)
    for name in sorted(names, key=DEMOS.index):
        block = [_where(), "", *_measured(name, OUTPUTS / "native", {})]
        if name == MOVES:
            block += ["", "The same as a processor without AVX-512 trains it:", ""]
            block += _measured(name, OUTPUTS / "avx2", OTHER_KERNELS)
        _replace(PAGE, name, block)
    _judge_claims()


def _judge_claims() -> None:
    environment = os.environ | {"ROTE_OUTPUTS": str(OUTPUTS / "native")}
    earlier = ("--with", str(SCORECARD)) if SCORECARD.exists() else ()
    _timed(environment, "claims", "--bill", *earlier)
    made = OUTPUTS / "native" / "claims"
    shutil.copy(made / "claims.json", SCORECARD)
    lines = (made / "claims.md").read_text().splitlines()
    _replace(CLAIMS, "claims", lines)
    _replace(README, "claims", [f"{lines[0]} ([the scorecard](docs/claims.md))"])


def _where() -> str:
    return (
        f"Commit {(commit() or 'unknown')[:7]}, {processor()}, {os.cpu_count()} cores, torch "
        f"{torch.__version__}, Python {platform.python_version()}."
    )


def _measured(name: str, outputs: Path, kernels: dict[str, str]) -> Iterator[str]:
    """Lines of Markdown; trains first."""
    environment = os.environ | kernels | {"ROTE_OUTPUTS": str(outputs), "WANDB_MODE": "disabled"}
    trained = outputs / "trained" / f"{name}.json"  # seconds and commit
    if not trained.exists():
        sweep_seconds, _ = _timed(environment, "sweep", name)
        trained.parent.mkdir(parents=True, exist_ok=True)
        trained.write_text(json.dumps({"seconds": sweep_seconds, "commit": commit()}))
    report_seconds, printed = _timed(environment, "report", name, "--json")
    report, before = json.loads(printed), json.loads(trained.read_text())
    runs = f"{report['num_runs']} runs in {before['seconds']:.0f} s"
    by = "" if before["commit"] == commit() else f" by commit {before['commit'][:7]}"
    yield f"{runs}{by}, their report in {report_seconds:.0f} s."
    yield ""
    yield from (f"- {line}" for line in report["headlines"])
    yield ""
    rows = [row for key, entry in report["numbers"].items() for row in _rows(key, entry)]
    is_folded = len(rows) > MOST_ROWS
    if is_folded:
        yield f'<details markdown="1"><summary>{len(rows)} numbers with intervals</summary>'
        yield ""
    yield "| | value | 95 % interval | runs |"
    yield "|---|---|---|---|"
    yield from rows
    if is_folded:
        yield ""
        yield "</details>"


def _rows(key: str, entry: dict[str, Any]) -> Iterator[str]:
    """A row of each number that has an interval; constants of a law are entries of their own."""
    runs = len(entry.get("runs", ())) or ""
    for of, interval in entry.items():
        if of == "constants":
            for name, constant in interval.items():
                yield from _rows(f"{key}, {name}", constant)
            continue
        if "interval" not in of or not interval or None in interval:
            continue
        quantity = of.replace("bootstrap_interval", "value").replace("interval", "").strip("_")
        value = entry.get(quantity) if quantity else _own_value(entry)
        if isinstance(value, float):
            low, high = interval
            is_plain = quantity in ("", "value")
            label = key if is_plain else f"{key}, {quantity.replace('_', ' ')}"
            yield f"| {label} | {_short(value)} | {_short(low)} to {_short(high)} | {runs} |"


def _short(value: float) -> str:
    """Four digits; thousands are written out."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def _own_value(entry: dict[str, Any]) -> Any:
    """The number that an interval without a name is of: a difference, else what comes first."""
    return entry.get("difference", next(iter(entry.values())))


def _timed(environment: dict[str, str], *arguments: str) -> tuple[float, str]:
    begun = time.perf_counter()
    done = subprocess.run(
        [ROTE, *arguments], check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    return time.perf_counter() - begun, done.stdout


def _replace(page: Path, name: str, lines: list[str]) -> None:
    """What stands between the marks of a name; raises ValueError where they are not there."""
    begin, end = f"<!-- {name}: make findings -->", f"<!-- end of {name} -->"
    text = page.read_text()
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no marks {begin} and {end}")
    page.write_text("\n".join([before + begin, "", *lines, "", end]) + after)


if __name__ == "__main__":
    main()
