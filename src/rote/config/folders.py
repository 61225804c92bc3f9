"""Where conf/ and sweeps/ are: beside the sources in a checkout, inside the package in a wheel."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def conf_folder() -> Path:
    """The folder of configuration groups."""
    return _data_folder("conf")


def sweeps_folder() -> Path:
    """The folder of our own sweeps."""
    return _data_folder("sweeps")


def sweep_files() -> dict[str, Path]:
    """Every sweep by name; those in ``sweeps`` of the current folder come before our own."""
    folders = (sweeps_folder(), Path.cwd() / "sweeps")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def _data_folder(name: str) -> Path:
    packed = PACKAGE / name
    return packed if packed.is_dir() else PACKAGE.parents[1] / name
