"""Where and with what a run was made: commit, versions, host, job ids. Never secrets."""

import hashlib
import os
import platform
import socket
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("rote", "torch", "lightning", "hydra-core", "omegaconf", "submitit", "wandb", "numpy")
JOB_VARIABLES = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT")


def provenance() -> dict[str, Any]:
    """Plain, JSON-ready facts; only the named environment variables are read."""
    return {
        **code(),
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "processor": processor(),
        "slurm": {name: os.environ[name] for name in JOB_VARIABLES if name in os.environ},
    }


def code() -> dict[str, str | None]:
    """Which code this is."""
    return {"commit": commit(), "uncommitted_digest": uncommitted_digest()}


@cache
def commit() -> str | None:
    """The commit of the code that runs; None outside a checkout (an installed wheel)."""
    return (_git("rev-parse", "HEAD") or "").strip() or None


@cache
def uncommitted_digest() -> str | None:
    """Digest of the uncommitted changes; None where there are none or no checkout."""
    changes = _git("diff", "HEAD")
    return hashlib.sha256(changes.encode()).hexdigest()[:16] if changes else None


def processor() -> str:
    """The processor's name as the operating system tells it."""
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
    source = Path(__file__).parent
    if not (source.parents[1] / ".git").exists():
        return None  # site-packages inside somebody else's checkout is not our commit
    try:
        done = subprocess.run(
            ["git", "-C", str(source), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
