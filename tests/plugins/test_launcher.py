"""Hydra's own conformance tests for launchers, here and on a cluster, and what they leave out."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import submitit
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.plugin import Plugin
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from omegaconf import DictConfig
from submitit.core.utils import UncompletedJobError


def answers(command: str) -> bool:
    return (
        bool(shutil.which(command))
        and subprocess.run([command], capture_output=True).returncode == 0
    )


def found(kind: type[Plugin]) -> list[type[Plugin]]:
    return Plugins.instance().discover(kind)


Plugins.instance()  # registers settings, which Hydra 1.4 does once, before suites restore its state
NO_CLUSTER = pytest.mark.skipif(not answers("sinfo"), reason="no SLURM answers")
SLURM = [pytest.mark.slurm, pytest.mark.slow, NO_CLUSTER]
CHDIR = "hydra.job.chdir=true"  # the suites expect it; it is a default of old Hydra alone
LAUNCHERS = [
    pytest.param("rote_local", [CHDIR], id="local"),
    pytest.param("rote_slurm", [CHDIR, "hydra.launcher.max_array_size=1"], id="slurm", marks=SLURM),
]
BATCHES = [
    pytest.param(name, [CHDIR, "hydra.sweeper.max_batch_size=2"], id=id_, marks=marks)
    for name, id_, marks in (("rote_local", "local", ()), ("rote_slurm", "slurm", SLURM))
]
APPLICATIONS = [
    pytest.param({}, ["-m", "hydra/launcher=rote_local"], id="local"),
    pytest.param({}, ["-m", "hydra/launcher=rote_slurm"], id="slurm", marks=SLURM),
]


@pytest.mark.slow
@pytest.mark.parametrize(("launcher_name", "overrides"), LAUNCHERS)
class TestLauncher(LauncherTestSuite):
    """Jobs run in processes of their own and answer as Hydra's do."""


@pytest.mark.slow
@pytest.mark.parametrize(("launcher_name", "overrides"), BATCHES)
class TestLauncherWithBatches(BatchedSweeperTestSuite):
    """Points in the batches that Hydra's sweeper makes."""


@pytest.mark.slow
@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), APPLICATIONS)
class TestLauncherIntegration(IntegrationTestSuite):
    """As the user of an application starts it."""


def test_hydra_finds_them() -> None:
    names = {plugin.__name__ for kind in (Launcher, Sweeper) for plugin in found(kind)}
    assert names >= {"RoteLocalLauncher", "RoteSlurmLauncher", "RoteSweeper"}
    assert "RoteLauncher" not in names  # what both launchers share cannot be chosen


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_a_killed_job_stops_no_other_and_is_told(
    hydra_sweep_runner: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # How long submitit waits for the answer of a dead process, in case a network disk is slow.
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 0)

    def task(config: DictConfig) -> None:
        if config.foo == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        (tmp_path / f"foo-{config.foo}").touch()

    sweep = hydra_sweep_runner(
        calling_file=None,
        calling_module="hydra.test_utils.a_module",
        task_function=task,
        config_path="configs",
        config_name="compose.yaml",
        overrides=["hydra/launcher=rote_local", "hydra.launcher.num_parallel=1", "foo=10,20"],
        temp_dir=tmp_path / "sweep",
    )
    with pytest.raises(UncompletedJobError), sweep:
        pass
    assert [path.name for path in tmp_path.glob("foo-*")] == ["foo-20"]
    assert "failed: foo=10\n" in capsys.readouterr().out
