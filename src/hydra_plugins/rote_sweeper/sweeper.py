"""Pass a whole Hydra grid to rote's launchers: checked first, each point once."""

# No `from __future__ import annotations` here: Hydra reads the dataclass's types at run time.
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.rote_launcher.launcher import RoteLauncher

HEEDED = (  # Hydra's own settings that have an effect
    "hydra/launcher", "hydra.launcher.", "hydra/sweeper", "hydra.sweeper.", "hydra.mode=",
    "hydra.searchpath=", "hydra/callbacks", "hydra.callbacks",
)  # fmt: skip


@dataclass
class RoteSweeperConf:
    """Settings of `hydra/sweeper=rote`."""

    _target_: str = "hydra_plugins.rote_sweeper.sweeper.RoteSweeper"
    # key -> values as on the command line, which takes precedence
    params: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(
    group="hydra/sweeper", name="rote", node=RoteSweeperConf, provider="rote"
)


class RoteSweeper(Sweeper):
    """Product axes from the command line; zip, filter and derived axes from a sweep file."""

    def __init__(self, *, params: dict[str, Any]) -> None:
        self._params = params

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Raises ValueError for a launcher that takes points but no grids.

        The same for Hydra's own settings that have no effect on a grid.
        """
        _refuse_unheeded(config)
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
        """Pass the grid on as it was written: the launcher expands it."""
        self._launcher.launch([self.with_params(arguments)], initial_job_idx=0)

    def with_params(self, arguments: list[str]) -> list[str]:
        """Return the overrides of the command line, behind the params that it does not replace."""
        from rote.config.grammar import parse  # Hydra imports plugins everywhere

        given = {override.key_or_group for override in parse(arguments)}
        lines = [f"{key}={value}" for key, value in self._params.items()]
        own = [line for line in lines if parse([line])[0].key_or_group not in given]
        return own + arguments


def _refuse_unheeded(config: DictConfig) -> None:
    for override in config.hydra.overrides.hydra:
        if not override.lstrip("+~").startswith(HEEDED):
            raise ValueError(
                f"{override!r} has no effect on a grid, whose runs lie in outputs/runs and whose "
                "jobs are those of its host"
            )
    if config.hydra.job.env_set:
        raise ValueError(
            "hydra.job.env_set has no effect on a grid: set the variables before rote train -m"
        )
