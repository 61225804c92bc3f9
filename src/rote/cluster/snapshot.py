"""Copy the code, so that jobs run what it was when they were sent, whatever is edited meanwhile.

sweeps/<name>/code/<digest>/  src/rote/  src/<package>/  conf/  sweeps/  own/<n>/  code.json

``src`` also holds packages that a specification names and that are not installed for good
(``pip install -e``, PYTHONPATH); ``own`` holds the modules of the current folder. Equal code has
one digest, and is copied once. A snapshot that is found on disk is read again before it is used: it
may come from a stranger, and jobs import it. `rote archive` makes one file of each, <digest>.zip.
"""

import os
import shutil
import sysconfig
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from rote.config.folders import CONF, PACKAGE, SWEEPS, conf_folder, sweeps_folder
from rote.core.provenance import SNAPSHOT_FILE, code
from rote.io.read import Damaged, open_regular, require_inside
from rote.io.write import canonical_json, readable_json, sha256, write_with

SNAPSHOT, LIVE = "snapshot", "live"
CODE = "code"  # in a sweep's folder
DIGITS = 16
# Raised by zipfile for damage of any byte, and by our own checks.
UNREADABLE = (BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
MOST_BYTES = 64 << 20  # of a user's own modules: more is data that belongs elsewhere


@dataclass(frozen=True)
class Snapshot:
    """A copy of the code in the outputs folder."""

    folder: Path
    num_own: int  # folders of the user's modules

    @property
    def digest(self) -> str:
        """Return the folder's name, a digest of all files."""
        return self.folder.name

    @property
    def source(self) -> Path:
        """Return the folder that Python imports ``rote`` from."""
        return self.folder / "src"

    @property
    def own_modules(self) -> tuple[str, ...]:
        """Return the copies of the user's folders, in their order."""
        return tuple(str(self.folder / _own(place)) for place in range(self.num_own))


def take_snapshot(
    folder: Path, own_modules: Sequence[Path], targets: Iterable[str] = ()
) -> Snapshot:
    """Copy the running code into ``folder``, unless an equal copy is there.

    ``targets`` are dotted names of classes and functions that the runs call. Raises ValueError for
    modules of the user of more than 64 MiB, and for a copy that was changed.
    """
    files = dict(_files(own_modules, targets))
    digest = sha256(canonical_json([[name, sha256(data)] for name, data in files.items()]).encode())
    taken = Snapshot(folder / digest[:DIGITS], len(own_modules))
    noted = {**code(), "snapshot": taken.digest}
    if not taken.folder.exists():
        _write(taken.folder, {**files, SNAPSHOT_FILE: readable_json(noted)})
    _require_unchanged(taken.folder, files)
    return taken


def pack_snapshots(folder: Path) -> int:
    """Make a zip file of each copy in ``folder``, which no job uses any more; return how many."""
    copies = [path for path in folder.glob("[!.]*") if path.is_dir()]
    for copy in copies:
        write_with(copy.with_name(f"{copy.name}.zip"), partial(_write_zip, copy))
        going = _beside(copy)  # renamed first: part of a copy would be packed as if it were all
        copy.rename(going)
        shutil.rmtree(going)
    return len(copies)


def unpack_snapshots(folder: Path) -> tuple[int, list[str]]:
    """Write the copies that `pack_snapshots` packed back, byte for byte, and remove the zip files.

    Returns how many there were, and why others stay packed.
    """
    sound, damaged = [], []
    for path in sorted(folder.glob("[!.]*.zip")):
        copy = path.with_suffix("")
        try:
            with open_regular(path) as stream, ZipFile(stream) as packed:
                files = {name: packed.read(name) for name in packed.namelist()}
            for name in files:
                require_inside(copy, copy / name)
            if not copy.exists():
                _write(copy, files)
            files.pop(SNAPSHOT_FILE, None)
            _require_unchanged(copy, files)
        except UNREADABLE as error:
            damaged.append(str(Damaged(path, error, "move it away: launches copy the code anew")))
        else:
            sound.append(path)
    if sound:
        os.sync()  # all files are on disk before the zip files go
    for path in sound:
        path.unlink()
    return len(sound), damaged


def _write_zip(copy: Path, path: Path) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as packed:
        for file in _inside(copy):
            packed.write(file, file.relative_to(copy))


def _files(own_modules: Sequence[Path], targets: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the bytes of each file by its place in the snapshot, in order."""
    yield from _below("src/rote", PACKAGE, _inside(PACKAGE))
    for name, folder in ((CONF, conf_folder()), (SWEEPS, sweeps_folder())):
        if not folder.is_relative_to(PACKAGE):  # else it is there already
            yield from _below(name, folder, _inside(folder))
    for name in sorted({target.partition(".")[0] for target in targets}):
        if (path := _uninstalled(name)) and not any(path.parent == each for each in own_modules):
            inside = _inside(path) if path.is_dir() else (path,)
            yield from _below("src", path.parent, _small(path, inside))
    for place, folder in enumerate(own_modules):
        yield from _below(_own(place), folder, _small(folder, _modules(folder)))


def _uninstalled(name: str) -> Path | None:
    """Return a package's folder or a module's file, if Python finds it where code is edited."""
    spec = find_spec(name)
    if spec is None or spec.origin is None or name == PACKAGE.name:
        return None
    origin = Path(spec.origin)
    fixed = (sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib"))
    if any(origin.is_relative_to(folder) for folder in fixed) or not origin.is_file():
        return None
    return origin.parent if origin.name == "__init__.py" else origin


def _small(place: Path, found: Iterable[Path]) -> list[Path]:
    files = list(found)
    size = sum(path.stat().st_size for path in files)
    if size > MOST_BYTES:
        raise ValueError(
            f"the modules of {place} take {size / 2**20:,.0f} MiB, too much to copy for each "
            "change: move data out of them, or take host.code=live"
        )
    return files


def _own(place: int) -> str:
    return f"own/{place}"


def _modules(folder: Path) -> Iterator[Path]:
    """Yield what `rote.core.own_modules` can import: modules, and all files of packages."""
    yield from sorted(path for path in folder.glob("[!.]*.py") if path.is_file())
    for package in sorted(path.parent for path in folder.glob("[!.]*/__init__.py")):
        yield from _inside(package)


def _inside(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, without what Python has compiled and what is hidden."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            yield from _inside(path)
        elif path.is_file():
            yield path


def _below(name: str, folder: Path, files: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        yield f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write beside the place and rename once; of two launchers one is the first."""
    beside = _beside(folder)
    for name, data in files.items():
        path = beside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
    try:
        beside.rename(folder)
    except OSError:
        shutil.rmtree(beside)
        if not folder.exists():
            raise


def _beside(folder: Path) -> Path:
    """Return a hidden path beside a copy, where nothing is."""
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    return beside


def _require_unchanged(folder: Path, files: Mapping[str, bytes]) -> None:
    there = {path.relative_to(folder).as_posix(): path for path in _inside(folder)}
    there.pop(SNAPSHOT_FILE, None)
    if there.keys() != files.keys() or any(
        there[name].read_bytes() != data for name, data in files.items()
    ):
        raise ValueError(
            f"{folder} is not the code that its name says: move it away, it is copied anew"
        )
