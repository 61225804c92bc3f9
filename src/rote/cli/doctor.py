"""`rote doctor`: what this machine has, and what to do about what is missing."""

import argparse
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from rich.table import Table

from rote.cli.screen import screen
from rote.files import require_writable
from rote.outputs import outputs_folder
from rote.provenance import PACKAGES, processor

Finding = tuple[str, str, str]  # what, how it stands, what to do


def run(_: argparse.Namespace) -> int:
    """Exit code 1 where rote cannot run at all."""
    findings = [*_versions(), *_torch(), *_outputs(), *_slurm(), *_wandb()]
    table = Table("part", "state", "what to do", box=None, header_style="bold")
    for finding in findings:
        table.add_row(*finding)
    screen().print(table)
    return int(any(state.startswith("missing") for part, state, _ in findings if part in PACKAGES))


def _versions() -> Iterator[Finding]:
    for package in PACKAGES:
        try:
            yield package, metadata.version(package), ""
        except metadata.PackageNotFoundError:
            yield package, "missing", f"pip install {package}"


def _torch() -> Iterator[Finding]:
    import torch

    cores = len(os.sched_getaffinity(0))
    yield "processor", f"{processor()}, {cores} cores", "host.workers and host.threads divide them"
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            name = torch.cuda.get_device_name(index)
            memory = torch.cuda.get_device_properties(index).total_memory / 2**30
            yield f"gpu {index}", f"{name}, {memory:.0f} GiB", ""
        yield "bf16 on the gpu", _yes(torch.cuda.is_bf16_supported()), ""
        yield "tf32 on the gpu", _yes(torch.cuda.get_device_capability() >= (8, 0)), ""
    else:
        yield "gpu", "none", "small models train on the cores; large ones want a CUDA device"
    bf16 = torch.cpu.get_capabilities().get("avx512_bf16", False)
    advice = "" if bf16 else "bf16 runs, but slower than fp32"
    yield "bf16 in the processor", _yes(bool(bf16)), advice


def _outputs() -> Iterator[Finding]:
    folder = outputs_folder()
    try:
        require_writable(folder)
        free = shutil.disk_usage(folder).free / 2**30
        yield "outputs", f"{folder}, {free:.0f} GiB free", ""
    except ValueError as error:
        yield "outputs", "not writable", str(error)


def _slurm() -> Iterator[Finding]:
    if shutil.which("sbatch") is None:
        yield "SLURM", "not here", "sweeps run on this machine's cores"
        return
    version = subprocess.run(["sbatch", "--version"], capture_output=True, text=True).stdout.strip()
    try:
        ping = subprocess.run(["sinfo", "-h"], capture_output=True, text=True, timeout=10)
        answers = ping.returncode == 0
    except subprocess.TimeoutExpired:
        answers = False
    yield "SLURM", version, "" if answers else "the controller does not answer: try sinfo"


def _wandb() -> Iterator[Finding]:
    netrc = Path.home() / ".netrc"
    keyed = "WANDB_API_KEY" in os.environ or (
        netrc.exists() and "wandb" in netrc.read_text(errors="ignore")
    )
    advice = "" if keyed else "nothing, for log=offline; for log=online: wandb login"
    yield "wandb account", "logged in" if keyed else "none", advice


def _yes(true: bool) -> str:
    return "yes" if true else "no"
