"""Define the primary configuration: the YAML that composition starts from, and where groups lie."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from rote.config.folders import conf_folder, conf_folders, own_conf_folder
from rote.config.hydra_version import VERSION_BASE

MAIN = "train"
OF_HYDRA = "hydra.conf"  # the package of Hydra's own settings
_composing: ContextVar[bool] = ContextVar("composing", default=False)


@contextmanager
def composing() -> Iterator[None]:
    """Within the block, Hydra also searches conf/ of packages and of the current folder."""
    token = _composing.set(True)
    try:
        yield
    finally:
        _composing.reset(token)


def is_composing() -> bool:
    """Return whether Hydra now composes for rote, not for another program of this process."""
    return _composing.get()


@dataclass(frozen=True)
class Primary:
    """Our own train.yaml; inside Hydra's application, the configuration that it was given."""

    name: str
    overrides: tuple[str, ...] = ()  # of Hydra's own settings, such as hydra.searchpath
    searched: tuple[Path, ...] | None = None  # folders of the application; None: `conf_folders`

    @classmethod
    def of_application(cls, settings: Any) -> "Primary":
        """Read it from Hydra's own settings (the node ``hydra``) of the running application."""
        return cls(
            name=str(settings.job.config_name),
            overrides=tuple(settings.overrides.hydra),
            searched=tuple(
                folder for source in settings.runtime.config_sources for folder in _folders(source)
            ),
        )

    @property
    def changes(self) -> list[str]:
        """The differences from our own; empty for train.yaml and the folders that rote knows."""
        known = conf_folders()
        folders = [str(folder) for folder in self.searched or () if folder not in known]
        return [self.name, *folders] if folders or self.name != MAIN else []

    def compose(self, choices: Sequence[str]) -> DictConfig:
        """Return Hydra's own composition, unresolved; raises what Hydra raises."""
        with self._initialised():
            return compose(self.name, overrides=[*self.overrides, *choices])

    def choices(self, group: str) -> list[str]:
        """Return a group's choices (``optim``, ``optim/schedule``); empty if it is not a group."""
        if not all(part.isidentifier() for part in group.split("/")):
            return []
        paths = [
            path for folder in self._folders(group) for path in (folder / group).glob("*.yaml")
        ]
        return sorted({path.stem for path in paths})

    def files(self, group: str, choice: str) -> list[Path]:
        """Return the files that a choice can mean; the first one is composed."""
        paths = [folder / group / f"{choice}.yaml" for folder in self._folders(group)]
        return [path for path in paths if path.is_file()]

    def _folders(self, group: str) -> list[Path]:
        """Return the folders that may hold a group; ./conf may only add to rote's top groups.

        ./conf may be another program's: its conf/seed/ would otherwise make ``seed=3`` the choice
        of a file.
        """
        folders = conf_folders() if self.searched is None else self.searched
        is_known = (conf_folder() / group.partition("/")[0]).is_dir()
        own = None if is_known else own_conf_folder()
        return [folder for folder in folders if folder != own]

    @contextmanager
    def _initialised(self) -> Iterator[None]:
        if self.searched is not None:  # the application has initialised Hydra
            yield
            return
        with composing(), initialize_config_dir(str(conf_folder()), **VERSION_BASE):
            yield


def _folders(source: Any) -> list[Path]:
    """Return the folders of an entry of Hydra's search path; the ConfigStore has none."""
    if source.schema == "file":
        return [Path(source.path)]
    if source.schema != "pkg" or source.path in ("", OF_HYDRA):
        return []
    package = find_spec(source.path)
    return [Path(path) for path in (package and package.submodule_search_locations) or ()]
