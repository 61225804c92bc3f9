"""Define the commands that code files with a trained model, and find a run by its name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rote.cli.arguments import Json, argument, flag, launched_sweeps
from rote.cli.progress import Bar
from rote.cli.screen import Screen, print_json, screen
from rote.io.outputs import outputs_folder
from rote.io.write import write_bytes

if TYPE_CHECKING:
    from rote.coding.compression import Compressed
    from rote.ledger.store import RunFolder

Run = Annotated[
    str,
    argument("run id or its beginning, its folder, or a sweep (newest)", completer=launched_sweeps),
]
Output = Annotated[Path, argument("what to write", alias="-o")]
Force = Annotated[bool, flag("replace it where it exists")]


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
        console.say(output)
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


def _print_sums(console: Screen, result: dict[str, Any]) -> None:
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
        screen().say(f"{output}: {len(content):,} bytes")
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
        done = [run for run in runs if run.is_done() and not run.in_archive()]
        if not done:  # archived runs have no weights
            raise ValueError(f"no run of {word!r} is done, or all are archived: rote sweep {word}")
        return max(done, key=lambda run: run.record_path.lstat().st_mtime_ns)
    begun = [run.run_id for run in store.runs() if run.run_id.startswith(word)]
    if not word or not begun:
        raise unknown("run or launched sweep", word, launched(outputs))
    if len(begun) > 1:
        raise ValueError(f"run {word!r} may be any of {len(begun)}: {', '.join(begun[:5])}")
    return store.run(begun[0])
