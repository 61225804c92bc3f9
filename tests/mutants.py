"""Do the quick tests notice when the code is wrong?

Draws places of the code at random, changes each (cosmic-ray: another operator, another number, a
condition turned round ...) in a copy of the tree, and runs the quick tests that pass through the
changed line, the shortest first. A mutant is killed where one of them fails. Writes
benchmarks/results/mutants.json with every survivor.

    python -m tests.mutants [how many, 200] [seed, 0]
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec
from coverage import CoverageData

from rote.io.write import sha256, sha256_of_file

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "mutants.json"
MUTATED = (  # what decides a number that a user sees, or whether a run is lost
    "measures", "scores", "models/likelihood.py", "analysis/fits", "analysis/quantities", "ledger",
    "cluster/launching.py", "training/training_run.py",
)  # fmt: skip
# X | Y is a type in this code, evaluated at import: every change of it fails at once.
LEFT_OUT = ("core/ReplaceBinaryOperator_BitOr_",)
QUICK = ["-m", "not slow and not slurm"]
MOST_SECONDS = 600  # a mutant that goes on for ever is noticed too


@dataclass(frozen=True)
class Suite:
    """Which tests pass through which line, and how long each takes."""

    through: dict[str, dict[int, set[str]]]  # file below src/rote: line: tests
    seconds: dict[str, float]

    def covering(self, mutation: MutationSpec) -> list[str]:
        """Tests of the mutated lines, of the file where these run at import; the shortest first."""
        lines = self.through.get(_inside(mutation), {})
        first, last = mutation.start_pos[0], mutation.end_pos[0]
        tests = set().union(*(lines.get(line, set()) for line in range(first, last + 1)))
        tests = tests or set().union(*lines.values())
        return sorted(tests, key=lambda test: (self.seconds.get(test, 0.0), test))


def main(number: int, seed: int) -> None:
    """Prints a line a mutant, writes the result."""
    drawn = random.Random(seed).sample(mutations(), number)
    suite = examined()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        trees: SimpleQueue[Path] = SimpleQueue()
        workers = len(os.sched_getaffinity(0))
        for worker in range(workers):
            trees.put(_copy_of_the_tree(Path(scratch) / str(worker)))

        def tried(mutation: MutationSpec) -> dict[str, object]:
            tree = trees.get()
            try:
                return _tried(mutation, suite.covering(mutation), tree)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(workers) as pool:
            outcomes = list(pool.map(tried, drawn))
    _write(outcomes, seed=seed, minutes=(time.monotonic() - begun) / 60)


def mutations() -> list[MutationSpec]:
    """Every change that cosmic-ray knows, in an order that stays."""
    paths = []
    for name in MUTATED:
        path = ROOT / "src" / "rote" / name
        paths += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    with tempfile.TemporaryDirectory() as folder, use_db(Path(folder) / "work.sqlite") as database:
        init(paths, database, {})
        found = [mutation for item in database.work_items for mutation in item.mutations]
    kept = [one for one in found if not one.operator_name.startswith(LEFT_OUT)]
    return sorted(kept, key=lambda one: (str(one.module_path), one.operator_name, one.occurrence))


def examined() -> Suite:
    """Run the quick tests once for each state of the tree, with each line's tests noted."""
    folder = ROOT / "outputs" / "mutants" / _digest_of_the_tree()
    data, times = folder / "coverage", folder / "times.xml"
    if not times.exists():
        folder.mkdir(parents=True, exist_ok=True)
        words = ["--numprocesses", "auto", "--quiet", f"--junitxml={times}"]
        subprocess.run(
            [sys.executable, "-m", "pytest", *QUICK, *words, "--cov", "--cov-context=test",
             "--cov-report="],
            cwd=ROOT, check=True, env=os.environ | {"COVERAGE_FILE": str(data)},
        )  # fmt: skip
    return Suite(through=_through(data), seconds=_seconds(times))


def _digest_of_the_tree() -> str:
    digests = (sha256_of_file(ROOT / name) for name in _tracked() if (ROOT / name).is_file())
    return sha256("".join(digests).encode())[:16]


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return listed.stdout.splitlines()


def _through(data: Path) -> dict[str, dict[int, set[str]]]:
    read = CoverageData(str(data))
    read.read()
    through: dict[str, dict[int, set[str]]] = defaultdict(dict)
    for path in read.measured_files():
        for line, contexts in read.contexts_by_lineno(path).items():
            tests = {context.rpartition("|")[0] for context in contexts if context}
            through[_below_rote(path)][line] = tests
    return through


def _seconds(times: Path) -> dict[str, float]:
    cases = ElementTree.parse(times).iter("testcase")
    return {
        f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}":
        float(case.attrib["time"])
        for case in cases
    }  # fmt: skip


def _tried(mutation: MutationSpec, tests: list[str], tree: Path) -> dict[str, object]:
    path = tree / Path(mutation.module_path).relative_to(ROOT)
    before = path.read_text()
    operator = get_operator(mutation.operator_name)(**mutation.operator_args)
    after = mutate_code(before, operator, mutation.occurrence)
    path.write_text(after)
    try:
        outcome = _outcome(tests, tree)
    finally:
        path.write_text(before)
    line = mutation.start_pos[0]
    told = {
        "file": _inside(mutation), "line": line, "function": mutation.definition_name,
        "operator": mutation.operator_name.removeprefix("core/"),
        "before": before.splitlines()[line - 1].strip(),
        "after": after.splitlines()[line - 1].strip(),
        "tests": len(tests), "outcome": outcome,
    }  # fmt: skip
    sys.stdout.write(f"{outcome:9}{told['file']}:{line}: {told['after']}\n")
    sys.stdout.flush()
    return told


def _outcome(tests: list[str], tree: Path) -> str:
    """ "survived" also where no test passes through the line."""
    if not tests:
        return "survived"
    (tree / "tests.txt").write_text("\n".join(tests))
    words = ["-x", "-q", "-p", "no:cacheprovider", "--timeout", "120", "@tests.txt"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=tree, capture_output=True, timeout=MOST_SECONDS,
            env=os.environ | {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "killed"
    return "killed" if done.returncode else "survived"


def _copy_of_the_tree(to: Path) -> Path:
    for name in _tracked():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to / name)
    return to


def _write(outcomes: list[dict[str, object]], *, seed: int, minutes: float) -> None:
    files = {str(one["file"]).split("/")[0] for one in outcomes}
    counts = {part: Counter(o["outcome"] for o in _of(outcomes, part)) for part in sorted(files)}
    killed = sum(one["outcome"] == "killed" for one in outcomes)
    survivors = [one for one in outcomes if one["outcome"] == "survived"]
    result = {
        "seed": seed, "mutants": len(outcomes), "killed": killed, "minutes": round(minutes, 1),
        "by_part": counts, "survivors": survivors,
    }  # fmt: skip
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(f"{killed} of {len(outcomes)} killed, {minutes:.1f} minutes: {RESULTS}\n")


def _of(outcomes: list[dict[str, object]], part: str) -> Iterator[dict[str, object]]:
    return (one for one in outcomes if str(one["file"]).split("/")[0] == part)


def _inside(mutation: MutationSpec) -> str:
    return _below_rote(str(mutation.module_path))


def _below_rote(path: str) -> str:
    return path.rpartition("src/rote/")[2]


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], *("200", "0")[len(sys.argv) - 1 :]]))
