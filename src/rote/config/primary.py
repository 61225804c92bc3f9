"""The primary configuration: the YAML that composition starts from, and where groups are found."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import DictConfig

from rote.config.places import conf_folder

MAIN = "train"
NOT_OURS = ("hydra", "sweep")  # groups of Hydra's own settings, and of sweep files


@dataclass(frozen=True)
class Primary:
    """Our own train.yaml; inside Hydra's application the configuration that this was given."""

    name: str
    overrides: tuple[str, ...] = ()  # of Hydra's own settings, such as hydra.searchpath
    is_in_application: bool = False  # whether Hydra's search path is that of the application
    folders: tuple[str, ...] = ()  # that Hydra searches besides conf/

    @classmethod
    def of_application(cls, settings: Any) -> "Primary":
        """From Hydra's own settings (the node ``hydra``) of the application that is running."""
        ours = (str(conf_folder()), "hydra.conf", "")
        sources = [str(source.path) for source in settings.runtime.config_sources]
        return cls(
            name=str(settings.job.config_name),
            overrides=tuple(settings.overrides.hydra),
            is_in_application=True,
            folders=tuple(path for path in sources if path not in ours),
        )

    @property
    def changes(self) -> list[str]:
        """What differs from our own; empty for train.yaml."""
        return [self.name, *self.folders] if self.folders or self.name != MAIN else []

    def compose(self, choices: Sequence[str]) -> DictConfig:
        """Hydra's own composition, unresolved; raises what Hydra raises."""
        with self._loader():
            return compose(self.name, overrides=[*self.overrides, *choices])

    def groups(self) -> dict[str, list[str]]:
        """Every configuration group (``optim``, ``optim/schedule``) with its choices."""
        if not self.is_in_application:
            return _groups_of_conf()
        with self._loader() as loader:
            return dict(self._groups(loader, ""))

    def _groups(self, loader: ConfigLoader, parent: str) -> Iterator[tuple[str, list[str]]]:
        for kind in self._found(loader, parent, ObjectType.GROUP):
            group = f"{parent}/{kind}" if parent else kind
            if group not in NOT_OURS:
                yield group, sorted(self._found(loader, group, ObjectType.CONFIG))
                yield from self._groups(loader, group)

    def _found(self, loader: ConfigLoader, group: str, kind: ObjectType) -> list[str]:
        return loader.get_group_options(
            group, kind, config_name=self.name, overrides=list(self.overrides)
        )

    @contextmanager
    def _loader(self) -> Iterator[ConfigLoader]:
        if self.is_in_application:
            yield GlobalHydra.instance().config_loader()
            return
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            yield GlobalHydra.instance().config_loader()


def _groups_of_conf() -> dict[str, list[str]]:
    root = conf_folder()
    folders = sorted(path for path in root.rglob("*") if path.is_dir())
    return {
        folder.relative_to(root).as_posix(): sorted(path.stem for path in folder.glob("*.yaml"))
        for folder in folders
    }
