"""Search with Optuna for the settings with the best value of a metric: `rote train -m`."""

# No `from __future__ import annotations` here: Hydra reads the dataclass's types at run time.
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from hydra_plugins.rote_sweeper.sweeper import RoteSweeper


@dataclass
class RoteOptunaConf:
    """Settings of `hydra/sweeper=rote_optuna`."""

    _target_: str = "hydra_plugins.rote_sweeper.optuna_sweeper.RoteOptunaSweeper"
    metric: str = MISSING  # a metric of a run's record, as `rote collect` names it
    direction: str = MISSING  # maximize or minimize
    num_trials: int = 20  # a higher number continues the search
    trials_at_once: int = 4  # proposed and launched together
    seed: int = 0  # of the sampler; the run's own seed is the key `seed`
    # key -> values as on the command line, which takes precedence
    params: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(
    group="hydra/sweeper", name="rote_optuna", node=RoteOptunaConf, provider="rote"
)


class RoteOptunaSweeper(RoteSweeper):
    """Intervals, ranges and choices from the command line; each trial is a run of the ledger."""

    def __init__(self, *, params: dict[str, Any], **search: Any) -> None:
        super().__init__(params=params)
        self._search = search

    def sweep(self, arguments: list[str]) -> None:
        """Pass the space on with the search; raises ValueError for a setting and without Optuna."""
        try:
            from rote.cli.tuning import Search  # Hydra imports plugins everywhere
        except ImportError as error:
            raise ValueError(
                f"hydra/sweeper=rote_optuna needs pip install 'rote[tune]' ({error})"
            ) from error
        overrides = self.with_params(arguments)
        self._launcher.launch([overrides], initial_job_idx=0, search=Search(**self._search))
