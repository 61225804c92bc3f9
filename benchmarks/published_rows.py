"""Train published rows of capacity on a GPU, as far as the time goes, and carry the rest on.

    python benchmarks/published_rows.py SECONDS [--from FOLDER] [--to FOLDER] [OVERRIDE ...]

The rows are 1x32, 8x32, 2x64, 8x64 and 8x128 (layers x width), in fp32 with the finish and in
bf16_mixed, with data that hold 3.6 bits a parameter and 1.5 times that; a stack has the three seeds
of a row. OVERRIDEs replace `PUBLISHED`. After SECONDS all that trains leaves a checkpoint. --to
receives the outputs folder in pieces; with them as --from, the same command goes on on another
machine; `tar xzf` after `cat` unpacks them as well.
"""

import argparse
import itertools
import signal
import sys
import tarfile
import threading
from collections.abc import Sequence
from pathlib import Path

from rote.cli.main import main as rote
from rote.core.process import isolate_children
from rote.io.outputs import outputs_folder

PUBLISHED = (
    "size=80k,169k,235k,535k,1.86m", "ratio=1.0,1.5", "host.stack=3", "host.workers=2",
    "host.compile=graph", "host.checkpoint_pairs=false",
)  # fmt: skip
NAME = "outputs.tar.gz."  # of a piece, before its number
MIB = 1 << 20
PIECE_BYTES, MOST_BYTES = 15 * MIB, 54 * MIB
KERNELS = "compiled"  # torch's, which the next machine compiles itself


def main(arguments: Sequence[str]) -> int:
    """Return 0 if all runs are done, 1 if the time was over; argparse exits with 2."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("seconds", type=float, help="until training is stopped")
    parser.add_argument("--from", dest="source", type=Path, help="pieces of the last call")
    parser.add_argument("--to", dest="target", type=Path, help="the folder for new pieces")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE")
    given = parser.parse_intermixed_args(arguments)
    try:
        if given.target and _pieces(given.target):
            raise ValueError(f"{given.target} holds pieces already")
        if given.source:
            unpack(given.source, outputs_folder())
    except ValueError as error:
        parser.error(str(error))
    is_done = train(given.seconds, given.overrides or PUBLISHED)
    if given.target:
        for line in pack(outputs_folder(), given.target):
            sys.stdout.write(f"{line}\n")
    return 0 if is_done else 1


def train(seconds: float, overrides: Sequence[str]) -> bool:
    """Follow the sweep to its end or, after these seconds, stop it as Ctrl-C does.

    Returns whether all runs are done.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in a background job
    clock = threading.Timer(seconds, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    try:
        clock.start()
        return rote(["sweep", "capacity", *overrides]) == 0
    except KeyboardInterrupt:  # before or after what `rote` itself handles
        return False
    finally:
        clock.cancel()


def pack(outputs: Path, target: Path, most_bytes: int = MOST_BYTES) -> list[str]:
    """Write the pieces of one archive of the outputs folder; return a line about each left-out run.

    Of a run's checkpoints the newest alone goes in. Where they exceed ``most_bytes`` before
    compression, the largest stay out, those of one stack together: these runs begin anew.
    """
    target.mkdir(parents=True, exist_ok=True)
    files = [path for path in outputs.rglob("*") if path.is_file() and not path.is_symlink()]
    files = [path for path in files if path.relative_to(outputs).parts[0] != KERNELS]
    kept = [path for path in files if path.parent.name != "checkpoints"]
    num_bytes, lines = sum(path.stat().st_size for path in kept), []
    for path in _smallest_first({max(path.parent.iterdir()) for path in set(files) - set(kept)}):
        size = path.stat().st_size
        if num_bytes + size > most_bytes:
            lines.append(f"{path.parts[-3]}: its checkpoint of {size / MIB:.1f} MiB is left out")
            continue
        kept.append(path)
        num_bytes += size
    whole = target / NAME.rstrip(".")
    with tarfile.open(whole, "w:gz", compresslevel=1) as archive:
        for path in sorted(kept):
            archive.add(path, path.relative_to(outputs))
    with whole.open("rb") as stream:
        for number in itertools.count():
            if not (piece := stream.read(PIECE_BYTES)):
                break
            (target / f"{NAME}{number}").write_bytes(piece)
    whole.unlink()
    return lines


def unpack(source: Path, outputs: Path) -> None:
    """Write the files of pieces; raises ValueError if there are none, or runs in the way."""
    if not (pieces := _pieces(source)):
        raise ValueError(f"{source} holds no {NAME}0")
    if (outputs / "runs").exists():
        raise ValueError(f"{outputs} holds runs already: set ROTE_OUTPUTS to a new folder")
    outputs.mkdir(parents=True, exist_ok=True)
    whole = outputs / NAME.rstrip(".")
    whole.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    with tarfile.open(whole) as archive:
        archive.extractall(outputs, filter="data")
    whole.unlink()


def _smallest_first(checkpoints: set[Path]) -> list[Path]:
    """Sort by the size of all with one number, which are those of a stack, then by number."""
    bytes_of: dict[str, int] = {}
    for path in checkpoints:
        bytes_of[path.stem] = bytes_of.get(path.stem, 0) + path.stat().st_size
    return sorted(checkpoints, key=lambda path: (bytes_of[path.stem], path.stem, path))


def _pieces(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{NAME}[0-9]"))


if __name__ == "__main__":
    isolate_children()
    sys.exit(main(sys.argv[1:]))
