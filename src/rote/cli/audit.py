"""`rote audit`: what a model gives away of the documents that it was trained on."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from rote.analysis.audit.report import NUMBERS, PAGE, is_finished, read_numbers, write_report
from rote.analysis.audit.wording import start_warnings
from rote.cli.finding import find_run
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.io.outputs import outputs_folder
from rote.io.write import require_writable

if TYPE_CHECKING:
    from rote.auditing.request import AuditRequest
    from rote.auditing.targets import AuditTarget

SETS = {"members": "members", "nonmembers": "non-members"}
COUNTED = ("empty", "too_short", "duplicates", "truncated")
WARNINGS = ("leaks", "confounded", "regurgitates")


def run(arguments: argparse.Namespace) -> int:
    """Raises ValueError with one line for anything that cannot be audited."""
    question = _question(arguments)
    with Bar() as show:
        show("reading every file once, for its digest", 0, None)
        digests = question.digests()
    root = require_writable(Path(arguments.output or outputs_folder() / "audits"))
    folder = root.absolute() / question.folder_name(digests)
    if not is_finished(folder):
        from rote.auditing.audit import delete_partial_results, run_audit

        with Bar() as show:
            stored = run_audit(question, digests, folder, show)
        write_report(stored, folder)
        delete_partial_results(folder)
    numbers = read_numbers(folder)
    if arguments.json:
        print_json(numbers)
    else:
        _print(screen(), numbers, folder)
    return 0


def _question(arguments: argparse.Namespace) -> "AuditRequest":
    from rote.auditing.request import AuditRequest, AuditSettings
    from rote.auditing.targets import precision_of
    from rote.training.quantisation_aware import QuantisationAware

    target = _target(arguments.model, arguments)
    precision = precision_of(arguments.precision or target.precision)
    if isinstance(precision, QuantisationAware) and precision.name != target.precision:
        raise ValueError(
            f"--precision {precision.name}: only a run that was trained in it has such weights"
        )
    return AuditRequest(
        target=target,
        references=[_target(word, arguments) for word in arguments.reference],
        members=Path(arguments.members),
        nonmembers=Path(arguments.nonmembers),
        canaries=None if arguments.canaries is None else Path(arguments.canaries),
        settings=AuditSettings(
            field=arguments.field,
            max_tokens=arguments.max_tokens,
            quick=arguments.quick,
            prefix_tokens=arguments.prefix_tokens,
            suffix_tokens=arguments.suffix_tokens,
            precision=precision.name,
            device=_device(arguments.accelerator),
            seed=arguments.seed,
            start_token=arguments.start_token,
            allow_pickle=arguments.allow_pickle,
        ),
    )


def _target(word: str, arguments: argparse.Namespace) -> "AuditTarget":
    """A folder that is no run is somebody's checkpoint."""
    from rote.auditing.targets import CheckpointTarget, RunTarget

    path = Path(word)
    if path.is_dir() and not (path / "spec.yaml").is_file():
        return CheckpointTarget(
            path, start_token=arguments.start_token, allow_pickle=arguments.allow_pickle
        )
    try:
        folder = find_run(outputs_folder(), word)
    except ValueError as error:
        raise ValueError(f"{word!r} is no folder, and as one of ours: {error}") from error
    return RunTarget(folder)


def _device(accelerator: str) -> str:
    import torch

    from rote.training.distributed import device_of

    device = device_of(accelerator).type
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--accelerator gpu: torch sees no CUDA device here")
    return device


def _print(console: Console, numbers: dict[str, Any], folder: Path) -> None:
    for key, name in SETS.items():
        counts = numbers[key]
        left_out = [f"{counts[each]:,} {each.replace('_', ' ')}" for each in COUNTED]
        console.print(
            f"{name}: {counts['scored']:,} of {counts['rows']:,} documents ({', '.join(left_out)})",
            soft_wrap=True,
        )
    for warning in start_warnings(numbers):
        console.print(warning, style="yellow", soft_wrap=True, markup=False)
    for headline in numbers["headlines"]:
        verdict = headline.partition(": ")[2].partition(".")[0]
        style = "yellow" if verdict in WARNINGS else "green"
        console.print(headline, style=style, soft_wrap=True, markup=False)
    console.print(str(folder / PAGE), soft_wrap=True)
    console.print(str(folder / NUMBERS), soft_wrap=True)
