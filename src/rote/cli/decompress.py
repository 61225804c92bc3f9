"""`rote decompress`: what `rote compress` made of a file, back to the file."""

import argparse
from pathlib import Path

from rote.cli.coding import needs_extra, require_new
from rote.cli.finding import find_run
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.coding.container import require_run, unpack
from rote.io.outputs import outputs_folder
from rote.io.write import write_bytes


def run(arguments: argparse.Namespace) -> int:
    """Raises ValueError with one line for a damaged file, another run, another machine."""
    require_new(arguments.output, force=arguments.force)
    header, words = unpack(Path(arguments.file).read_bytes(), arguments.file)
    folder = find_run(outputs_folder(), arguments.run)
    require_run(header, folder.run_id, arguments.file)
    with needs_extra():
        from rote.coding.compression import decompress
    with Bar() as show:
        content = decompress(folder, header, words, progress=show)
    write_bytes(Path(arguments.output), content)
    if arguments.json:
        print_json(
            {"run_id": folder.run_id, "file": arguments.output, "content_bytes": len(content)}
        )
    else:
        screen().print(f"{arguments.output}: {len(content):,} bytes", soft_wrap=True)
    return 0
