"""`rote train -m`: which launcher takes the grid, what it hands over, what it refuses."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rote.cli.train import train
from rote.config.sweep import load_sweep, with_overrides

GRID = ["-m", "size=80k,93k", "precision=fp32,bf16_mixed", "log=none"]
POINTS = "grid.zip={size:[80k,80k,93k,93k],precision:[fp32,bf16_mixed,fp32,bf16_mixed]}"


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """What is handed to the planning of sweeps, instead of being launched."""
    given: list[list[str]] = []

    def note(overrides: Sequence[str], _: object, *, dry_run: bool) -> int:
        given.append(list(overrides))
        return 0

    monkeypatch.setattr("rote.cli.launching.sweep_from_overrides", note)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # put back after the test
    monkeypatch.setattr("sys.argv", ["rote"])
    monkeypatch.chdir(tmp_path)
    return given


@pytest.mark.parametrize(
    ("words", "handed_over"),
    [
        ([], GRID[1:]),
        (["hydra/launcher=rote_slurm"], [*GRID[1:], "host=slurm"]),
        (["hydra/launcher=rote_slurm", "host=local"], [*GRID[1:], "host=local"]),
        (["hydra/sweeper=basic"], ["log=none", POINTS]),
        (
            ["hydra/sweeper=basic", "hydra/launcher=rote_slurm"],
            ["log=none", POINTS, "host=slurm"],
        ),
    ],
)
def test_a_grid_goes_over_whole(
    launched: list[list[str]], words: list[str], handed_over: list[str]
) -> None:
    train([*GRID, *words])
    assert launched == [handed_over]


def test_a_sweep_file_goes_over_by_name(launched: list[list[str]]) -> None:
    train(["--multirun", "+sweep=demo", "hydra/launcher=rote_local"])
    assert launched == [["+sweep=demo"]]


def test_points_and_their_grid_are_the_same() -> None:
    empty = with_overrides(load_sweep("heads"), [])
    grid = with_overrides(empty, [POINTS, "ratio=1", "size.num_heads=4", "seed=0"])
    sizes_and_formats = [(axes["size"], axes["precision"]) for axes in grid.axes()]
    assert sizes_and_formats == [
        (size, precision) for size in ("80k", "93k") for precision in ("fp32", "bf16_mixed")
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hydra/launcher=basic"], "BasicLauncher takes no grids: choose hydra/launcher=rote_loc"),
        (["hydra.launcher.timeout_min=3"], "'hydra.launcher.timeout_min=3' is for other applicat"),
        (["hydra/sweeper=basic", "optim=sgd"], "Could not find 'optim/sgd'"),
        (["hydra/launcher=rote_slrm"], "Could not find 'hydra/launcher/rote_slrm'"),
    ],
)
def test_what_is_refused_is_told_before_anything_is_launched(
    launched: list[list[str]], words: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        train([*GRID, *words])
    assert "\n" not in str(caught.value)
    assert not launched


def test_the_command_line_wins_over_the_configuration(
    launched: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    for words, launcher in (([], "RoteLocal"), (["hydra/launcher=rote_slurm"], "RoteSlurm")):
        train(["--cfg", "hydra", "--package", "hydra.launcher", *words])
        assert f"rote_launcher.launcher.{launcher}Launcher" in capsys.readouterr().out
