"""Define settings of `hydra/launcher=rote_local` and `rote_slurm`, for other applications.

rote itself takes its resources from its host (conf/host).
"""

# No `from __future__ import annotations` here: Hydra reads the dataclasses' types at run time.
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class RoteLocalConf:
    """Processes on this machine."""

    _target_: str = "hydra_plugins.rote_launcher.launcher.RoteLocalLauncher"
    submitit_folder: str = "${hydra.sweep.dir}/.submitit/%j"  # logs and pickles
    num_parallel: int | None = None  # jobs at a time; None: one per core
    timeout_min: int = 60 * 24 * 365  # submitit ends a local job at its limit
    gpus_per_node: int = 0  # GPUs that a job sees


@dataclass
class RoteSlurmConf:
    """Jobs of a SLURM cluster, in arrays."""

    _target_: str = "hydra_plugins.rote_launcher.launcher.RoteSlurmLauncher"
    _convert_: str = "all"  # convert to plain lists and dictionaries for submitit
    submitit_folder: str = "${hydra.sweep.dir}/.submitit/%j"  # shared with the nodes
    max_array_size: int | None = None  # jobs in one array; None: ask the controller
    array_parallelism: int = 256  # jobs of one array that run at a time
    max_num_timeout: int = 0  # times that a job is requeued after its time limit
    name: str = "${hydra.job.name}"
    timeout_min: int = 60
    signal_delay_s: int = 120  # warning before the time limit
    nodes: int = 1
    tasks_per_node: int = 1
    cpus_per_task: int = 1
    gpus_per_node: int | None = None
    mem_gb: float | None = None  # per node
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None  # nodes to avoid
    setup: list[str] | None = None  # shell lines before the job
    additional_parameters: dict[str, Any] = field(default_factory=dict)  # other sbatch options


STORE = ConfigStore.instance()
STORE.store(group="hydra/launcher", name="rote_local", node=RoteLocalConf, provider="rote")
STORE.store(group="hydra/launcher", name="rote_slurm", node=RoteSlurmConf, provider="rote")
