"""Files by path, by pattern, or all of a folder; no torch."""

from pathlib import Path


def files_of(pattern: str) -> list[Path]:
    """Sorted; a folder stands for all files below it, but for hidden ones.

    Raises ValueError where there is none, and for a pipe or a device, which cannot be read twice.
    """
    path = Path(pattern)
    if path.is_file():  # its name may look like a pattern
        return [path]
    if path.is_dir():
        return _below(path)
    if path.exists():
        raise ValueError(f"{path} is no regular file: save what it gives to a file, and give that")
    if path.is_symlink():
        raise ValueError(f"{path} is a link to {path.readlink()}, which is not there")
    fitting = Path(path.anchor).glob(str(path.relative_to(path.anchor))) if pattern else ()
    if found := sorted(path for path in fitting if path.is_file()):
        return found
    raise ValueError(f"no file is called {pattern!r} (seen from {Path.cwd()})")


def _below(folder: Path) -> list[Path]:
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    ]
    if not found:
        raise ValueError(f"there is no file in the folder {str(folder)!r}")
    return sorted(found)
