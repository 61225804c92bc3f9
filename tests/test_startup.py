"""What starts at once: no torch before it is needed, and how long commands take to begin."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

TORCHLESS = (
    "rote.core.units", "rote.core.checks", "rote.io.write", "rote.io.outputs",
    "rote.core.provenance", "rote.core.process",
    "rote.core.progress", "rote.core.own_modules",
    "rote.tasks.text.prepare", "rote.tasks.text.prepared",
    "rote.ledger.store", "rote.config.sweep", "rote.config.data_resolver",
    "rote.cluster.plan", "rote.cluster.status", "rote.cluster.launching", "rote.cluster.slurm",
    "rote.analysis.report", "rote.analysis.results", "rote.analysis.report",
    "rote.analysis.comparison_page",
    "rote.analysis.reports.capacity.report", "rote.analysis.reports.text.report",
    "rote.analysis.reports.double_descent", "rote.analysis.reports.leakage.report",
    "rote.analysis.quantities.membership", "rote.analysis.reports.controls.report",
    "rote.analysis.reports.generalisation.report", "rote.analysis.reports.random_labels.report",
    "rote.analysis.quantities.exposure", "rote.analysis.quantities.generations",
    "rote.tasks.canaries.manifest", "rote.tasks.occurrences",
    "rote.analysis.laws.kinds", "rote.analysis.laws.repetition", "rote.analysis.laws.capacity",
    "rote.analysis.published", "rote.scores.shadow_models", "rote.scores.blind",
    "rote.scores.blind", "rote.analysis.quantities.generations",
    "rote.planner.bill", "rote.cli.main", "rote.cli.sweeps", "rote.cli.status",
    "rote.cli.results", "rote.cli.wandb", "rote.cli.laws", "rote.cli.models", "rote.cli.machine",
    "rote.gathering.runs", "rote.tracking.offline",
    "rote.tracking.mirror", "rote.tracking.report_run",
    "rote.analysis.audit.report", "rote.auditing.stored",
    "rote.auditing.document_sets",
    "rote.site.site", "rote.site.server",
    "rote.config.trust", "rote.config.skeletons", "rote.cli.new",
    "rote.io.read",
    "rote.coding.container",
)  # fmt: skip
HEAVY = ("torch", "lightning")
# Over an interpreter that does nothing, 0.013 s where these took 0.155 and 0.365 s (ratios 12 and
# 28): the promises, half a second and one and a half, hold where a bare interpreter takes 0.03 s.
MOST_HELP = 16
MOST_STATUS = 50


def test_these_modules_start_without_torch() -> None:
    """In one interpreter: what a module imports alone is part of what all import together."""
    code = (
        "import importlib, json, sys\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    importlib.import_module(name)\n"
        "    for heavy in json.loads(sys.argv[2]):\n"
        "        assert heavy not in sys.modules, f'{name} imports {heavy}'\n"
    )
    words = [sys.executable, "-c", code, json.dumps(TORCHLESS), json.dumps(HEAVY)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_of_every_command_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from rote.cli.main import COMMANDS, main\n"
        "for name in (each for group in COMMANDS.values() for each in group):\n"
        "    assert main([name, '--help']) == 0\n"
        "    for heavy in ('torch', 'lightning', 'matplotlib', 'polars', 'wandb'):\n"
        "        assert heavy not in sys.modules, f'rote {name} --help imports {heavy}'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def seconds(folder: Path, *words: str) -> float:
    """Of one fresh interpreter from start to end, the least of five: noise only adds."""
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, *words],
            cwd=folder, check=True, capture_output=True,
            env={**os.environ, "ROTE_OUTPUTS": str(folder)},
        )  # fmt: skip
        taken.append(time.perf_counter() - begun)
    return min(taken)


def test_help_and_status_start_at_once(tmp_path: Path) -> None:
    bare = seconds(tmp_path, "-c", "pass")
    assert seconds(tmp_path, "-m", "rote", "--help") < MOST_HELP * bare
    assert seconds(tmp_path, "-m", "rote", "status") < MOST_STATUS * bare
