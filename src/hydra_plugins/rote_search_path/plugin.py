"""A Hydra plugin: where our own application looks for configuration groups besides rote's conf/."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from rote.config.folders import conf_folders
from rote.config.primary import is_composing


class RoteSearchPath(SearchPathPlugin):
    """Appends the conf/ folders of packages and of the current folder; nothing for other programs.

    They come behind the choices that are registered in code, which are searched twice for that: a
    hydra/launcher/rote_local.yaml of a stranger's folder must not take the place of ours.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Hydra calls this whenever it makes a search path."""
        others = conf_folders()[1:] if is_composing() else ()
        if others:
            search_path.append("schema", "structured://")
        for folder in others:
            search_path.append("rote", f"file://{folder}")
