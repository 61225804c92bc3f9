"""A run that was stopped, killed or robbed of its newest checkpoint ends as if nothing had been."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute
from rote.training import checkpoint
from rote.training.training_run import Interrupted
from tests.conftest import After, MakeSpec, left
from tests.shared import Shared

EVERY_STEP = "host.checkpoint_every_seconds=0"


@pytest.fixture
def whole(shared: Shared) -> Callable[[Spec], list[bytes]]:
    """What an uninterrupted run leaves."""
    return lambda spec: left(shared.finished(spec))


FORMATS = [
    (),
    ("precision=bf16_mixed",),
    ("precision=bf16_true", "optim.schedule.warmup_steps=3"),
    ("optim=adamw", "optim/schedule=cosine"),
]
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [((), (9, 10, 29)), *(pytest.param(o, (1, 9, 10, 11, 29, 30), marks=SLOW) for o in FORMATS)],
)
def test_stopped_at_any_step_and_resumed(
    tiny: MakeSpec,
    store: Store,
    whole: Callable[[Spec], list[bytes]],
    overrides: tuple[str, ...],
    steps: tuple[int, ...],
) -> None:
    spec = tiny(*overrides)
    expected = whole(spec)
    for step in steps:  # strides are ten steps long
        some = Store(store.outputs / str(step))
        with pytest.raises(Interrupted, match=f"stopped at step {step} "):
            execute(spec, some, stop=After(step))
        folder = some.run(spec.run_id)
        assert not folder.is_done()
        assert folder.failure() is None
        execute(spec, some)
        assert left(folder) == expected, f"after an interruption at step {step}"
        assert not (folder.path / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("overrides", FORMATS)
def test_stopped_at_every_single_step(
    tiny: MakeSpec, store: Store, whole: Callable[[Spec], list[bytes]], overrides: tuple[str, ...]
) -> None:
    spec = tiny(*overrides)
    for step in range(1, 31):
        with pytest.raises(Interrupted, match=f"stopped at step {step} "):
            execute(spec, store, stop=After(1))
    execute(spec, store)
    assert left(store.run(spec.run_id)) == whole(spec)


def in_a_child(spec: Spec, store: Store, stop: Callable[[], bool]) -> int:
    """Run in a forked process; its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            execute(spec, store, stop=stop)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_me() -> bool:
    os.kill(os.getpid(), signal.SIGKILL)
    return False


@pytest.mark.parametrize("attempts", [1, pytest.param(12, marks=SLOW)])
def test_killed_at_random_steps_and_resumed(
    tiny: MakeSpec, store: Store, whole: Callable[[Spec], list[bytes]], attempts: int
) -> None:
    spec = tiny(EVERY_STEP)
    expected = whole(tiny())
    draw = random.Random(0)
    for attempt in range(attempts):
        some = Store(store.outputs / str(attempt))
        for _ in range(2):  # the second one in a resumed life
            code = in_a_child(spec, some, After(draw.randint(1, 14), kill_me))
            assert code == -signal.SIGKILL
            assert not some.run(spec.run_id).is_done()
        assert in_a_child(spec, some, lambda: False) == 0
        assert left(some.run(spec.run_id)) == expected


def interrupted_with_two_checkpoints(spec: Spec, store: Store) -> list[Path]:
    with pytest.raises(Interrupted):
        execute(spec, store, stop=After(17))
    saved = sorted((store.run(spec.run_id).path / "checkpoints").iterdir())
    assert [path.name[:10] for path in saved] == ["0000000016", "0000000017"]
    return saved


@pytest.mark.parametrize("damaged", [1, 2], ids=["the newest", "both"])
@pytest.mark.parametrize("how", ["torn", "flipped"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tiny: MakeSpec,
    store: Store,
    whole: Callable[[Spec], list[bytes]],
    caplog: pytest.LogCaptureFixture,
    damaged: int,
    how: str,
) -> None:
    spec = tiny(EVERY_STEP)
    for path in interrupted_with_two_checkpoints(spec, store)[-damaged:]:
        data = bytearray(path.read_bytes())
        if how == "torn":
            del data[len(data) // 2 :]
        else:
            data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    execute(spec, store)
    assert left(store.run(spec.run_id)) == whole(tiny())
    assert caplog.text.count("is damaged: going on from the one before it") == damaged


def test_a_full_disk_costs_the_checkpoint_not_the_run(
    tiny: MakeSpec,
    store: Store,
    whole: Callable[[Spec], list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_named_by_digest", full)
    spec = tiny(EVERY_STEP)
    execute(spec, store)
    assert left(store.run(spec.run_id)) == whole(tiny())
    assert "no checkpoint at step 1: [Errno 28] No space left" in caplog.text


def test_checkpoints_are_left_as_often_as_asked_and_two_are_kept(
    tiny: MakeSpec, store: Store
) -> None:
    interrupted_with_two_checkpoints(tiny(EVERY_STEP), store)
    other = Store(store.outputs / "seldom")
    with pytest.raises(Interrupted):
        execute(tiny("host.checkpoint_every_seconds=null"), other, stop=After(17))
    assert len(list((other.run(tiny().run_id).path / "checkpoints").iterdir())) == 1
