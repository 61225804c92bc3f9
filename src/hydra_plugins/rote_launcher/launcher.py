"""Launch whole grids of rote through rote, and other Hydra applications' jobs with submitit."""

import logging
import os
import sys
import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from hydra_plugins.rote_launcher.config import RoteLocalConf, RoteSlurmConf
from hydra_plugins.rote_launcher.job import Job
from rote.core.process import isolated_children

if TYPE_CHECKING:
    import submitit

    from rote.cli.tuning import Search

LOG = logging.getLogger(__name__)
POLL_SECONDS = 0.2
ASK_SECONDS = 30.0  # time for a busy controller to answer
EVERY_EXECUTOR = (  # submitit's names for parameters of all its executors; others get a prefix
    "name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node",
)  # fmt: skip


class RoteLauncher(Launcher):
    """Composes and checks each point before the first job is sent; no job stops another."""

    host: str | None  # rote's host, unless an override names another
    settings: type  # the dataclass of its settings

    def __init__(self, *, submitit_folder: str, **parameters: Any) -> None:
        self._folder = submitit_folder
        self._parameters = parameters

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep Hydra's arguments until the launch."""
        self._hydra_context = hydra_context
        self._task_function = task_function
        self._config = config

    def launch(
        self,
        job_overrides: Sequence[Sequence[str]],
        initial_job_idx: int,
        search: "Search | None" = None,
    ) -> Sequence[JobReturn]:
        """Return one answer per job; none for rote itself, whose answers are its records.

        With ``search`` the only job holds the space that is searched. Raises ValueError for a
        search of another application, whose answers are not in records.
        """
        from rote.cli.train import launch_grid, run_from_hydra  # a mere --help does not need it

        if self._task_function is run_from_hydra:
            self._refuse_parameters()
            launch_grid(job_overrides, host=self.host, settings=self._config.hydra, search=search)
            return []
        if search is not None:
            raise ValueError("hydra/sweeper=rote_optuna searches over runs of rote alone")
        return self._launch_each(job_overrides, initial_job_idx)

    @abstractmethod
    def submit(self, jobs: Sequence[Job]) -> "list[submitit.Job[JobReturn]]":
        """Start all jobs, in their order."""

    def _refuse_parameters(self) -> None:
        """Raises ValueError for set parameters, including those from a primary configuration."""
        given: Any = OmegaConf.to_container(self._config.hydra.launcher, resolve=False)
        defaults: Any = OmegaConf.to_container(OmegaConf.structured(self.settings))
        for key, value in given.items():
            if value != defaults.get(key):
                raise ValueError(
                    f"'hydra.launcher.{key}={value}' is for other applications: rote's resources "
                    "are those of its host (host=slurm, host.KEY=VALUE)"
                )

    def _launch_each(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> list[JobReturn]:
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        Path(self._config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        jobs = [
            self._job(overrides, initial_job_idx + index)
            for index, overrides in enumerate(job_overrides)
        ]
        LOG.info("launching %d jobs, logs in %s", len(jobs), self._folder)
        # Python first looks for modules of the program that was started here in its own folder.
        with isolated_children(*([] if sys.flags.safe_path else sys.path[:1])):
            submitted = self.submit(jobs)
        answers = [_answer(job, sent) for job, sent in zip(jobs, submitted, strict=True)]
        for answer in answers:
            if answer.status is not JobStatus.COMPLETED:
                LOG.error("failed: %s", " ".join(answer.overrides or []) or "the only job")
        return answers

    def _job(self, overrides: Sequence[str], number: int) -> Job:
        loader = self._hydra_context.config_loader
        config = loader.load_sweep_config(self._config, list(overrides))
        with open_dict(config):
            config.hydra.job.num = number
        return Job(
            config=config,
            task_function=self._task_function,
            hydra_context=self._hydra_context,
            singletons=Singleton.get_state(),
        )


class RoteLocalLauncher(RoteLauncher):
    """Launches processes on this machine, as many at a time as there are cores."""

    host = None  # the host of the configuration
    settings = RoteLocalConf

    def __init__(self, *, num_parallel: int | None, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._num_parallel = num_parallel or len(os.sched_getaffinity(0))

    def submit(self, jobs: Sequence[Job]) -> "list[submitit.Job[JobReturn]]":
        """Start each job as soon as another one has ended."""
        import submitit

        executor = submitit.LocalExecutor(self._folder)
        executor.update_parameters(**self._parameters)
        submitted: list[submitit.Job[JobReturn]] = []
        for job in jobs:
            while sum(not other.done() for other in submitted) >= self._num_parallel:
                time.sleep(POLL_SECONDS)
            submitted.append(executor.submit(job))
        return submitted


class RoteSlurmLauncher(RoteLauncher):
    """Launches job arrays on a SLURM cluster, each within the largest allowed size."""

    host = "slurm"
    settings = RoteSlurmConf

    def __init__(
        self, *, max_array_size: int | None, max_num_timeout: int, **parameters: Any
    ) -> None:
        super().__init__(**parameters)
        self._max_array_size = max_array_size
        self._max_num_timeout = max_num_timeout

    def submit(self, jobs: Sequence[Job]) -> "list[submitit.Job[JobReturn]]":
        """Submit all jobs; raises submitit's error if sbatch refuses."""
        from rote.cluster.queue import max_array_size

        executor = self._executor()
        size = self._max_array_size or max_array_size(timeout_seconds=ASK_SECONDS)
        submitted: list[submitit.Job[JobReturn]] = []
        for start in range(0, len(jobs), size):
            with executor.batch():
                submitted += [executor.submit(job) for job in jobs[start : start + size]]
        return submitted

    def _executor(self) -> "submitit.AutoExecutor":
        import submitit

        executor = submitit.AutoExecutor(
            self._folder, cluster="slurm", slurm_max_num_timeout=self._max_num_timeout
        )
        executor.update_parameters(
            **{
                name if name in EVERY_EXECUTOR else f"slurm_{name}": value
                for name, value in self._parameters.items()
                if value is not None
            }
        )
        return executor


def _answer(job: Job, submitted: "submitit.Job[JobReturn]") -> JobReturn:
    from submitit.core.utils import FailedJobError, UncompletedJobError

    while not submitted.done():
        time.sleep(POLL_SECONDS)  # submitit's own wait checks once a second
    try:
        return submitted.result()
    except (FailedJobError, UncompletedJobError) as error:
        return job.lost(error)
