"""Define a job of another Hydra application: composed before it is sent, run by submitit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that is pickled whole: editing a YAML after the launch changes nothing."""

    config: DictConfig  # with Hydra's own node
    task_function: TaskFunction
    hydra_context: HydraContext
    singletons: Mapping[str, Any]  # Hydra's, and OmegaConf's resolvers: the new process has none

    def __call__(self) -> JobReturn:
        """Run in the job's own process."""
        import submitit  # imported here: Hydra imports this plugin in every application

        Singleton.set_state(dict(self.singletons))
        setup_globals()
        with open_dict(self.config):
            self.config.hydra.job.id = submitit.JobEnvironment().job_id
        return run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=self.config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )

    def checkpoint(self) -> Any:
        """Return what submitit requeues after a preemption: the same job, from its start."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)

    def lost(self, error: Exception) -> JobReturn:
        """Return the sweeper's answer for a job whose process ended without one."""
        keys = [str(key) for key in self.config if key != "hydra"]
        return JobReturn(
            overrides=list(self.config.hydra.overrides.task),
            cfg=OmegaConf.masked_copy(self.config, keys),
            hydra_cfg=OmegaConf.masked_copy(self.config, "hydra"),
            task_name=self.config.hydra.job.name,
            status=JobStatus.FAILED,
            _return_value=error,
        )
