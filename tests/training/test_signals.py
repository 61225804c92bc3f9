"""Signals that reach a run between two strides, where Lightning would listen to them itself."""

import os
import signal

import pytest
from tests.conftest import MakeSpec

from rote.cluster.preemption import StopFlag
from rote.ledger.store import Store
from rote.run.execute import execute
from rote.training.training_run import Interrupted


class SignalAtRow:
    """Sends a signal to its own process after the first stride."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def start(self, *_: object) -> None: ...

    def pause(self) -> None: ...

    def row(self, row: dict[str, float]) -> None:
        if row["step"] == 10:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_at_a_strides_end_leaves_a_checkpoint(
    tiny: MakeSpec, store: Store, number: signal.Signals
) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGUSR2)}
    spec = tiny()
    flag = StopFlag().install()
    try:
        with pytest.raises(Interrupted, match="step 11"):
            execute(spec, store, observers=[SignalAtRow(number)], stop=flag.is_set)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert list((store.run(spec.run_id).path / "checkpoints").iterdir())
    assert execute(spec, store).training["steps"] == 30
