"""Processes of one job: how they end, where they are put, that none takes another with it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import MakeSpec

from rote.cluster.process_pool import Killed, Outcome, ProcessPool, Specs
from rote.ledger.spec import Spec


def outcomes(pool: ProcessPool, specs: list[Spec]) -> dict[int, Outcome | Killed]:
    """Seed -> how its process ended."""
    left, told = [(spec,) for spec in specs], {}
    deadline = time.monotonic() + 60
    while left or pool.running:
        assert time.monotonic() < deadline
        while left and pool.free:
            pool.start(left.pop(0))
        told |= {spec.what["seed"]: outcome for (spec,), outcome in pool.ended()}
    return told


@pytest.fixture
def specs(tiny: MakeSpec) -> Callable[[int], list[Spec]]:
    return lambda number: [tiny(f"seed={seed}") for seed in range(number)]


def test_each_tells_how_it_ended(specs: Callable[[int], list[Spec]]) -> None:
    def attempt(specs: Specs) -> Outcome:
        (spec,) = specs
        match spec.what["seed"]:
            case 1:
                os.kill(os.getpid(), signal.SIGKILL)
            case 2:
                raise RuntimeError("not caught")
            case 3:
                return Outcome.INTERRUPTED
        return Outcome.FINISHED

    told = outcomes(ProcessPool(2, attempt), specs(5))
    assert told == {
        0: Outcome.FINISHED,
        1: Killed(-9),
        2: Killed(1),
        3: Outcome.INTERRUPTED,
        4: Outcome.FINISHED,
    }
    assert str(told[1]).startswith("its process was killed by SIGKILL")


def test_no_more_at_a_time_than_places(specs: Callable[[int], list[Spec]], tmp_path: Path) -> None:
    def attempt(specs: Specs) -> Outcome:
        (spec,) = specs
        begun = tmp_path / str(spec.what["seed"])
        begun.touch()
        at_once = len(list(tmp_path.iterdir()))
        time.sleep(0.3)
        begun.unlink()
        return Outcome.FINISHED if at_once <= 3 else Outcome.INTERRUPTED

    assert set(outcomes(ProcessPool(3, attempt), specs(7)).values()) == {Outcome.FINISHED}


@pytest.mark.parametrize(
    ("visible", "expected"),
    [("4,7", {"4", "7"}), ("GPU-5c", {"GPU-5c"}), ("", {""}), (None, {"not set"})],
)
def test_places_are_spread_over_the_gpus(
    specs: Callable[[int], list[Spec]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    visible: str | None,
    expected: set[str],
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    def attempt(specs: Specs) -> Outcome:
        (spec,) = specs
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        (tmp_path / str(spec.what["seed"])).write_text(seen)
        time.sleep(0.3)
        return Outcome.FINISHED

    outcomes(ProcessPool(4, attempt), specs(4))
    assert {path.read_text() for path in tmp_path.iterdir()} == expected


def test_all_are_told_to_stop(specs: Callable[[int], list[Spec]]) -> None:
    def attempt(_: Specs) -> Outcome:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(Outcome.INTERRUPTED))
        time.sleep(60)
        return Outcome.FINISHED

    pool = ProcessPool(2, attempt)
    for spec in specs(2):
        pool.start((spec,))
    time.sleep(1)
    pool.terminate()
    assert outcomes(pool, []) == {0: Outcome.INTERRUPTED, 1: Outcome.INTERRUPTED}
