"""The page on SLURM, carried out on the cluster as it stands there, with few steps."""

from pathlib import Path

import pytest

from rote.config.budget_scale import VARIABLE
from tests.docs.pages import ROOT, commands
from tests.docs.reader import Reader
from tests.slurm.conftest import Bench

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(900)]
PAGE = ROOT / "docs" / "slurm.md"
FITS = ("host.mem_per_cpu_mb=1100", "host.accelerator=cpu")  # the virtual nodes


def test_every_command_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "0.0005")
    reader = Reader(tmp_path, on_slurm=FITS)
    reader.furnish()
    for command in commands(PAGE):
        if command[0] == "rote":
            reader.type(command)
    bench = Bench(tmp_path)
    bench.wait_over("demo")
    bench.rote("resume", "demo", "--follow")  # the page ends by cancelling
    assert set(bench.counts("demo")) == {"done"}
