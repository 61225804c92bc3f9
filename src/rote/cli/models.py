"""Define the commands that open a trained model: audit it, code files with it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rote.cli.arguments import Json, argument, flag, launched_sweeps, texts, whole
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.io.outputs import outputs_folder
from rote.io.write import require_writable, write_bytes

if TYPE_CHECKING:
    from rich.console import Console

    from rote.auditing.targets import AuditTarget
    from rote.coding.compression import Compressed
    from rote.ledger.store import RunFolder

SETS = {"members": "members", "nonmembers": "non-members"}
COUNTED = ("empty", "too_short", "duplicates", "truncated")
WARNINGS = ("leaks", "confounded", "regurgitates")
FILES = ".txt, .jsonl, .csv, .parquet"
REFERENCE = argument(
    "not trained on the members", converter=texts, consume_multiple=1, show_default=False,
    metavar="MODEL ...",
)  # fmt: skip
Accelerator = Literal["auto", "cpu", "gpu"]
tokens = partial(whole, 1, 10**7)

Run = Annotated[
    str,
    argument("run id or its beginning, its folder, or a sweep (newest)", completer=launched_sweeps),
]
Output = Annotated[Path, argument("what to write", alias="-o")]
Force = Annotated[bool, flag("replace it where it exists")]


def audit(
    model: Annotated[str, argument("a Hugging Face folder, or a run as for compress")],
    /,
    *,
    members: Annotated[Path, argument(f"documents it was trained on: {FILES}")],
    nonmembers: Annotated[Path, argument(f"others of the same source: {FILES}")],
    reference: Annotated[tuple[str, ...], REFERENCE] = (),
    base: Annotated[Path | None, argument("the model that an adapter folder changes")] = None,
    canaries: Annotated[Path | None, argument("what was planted: a run's manifest.json")] = None,
    field: Annotated[str, argument("of a row with the text")] = "text",
    quick: Annotated[bool, flag("the scores of one forward pass alone")] = False,
    max_tokens: Annotated[int, tokens("of a document at most, the context besides")] = 1024,
    prefix_tokens: Annotated[int, tokens("that extraction gives the model")] = 50,
    suffix_tokens: Annotated[int, tokens("that it has to give back")] = 50,
    seed: Annotated[int, whole(0, 2**63 - 1, "of halves and of what is set aside")] = 0,
    precision: Annotated[str | None, argument("fp32, bf16_true, ...; default: a run's own")] = None,
    accelerator: Annotated[Accelerator, argument("where to compute", converter=None)] = "auto",
    start_token: Annotated[int | None, whole(0, 2**31 - 1, "what position 0 reads")] = None,
    allow_pickle: Annotated[bool, flag("weights in pytorch_model.bin")] = False,
    output: Annotated[Path | None, argument("a folder in the place of outputs/audits")] = None,
    json: Json = False,
) -> int:
    """Writes outputs/audits/<name>-<8 hex digits>/ and prints its headlines.

    Raises ValueError with one line for anything that cannot be audited.
    """
    from rote.analysis.audit.report import is_finished, read_numbers, write_report
    from rote.auditing.request import AuditRequest, AuditSettings
    from rote.auditing.targets import precision_of
    from rote.models.adapters import is_adapter
    from rote.training.quantisation_aware import QuantisationAware

    target = partial(_target, start_token=start_token, allow_pickle=allow_pickle, base=base)
    if base is not None and not any(is_adapter(Path(word)) for word in (model, *reference)):
        raise ValueError(f"--base is the model that an adapter changes, and {model} is no adapter")
    audited = target(model)
    scored_in = precision_of(precision or audited.precision)
    if isinstance(scored_in, QuantisationAware) and scored_in.name != audited.precision:
        reason = "only a run that was trained in it has such weights"
        raise ValueError(f"--precision {scored_in.name}: {reason}")
    request = AuditRequest(
        target=audited,
        references=[target(word) for word in reference],
        members=members,
        nonmembers=nonmembers,
        canaries=canaries,
        settings=AuditSettings(
            field=field,
            max_tokens=max_tokens,
            quick=quick,
            prefix_tokens=prefix_tokens,
            suffix_tokens=suffix_tokens,
            precision=scored_in.name,
            device=_device(accelerator),
            seed=seed,
            start_token=start_token,
            allow_pickle=allow_pickle,
        ),
    )
    with Bar() as progress:
        progress("reading every file once, for its digest", 0, None)
        digests = request.digests()
    root = require_writable(output or outputs_folder() / "audits")
    folder = root.absolute() / request.folder_name(digests)
    if not is_finished(folder):
        from rote.auditing.audit import delete_partial_results, run_audit

        with Bar() as progress:
            stored = run_audit(request, digests, folder, progress)
        write_report(stored, folder)
        delete_partial_results(folder)
    numbers = read_numbers(folder)
    if json:
        print_json(numbers)
    else:
        _print_audit(screen(), numbers, folder)
    return 0


def _target(
    word: str, *, start_token: int | None, allow_pickle: bool, base: Path | None
) -> "AuditTarget":
    """Return the run of this name; a folder that is not a run is a third party's checkpoint."""
    from rote.auditing.targets import CheckpointTarget, RunTarget

    path = Path(word)
    if path.is_dir() and not (path / "spec.yaml").is_file():
        return CheckpointTarget(
            path, start_token=start_token, allow_pickle=allow_pickle, base=base
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


def _print_audit(console: "Console", numbers: dict[str, Any], folder: Path) -> None:
    from rote.analysis.audit.report import NUMBERS, PAGE
    from rote.analysis.audit.wording import start_warnings

    for key, name in SETS.items():
        counts = numbers[key]
        left_out = [f"{counts[each]:,} {each.replace('_', ' ')}" for each in COUNTED]
        console.print(
            f"{name}: {counts['scored']:,} of {counts['rows']:,} documents ({', '.join(left_out)})",
            soft_wrap=True,
        )
    for warning in start_warnings(numbers):
        console.print(warning, style="yellow", soft_wrap=True)
    for headline in numbers["headlines"]:
        verdict = headline.partition(": ")[2].partition(".")[0]
        style = "yellow" if verdict in WARNINGS else "green"
        console.print(headline, style=style, soft_wrap=True)
    console.print(str(folder / PAGE), soft_wrap=True)
    console.print(str(folder / NUMBERS), soft_wrap=True)


def compress(
    run: Run,
    file: Annotated[Path | None, argument("what to compress")] = None,
    /,
    *,
    task_train: Annotated[bool, flag("the run's own training set")] = False,
    output: Output,
    force: Force = False,
    json: Json = False,
) -> int:
    """Writes the coded file; prints its bits beside those of zlib, xz and zstd.

    Raises ValueError with one line for anything that cannot be compressed or written.
    """
    if (file is None) != task_train:
        raise ValueError("give a FILE, or --task-train for the run's own training set")
    _require_new(output, force=force)
    content = None if file is None else file.read_bytes()
    folder = find_run(outputs_folder(), run)
    with _needs_extra():
        from rote.coding import compression
    name = str(file or f"the training set of run {folder.run_id}")
    with Bar() as progress:
        content, coded = compression.compress(folder, content, name=name, progress=progress)
    write_bytes(output, coded.file)
    result = _sums(folder.run_id, coded, compression.sizes_in_bytes(content))
    if json:
        print_json(result)
    else:
        console = screen()
        _print_sums(console, result)
        console.print(str(output), soft_wrap=True)
    return 0


def _sums(run_id: str, coded: "Compressed", rivals: dict[str, int]) -> dict[str, Any]:
    """Return the sizes; ratios are left to the reader and to the table."""
    return {
        "run_id": run_id,
        "content_bytes": coded.content_bytes,
        "file_bytes": len(coded.file),
        "header_bytes": len(coded.file) - coded.code_bytes,
        "claimed_bits": coded.claimed_bits,
        "achieved_bits": 8 * coded.code_bytes,
        "rival_bytes": rivals,
    }


def _print_sums(console: "Console", result: dict[str, Any]) -> None:
    from rich.table import Table

    content_bytes, header_bytes = result["content_bytes"], result["header_bytes"]
    table = Table("", "bytes", "bits per byte", box=None, header_style="bold")
    sizes = {"content": content_bytes, **result["rival_bytes"]}
    sizes |= {f"run {result['run_id']}": result["file_bytes"] - header_bytes}
    for name, size in sizes.items():
        per_byte = f"{8 * size / content_bytes:.3f}" if content_bytes else ""
        table.add_row(name, f"{size:,}", per_byte)
    console.print(table)
    claimed, achieved = result["claimed_bits"], result["achieved_bits"]
    more = f" ({achieved / claimed - 1:+.3%})" if claimed else ""
    console.print(
        f"claimed {claimed:,.1f} bits, written {achieved:,} bits{more}, "
        f"and a header of {header_bytes:,} bytes"
    )


def decompress(
    run: Run,
    file: Annotated[Path, argument("what rote compress wrote")],
    /,
    *,
    output: Output,
    force: Force = False,
    json: Json = False,
) -> int:
    """Writes the file; raises ValueError for a damaged file, another run, another machine."""
    from rote.coding.container import require_run, unpack

    _require_new(output, force=force)
    header, words = unpack(file.read_bytes(), str(file))
    folder = find_run(outputs_folder(), run)
    require_run(header, folder.run_id, str(file))
    with _needs_extra():
        from rote.coding import compression
    with Bar() as progress:
        content = compression.decompress(folder, header, words, progress=progress)
    write_bytes(output, content)
    if json:
        print_json({"run_id": folder.run_id, "file": str(output), "content_bytes": len(content)})
    else:
        screen().print(f"{output}: {len(content):,} bytes", soft_wrap=True)
    return 0


def _require_new(path: Path, *, force: bool) -> None:
    """Raises ValueError where a file would be overwritten, or where none can be written."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path} cannot be written: give a file in a folder that takes it")
    if path.exists() and not force:
        raise ValueError(f"{path} exists: --force replaces it")


@contextmanager
def _needs_extra() -> Iterator[None]:
    """Raises ValueError where the coder is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is not installed: pip install 'rote[compress]'") from error


def find_run(outputs: Path, word: str) -> "RunFolder":
    """Return the run that a word names: an id, its beginning, a folder, or the newest of a sweep.

    Raises ValueError where no run matches, several match, or none is done.
    """
    from rote.cluster.plan import launched, load_plan
    from rote.config.choices import unknown
    from rote.ledger.store import RunFolder, Store

    store = Store(outputs)
    if word and (Path(word) / "spec.yaml").is_file():
        return RunFolder(Path(word).resolve())
    if word in launched(outputs):
        runs = [store.run(run_id) for run_id in load_plan(outputs, word).run_ids]
        done = [run for run in runs if run.is_done()]
        if not done:
            raise ValueError(f"no run of {word!r} is done: rote sweep {word}")
        return max(done, key=lambda run: run.record_path.lstat().st_mtime_ns)
    begun = [run.run_id for run in store.runs() if run.run_id.startswith(word)]
    if not word or not begun:
        raise unknown("run or launched sweep", word, launched(outputs))
    if len(begun) > 1:
        raise ValueError(f"run {word!r} may be any of {len(begun)}: {', '.join(begun[:5])}")
    return store.run(begun[0])
