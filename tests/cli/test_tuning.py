"""`hydra/sweeper=rote_optuna`: what is proposed, what is trained, what is refused."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tests.conftest import TINY
from tests.inprocess import rote

from rote.config.compose import OWN
from rote.ledger.store import Store

optuna = pytest.importorskip("optuna", reason="rote[tune] is not installed")

from optuna.distributions import (  # noqa: E402
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from rote.cli.tuning import Search, run_trials, space_of, study_of  # noqa: E402

RATE = "optim.optimiser.lr"
INTERVAL = f"{RATE}=tag(log,interval(1e-4,1))"
CHOSEN = ("hydra.sweeper.metric=memorised_bits", "hydra.sweeper.direction=maximize")


def search(**changed: Any) -> Search:
    usual: dict[str, Any] = {
        "metric": "memorised_bits", "direction": "maximize", "num_trials": 30,
        "trials_at_once": 4, "seed": 0,
    }  # fmt: skip
    return Search(**usual | changed)


def parabola(rate: float) -> float:
    """Its maximum, 0, is at a rate of 0.01."""
    return -((math.log10(rate) + 2) ** 2)


def rates_of(searched: Search, *, fails_above: float = math.inf) -> tuple[list[float], list[int]]:
    """The rates that are proposed for the parabola, in their order, and the sizes of batches."""
    rates, sizes = [], []

    def evaluate(batch: Sequence[Any]) -> list[float | None]:
        asked = [settings[RATE] for settings in batch]
        rates.extend(asked)
        sizes.append(len(asked))
        return [None if rate > fails_above else parabola(rate) for rate in asked]

    study = study_of(searched)
    run_trials(study, searched, space_of([INTERVAL], OWN)[0], evaluate)
    sound = [rate for rate in rates if rate <= fails_above]
    better = max if searched.direction == "maximize" else min
    assert study.best_value == better(map(parabola, sound))
    return rates, sizes


def test_a_known_optimum_is_found_in_batches() -> None:
    rates, sizes = rates_of(search())
    assert sizes == [4] * 7 + [2]
    assert max(map(parabola, rates)) > -(0.1**2)  # within a tenth of a decade, of four
    near = [abs(math.log10(rate) + 2) < 0.5 for rate in rates]
    assert sum(near[10:]) > sum(near[:10])  # the first ten are random


def test_the_other_direction_goes_to_the_ends() -> None:
    rates, _ = rates_of(search(direction="minimize"))
    assert min(map(parabola, rates)) < -3.5


def test_a_seed_repeats_its_trials_and_more_trials_continue_them() -> None:
    ten, twenty = (rates_of(search(num_trials=number))[0] for number in (10, 20))
    assert twenty[:10] == ten
    assert rates_of(search(num_trials=20))[0] == twenty
    assert rates_of(search(num_trials=10, seed=1))[0] != ten
    assert search(num_trials=9).words == search().words != search(seed=1).words


def test_failed_trials_are_avoided() -> None:
    rates, _ = rates_of(search(), fails_above=0.01)
    failed = [rate > 0.01 for rate in rates]
    assert sum(failed[20:]) < sum(failed[:10])


@pytest.mark.parametrize(
    ("override", "distribution"),
    [
        ("a=interval(0,1)", FloatDistribution(0, 1)),
        ("a=tag(log,interval(1e-3,1))", FloatDistribution(1e-3, 1, log=True)),
        ("a=int(interval(2,8))", IntDistribution(2, 8)),
        ("a=tag(log,int(interval(2,8)))", IntDistribution(2, 8, log=True)),
        ("a=range(1,8,3)", IntDistribution(1, 7, step=3)),
        ("a=range(8,1,-3)", IntDistribution(2, 8, step=3)),
        ("a=range(0,1,0.25)", FloatDistribution(0, 0.75, step=0.25)),
        ("a=1e-2,null,x", CategoricalDistribution(["0.01", "null", "x"])),
        ("a=[1,2],[3]", CategoricalDistribution(["[1,2]", "[3]"])),
    ],
)
def test_the_space_is_what_the_command_line_says(override: str, distribution: Any) -> None:
    space, fixed = space_of(["b=1", override], OWN)
    assert (space, fixed) == ({"a": distribution}, ["b=1"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("a=1", "there is nothing to search: give a key an interval"),
        ("a=tag(lgo,interval(1,2))", "'a=tag(lgo,interval(1,2))': the tag of a search is log, got"),
        ("a=tag(log,interval(0,2))", "'a=tag(log,interval(0,2))': .*low"),
        ("a=glob(x)", "'a=glob(x)': glob() picks choices of a group"),
    ],
)
def test_what_cannot_be_searched_is_refused(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        space_of([override], OWN)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"metric": "memorized_bits"}, "Did you mean 'memorised_bits'"),
        ({"metric": "f1"}, "hydra.sweeper.metric 'f1' is not known"),  # no number of one record
        ({"direction": "up"}, "hydra.sweeper.direction must be one of maximize, minimize"),
        ({"num_trials": 0}, "hydra.sweeper.num_trials must be a whole number from 1"),
        ({"trials_at_once": 0}, "hydra.sweeper.trials_at_once must be a whole number from 1"),
    ],
)
def test_a_wrong_setting_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        search(**changed)
    assert "\n" not in str(caught.value)


def tuned(folder: Path, *words: str, chosen: Sequence[str] = CHOSEN) -> CompletedProcess[str]:
    sweeper = ("hydra/sweeper=rote_optuna", "hydra.sweeper.trials_at_once=2", *chosen)
    return rote(folder, "train", "-m", *sweeper, *TINY, *words)


@pytest.mark.parametrize(
    ("chosen", "words", "message"),
    [
        (CHOSEN[:1], [INTERVAL], "hydra.sweeper.direction"),
        (CHOSEN, [], "there is nothing to search"),
        (CHOSEN, [f"{RATE}x=interval(1,2)"], f"key '{RATE}x' is not known"),
        (
            CHOSEN,
            [INTERVAL, "measure=[extraction]"],
            "metric 'memorised_bits' needs the measure cost",
        ),
        (CHOSEN, [INTERVAL, "hydra.launcher.timeout_min=3"], "is for other applications"),
    ],
)
def test_a_wrong_command_is_refused_before_anything_is_trained(
    tmp_path: Path, chosen: Sequence[str], words: Sequence[str], message: str
) -> None:
    done = tuned(tmp_path, *words, chosen=chosen)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert message in done.stderr
    assert not (tmp_path / "outputs" / "runs").exists()


def test_a_search_trains_each_trial_once(tmp_path: Path, preloaded_workers: None) -> None:
    store = Store(tmp_path / "outputs")

    def written() -> dict[str, int]:
        paths = (tmp_path / "outputs" / "runs").glob("*/record.json")
        return {path.parent.name: path.stat().st_mtime_ns for path in paths}

    first = tuned(tmp_path, INTERVAL, "hydra.sweeper.num_trials=3")
    assert first.returncode == 0, first.stdout + first.stderr
    before = written()
    assert len(before) == 3
    bits = {
        run_id: (record.entropy_bits or 0) - record.measures["cost"]["train_code_bits"]
        for run_id in before
        for record in [store.run(run_id).record()]
    }
    best = first.stdout.splitlines()[-2:]
    assert best[0].endswith(f"run {max(bits, key=bits.__getitem__)}")
    assert best[1].startswith("rote train ")

    again = tuned(tmp_path, INTERVAL, "hydra.sweeper.num_trials=3")
    assert "all 3 runs are done: nothing to train" in again.stdout
    assert again.stdout.splitlines()[-2:] == best
    assert written() == before

    lost = next(iter(before))
    shutil.rmtree(store.run(lost).path)
    assert tuned(tmp_path, INTERVAL, "hydra.sweeper.num_trials=4").returncode == 0
    after = written()
    assert len(after) == 4
    assert {name for name in before if after[name] == before[name]} == set(before) - {lost}
    (plan,) = (tmp_path / "outputs" / "sweeps").glob("*/plan.json")
    assert plan.parent.name.startswith("tune-")
