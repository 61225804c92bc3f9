"""Record how a run was made: commit, package versions, host, job ids. Never secrets.

In a copy of the code, which no git knows, a file says which commit it was taken of.
"""

import hashlib
import json
import os
import platform
import socket
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("rote", "torch", "lightning", "hydra-core", "omegaconf", "submitit", "wandb", "numpy")
SNAPSHOT_FILE = "code.json"  # beside src/ of a copy: see `rote.cluster.snapshot`
ROOT = Path(__file__).parents[3]
JOB_VARIABLES = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT")
DIGITS, SHOWN_VERSIONS = 7, 4  # of a commit or digest that people read; of versions in one line


def provenance() -> dict[str, Any]:
    """Return JSON-ready facts; only the environment variables in `JOB_VARIABLES` are read."""
    return {
        **code(),
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "processor": processor(),
        "slurm": {name: os.environ[name] for name in JOB_VARIABLES if name in os.environ},
    }


def code() -> dict[str, str | None]:
    """Return the commit, the digest of uncommitted changes, and that of the snapshot, if any."""
    return {
        "commit": commit(),
        "uncommitted_digest": uncommitted_digest(),
        "snapshot": _noted().get("snapshot"),
    }


def code_versions(circumstances: Iterable[Mapping[str, Any]]) -> str:
    """Return a line if these runs were trained by several versions of the code; else no words.

    Runs of equal snapshots have one version, whatever the commit. A run without a snapshot has the
    version of a run with its commit and changes; outside a checkout that of the package.
    """
    runs = [(_state_of_code(run), run.get("snapshot")) for run in circumstances]
    copies = {state: copy for state, copy in runs if copy}
    names = {copy: f"{state}, copy {copy[:DIGITS]}" for state, copy in runs if copy}
    tally = Counter(copy or copies.get(state, state) for state, copy in runs)
    if len(tally) < 2:
        return ""
    listed = [
        f"{names.get(each, each)} ({number:,} {'run' if number == 1 else 'runs'})"
        for each, number in tally.most_common()
    ]
    more = [f"{len(listed) - SHOWN_VERSIONS} more"] * (len(listed) > SHOWN_VERSIONS)
    shown = "; ".join([*listed[:SHOWN_VERSIONS], *more])
    return f"trained by {len(tally)} versions of the code: {shown}"


def _state_of_code(run: Mapping[str, Any]) -> str:
    if not (commit := run.get("commit")):
        return f"rote {run.get('versions', {}).get('rote')}"
    changes = run.get("uncommitted_digest")
    return f"commit {commit[:DIGITS]}" + (f" with changes {changes[:DIGITS]}" if changes else "")


@cache
def _noted() -> dict[str, str | None]:
    """Return what a snapshot says of itself; empty outside one."""
    try:
        noted = json.loads((ROOT / SNAPSHOT_FILE).read_text())
    except (OSError, ValueError):
        return {}
    # Beside an installed package a file of this name may be anybody's.
    return noted if isinstance(noted, dict) and "snapshot" in noted else {}


@cache
def commit() -> str | None:
    """Return the commit of the running code; None outside a checkout (an installed wheel)."""
    return _noted().get("commit") or (_git("rev-parse", "HEAD") or "").strip() or None


@cache
def uncommitted_digest() -> str | None:
    """Return a digest of the uncommitted changes; None without changes or without a checkout."""
    if noted := _noted():
        return noted.get("uncommitted_digest")
    changes = _git("diff", "HEAD")
    return hashlib.sha256(changes.encode()).hexdigest()[:16] if changes else None


def processor() -> str:
    """Return the processor's name as the operating system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    if not (ROOT / ".git").exists():
        return None  # if site-packages lies inside another checkout, its commit is not ours
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
