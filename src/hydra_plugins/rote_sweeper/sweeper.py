"""The Hydra sweeper that hands a whole grid to rote's launchers: checked first, each point once."""

# No `from __future__ import annotations` here: Hydra reads the dataclass's types at run time.
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.rote_launcher.launcher import RoteLauncher


@dataclass
class RoteSweeperConf:
    """What `hydra/sweeper=rote` names."""

    _target_: str = "hydra_plugins.rote_sweeper.sweeper.RoteSweeper"


ConfigStore.instance().store(
    group="hydra/sweeper", name="rote", node=RoteSweeperConf, provider="rote"
)


class RoteSweeper(Sweeper):
    """Product axes from the command line, zip, filter and derived axes from a sweep file."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Raises ValueError for a launcher that takes points but no grids."""
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        if not isinstance(launcher, RoteLauncher):
            raise ValueError(
                f"{type(launcher).__name__} takes no grids: choose hydra/launcher=rote_local or "
                "rote_slurm, or hydra/sweeper=basic"
            )
        self._launcher = launcher

    def sweep(self, arguments: list[str]) -> None:
        """The grid goes over as it was written: the launcher expands it."""
        self._launcher.launch([arguments], initial_job_idx=0)
