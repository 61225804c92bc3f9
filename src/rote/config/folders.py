"""Find the folders of configuration groups, of sweeps and of claims.

Rote's own lie beside the sources in a checkout, inside the package in a wheel. Installed packages
offer theirs through the entry point ``rote.conf``, which names a package folder that holds some of
conf/, sweeps/ and claims/. Last come the same folders of the current one.
"""

import sys
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
ENTRY_POINTS = "rote.conf"
CONF, SWEEPS, CLAIMS = "conf", "sweeps", "claims"


def conf_folder() -> Path:
    """Return the folder of rote's own configuration groups."""
    return _data_folder(CONF)


def sweeps_folder() -> Path:
    """Return the folder of rote's own sweeps."""
    return _data_folder(SWEEPS)


def conf_folders() -> tuple[Path, ...]:
    """Return every folder of configuration groups, in the order in which a choice is searched.

    Rote's own come first, so that ``model=gpt`` is the same model wherever it is named.
    """
    own = own_conf_folder()
    return (conf_folder(), *packaged_folders(CONF), *(() if own is None else (own,)))


def own_conf_folder() -> Path | None:
    """Return ./conf of the current folder; None if missing, or if it is rote's or a package's."""
    folder = Path.cwd() / CONF
    known = {path.resolve() for path in (conf_folder(), *packaged_folders(CONF))}
    return folder if folder.is_dir() and folder.resolve() not in known else None


def own_choice(group: str, name: str) -> Path | None:
    """Return the file of ./conf that a choice names; None if an earlier folder has the choice."""
    own = own_conf_folder()
    for folder in conf_folders() if own is not None else ():
        for path in (folder / group).glob("*.yaml"):
            if path.stem == name:
                return path if folder == own else None
    return None


def packaged_folders(kind: str) -> tuple[Path, ...]:
    """Return the folders of this name (``conf``, ``sweeps``...) that installed packages offer."""
    offered = _offered(tuple(sys.path))
    return tuple(folder / kind for folder in offered if (folder / kind).is_dir())


def sweep_files() -> dict[str, Path]:
    """Return every sweep's file by name; ``sweeps`` of the current folder precedes all others."""
    return _files(SWEEPS)


def claim_files() -> dict[str, Path]:
    """Return every claim's file by name; ``claims`` of the current folder precedes all others."""
    return _files(CLAIMS)


def _files(kind: str) -> dict[str, Path]:
    folders = (_data_folder(kind), *packaged_folders(kind), Path.cwd() / kind)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


@cache
def _offered(_: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the folders of the packages installed on this path, which are found, not imported."""
    values = sorted(one.value.replace(":", ".") for one in entry_points(group=ENTRY_POINTS))
    return tuple(folder for value in values for folder in _package_folders(value))


def _package_folders(dotted: str) -> list[Path]:
    top, *inner = dotted.split(".")
    package = find_spec(top)
    places = (package and package.submodule_search_locations) or ()
    return [Path(place).joinpath(*inner) for place in places]


def _data_folder(name: str) -> Path:
    packed = PACKAGE / name
    return packed if packed.is_dir() else PACKAGE.parents[1] / name
