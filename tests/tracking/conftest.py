"""A sweep of tiny runs mirrored offline, one of them killed and resumed; a server on loopback."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import wandb
from hydra.core.global_hydra import GlobalHydra
from tests import inprocess
from tests.conftest import COMPOSER
from tests.shared import Shared
from tests.tracking.wandb_server import Server

from rote.cluster.plan import Plan, load_plan
from rote.cluster.planning import make_plan
from rote.config.sweep import Grid, Sweep
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store
from rote.run.execute import execute
from rote.tracking.offline import logs, run_id_of

QUESTION = "Does it all come back?"
KILLED_AT_STEP = 24  # strides are ten steps long: two rows of the curve are written
FIXED = {
    "size": "demo_s", "task.length": 8, "task.vocab_size": 16, "task.num_heldout_sequences": 4,
    "budget": "demo", "budget.max_steps": 30, "budget.batch_size": 4,
    "budget.check_every_steps": 10, "log": "offline", "host.accelerator": "cpu",
    "host.checkpoint_every_seconds": 0,
}  # fmt: skip


Rote = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Swept:
    """What a launched sweep leaves: its plan and its outputs."""

    plan: Plan
    outputs: Path
    killed: str  # run id

    @property
    def store(self) -> Store:
        return Store(self.outputs)


@pytest.fixture(scope="session")
def swept(shared: Shared) -> Swept:
    """Three runs, the first in two lives; its first process was killed outright."""
    outputs = shared.folder("killed-and-resumed", _sweep)
    plan = load_plan(outputs, "tiny")
    return Swept(plan, outputs, plan.run_ids[0])


def _sweep(outputs: Path) -> None:
    GlobalHydra.instance().clear()
    grid = Grid(product={"task.num_sequences": [4, 8, 12]})
    sweep = Sweep(name="tiny", question=QUESTION, report="capacity", fixed=FIXED, grid=grid)
    plan, _ = make_plan(sweep, COMPOSER)
    plan.save(outputs)
    first = plan.specs[0]
    assert killed_in_a_child(first, Store(outputs)) == -signal.SIGKILL
    for spec in plan.specs:
        execute(spec, Store(outputs))


@pytest.fixture
def at_swept(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> Swept:
    """Commands find the sweep."""
    monkeypatch.setenv("ROTE_OUTPUTS", str(swept.outputs))
    return swept


@pytest.fixture
def copied(at_swept: Swept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Swept:
    """The same outputs in a place of their own, nothing of them sent."""
    outputs = tmp_path / "outputs"
    marks = shutil.ignore_patterns("sent.json", "*.synced", "*.syncstate", "latest-run")
    shutil.copytree(at_swept.outputs, outputs, ignore=marks)
    monkeypatch.setenv("ROTE_OUTPUTS", str(outputs))
    return Swept(at_swept.plan, outputs, at_swept.killed)


def killed_in_a_child(spec: Spec, store: Store) -> int:
    """Minus the signal that ended the child."""
    wandb.teardown()  # or the child would share the service that earlier tests have started
    child = os.fork()
    if child == 0:
        try:
            execute(spec, store, stop=Killer(store.run(spec.run_id)))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Killer:
    """Asked after each step, it kills the process at one; wandb has at least said which run."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder, self.step = folder, 0

    def __call__(self) -> bool:
        self.step += 1
        if self.step == KILLED_AT_STEP:
            while not any(map(run_id_of, logs(self.folder.path))):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return False


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """The only server that wandb may know, and an account there."""
    with Server() as listening:
        monkeypatch.setenv("WANDB_BASE_URL", listening.url)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
        yield listening
        listening.shutdown()


@pytest.fixture
def rote(at_swept: Swept) -> Rote:
    """The command, in this process."""
    return partial(inprocess.rote, Path.cwd())


@pytest.fixture
def fresh_rote(at_swept: Swept, server: Server) -> Rote:
    """The command in a process of its own: wandb asks the server that it first knew of."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rote", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run
