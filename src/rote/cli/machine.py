"""Define the commands about this machine: its parts, its faults, and shell completion."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from rote.cli.arguments import Json, argument, flag
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.core.provenance import PACKAGES, processor
from rote.io.outputs import outputs_folder
from rote.io.write import require_writable

YES = {True: "yes", False: "no"}


class Finding(NamedTuple):
    """One part of this machine, its state, and what to do about it."""

    name: str
    found: str
    remedy: str
    is_ok: bool = True  # false if a wanted part does not work


def doctor(
    *,
    outputs: Annotated[bool, flag("check every file of the outputs instead")] = False,
    json: Json = False,
) -> int:
    """Returns exit code 1 where rote cannot run at all, or a file of the outputs is damaged."""
    from rich.table import Table

    if outputs:
        return _check_outputs(as_json=json)
    findings = [*_versions(), *_torch(), *_outputs(), *_slurm(), *_wandb()]
    if json:
        print_json([finding._asdict() for finding in findings])
    table = Table("part", "state", "what to do", box=None, header_style="bold")
    for finding in findings:
        table.add_row(finding.name, finding.found, finding.remedy)
    screen().print(table)
    return int(any(not finding.is_ok for finding in findings if finding.name in PACKAGES))


def _check_outputs(*, as_json: bool) -> int:
    from rote.cluster.health import damaged_files

    outputs = outputs_folder()
    with Bar() as progress:
        damaged = damaged_files(outputs, progress)
    if as_json:
        print_json({"outputs": str(outputs), "damaged": damaged})
    console = screen()
    for line in damaged:
        console.say(line, style="yellow")
    result = f"{len(damaged)} damaged" if damaged else "every file that was read is sound"
    console.say(f"{outputs}: {result}")
    return int(bool(damaged))


def _versions() -> Iterator[Finding]:
    for package in PACKAGES:
        try:
            yield Finding(package, metadata.version(package), "")
        except metadata.PackageNotFoundError:
            yield Finding(package, "missing", f"pip install {package}", is_ok=False)


def _torch() -> Iterator[Finding]:
    import torch

    cores = len(os.sched_getaffinity(0))
    advice = "host.workers and host.threads divide them"
    yield Finding("processor", f"{processor()}, {cores} cores", advice)
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            name = torch.cuda.get_device_name(index)
            memory = torch.cuda.get_device_properties(index).total_memory / 2**30
            yield Finding(f"gpu {index}", f"{name}, {memory:.0f} GiB", "")
        yield Finding("bf16 on the gpu", YES[torch.cuda.is_bf16_supported()], "")
        tf32 = torch.cuda.get_device_capability() >= (8, 0)
        yield Finding("tf32 on the gpu", YES[tf32], "")
    else:
        advice = "small models train on the cores; large ones want a CUDA device"
        yield Finding("gpu", "none", advice)
    bf16 = torch.cpu.get_capabilities().get("avx512_bf16", False)
    advice = "" if bf16 else "bf16 runs, but slower than fp32"
    yield Finding("bf16 in the processor", YES[bool(bf16)], advice)


def _outputs() -> Iterator[Finding]:
    folder = outputs_folder()
    try:
        require_writable(folder)
        free = shutil.disk_usage(folder).free / 2**30
        yield Finding("outputs", f"{folder}, {free:.0f} GiB free", "")
    except ValueError as error:
        yield Finding("outputs", "not writable", str(error), is_ok=False)


def _slurm() -> Iterator[Finding]:
    if shutil.which("sbatch") is None:
        yield Finding("SLURM", "not here", "sweeps run on this machine's cores")
        return
    version = subprocess.run(["sbatch", "--version"], capture_output=True, text=True).stdout.strip()
    try:
        ping = subprocess.run(["sinfo", "-h"], capture_output=True, text=True, timeout=10)
        answers = ping.returncode == 0
    except subprocess.TimeoutExpired:
        answers = False
    advice = "" if answers else "the controller does not answer: try sinfo"
    yield Finding("SLURM", version, advice, is_ok=answers)


def _wandb() -> Iterator[Finding]:
    keyed = "WANDB_API_KEY" in os.environ
    with suppress(OSError, RuntimeError):  # no such file, not ours to read, no home folder
        keyed = keyed or "wandb" in (Path.home() / ".netrc").read_text(errors="ignore")
    advice = "" if keyed else "nothing, for log=offline; for log=online: wandb login"
    yield Finding("wandb account", "logged in" if keyed else "none", advice)


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], argument("which", converter=None)], /
) -> int:
    """Prints a script that completes commands, flags, and names of sweeps."""
    from rote.cli.main import make_app

    script = make_app().generate_completion(prog_name="rote", shell=shell)
    if shell == "zsh":  # cyclopts' script is a file for fpath; under eval it must name its function
        script += "compdef _cyclopts_rote rote\n"
    sys.stdout.write(script)
    return 0
