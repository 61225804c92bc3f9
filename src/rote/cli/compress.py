"""`rote compress`: a file through a run's model, beside what zlib, xz and zstd make of it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from rote.cli.coding import needs_extra, require_new
from rote.cli.finding import find_run
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.io.outputs import outputs_folder
from rote.io.write import write_bytes

if TYPE_CHECKING:
    from rote.coding.compression import Compressed


def run(arguments: argparse.Namespace) -> int:
    """Raises ValueError with one line for anything that cannot be compressed or written."""
    if (arguments.file is None) != arguments.task_train:
        raise ValueError("give a FILE, or --task-train for the run's own training set")
    require_new(arguments.output, force=arguments.force)
    content = None if arguments.task_train else Path(arguments.file).read_bytes()
    folder = find_run(outputs_folder(), arguments.run)
    with needs_extra():
        from rote.coding.compression import compress, sizes_in_bytes
    name = arguments.file or f"the training set of run {folder.run_id}"
    with Bar() as show:
        content, compressed = compress(folder, content, name=name, progress=show)
    write_bytes(Path(arguments.output), compressed.file)
    result = _result(folder.run_id, compressed, sizes_in_bytes(content))
    if arguments.json:
        print_json(result)
    else:
        console = screen()
        _print(console, result)
        console.print(arguments.output, soft_wrap=True)
    return 0


def _result(run_id: str, compressed: "Compressed", rivals: dict[str, int]) -> dict[str, Any]:
    """Sums; what is derived of them is left to the reader, and to the table."""
    return {
        "run_id": run_id,
        "content_bytes": compressed.content_bytes,
        "file_bytes": len(compressed.file),
        "header_bytes": len(compressed.file) - compressed.code_bytes,
        "claimed_bits": compressed.claimed_bits,
        "achieved_bits": 8 * compressed.code_bytes,
        "rival_bytes": rivals,
    }


def _print(console: Console, result: dict[str, Any]) -> None:
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
