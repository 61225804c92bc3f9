"""One real run: repeatable bit for bit, measured as trained, told to observers, never half done."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rote.ledger.record import Record
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute
from rote.run.preflight import Preflight
from rote.training.training_run import Diverged
from tests.conftest import MakeSpec, Refuse, left
from tests.shared import Shared


class Follower:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def start(self, spec: Spec, parameters: int, epoch_tokens: int) -> None:
        self.events.append(("start", parameters, epoch_tokens))

    def row(self, row: dict[str, float]) -> None:
        self.events.append(("row", row["step"]))

    def finish(self, record: Record) -> None:
        self.events.append(("finish", record.training["steps"]))

    def pause(self) -> None:
        self.events.append(("pause",))

    def fail(self, reason: str) -> None:
        self.events.append(("fail", reason))


@pytest.mark.parametrize("precision", ["fp32", "bf16_mixed", "bf16_true"])
def test_the_same_run_twice_is_the_same_bit_for_bit(
    tiny: MakeSpec, tmp_path: Path, precision: str
) -> None:
    spec = tiny(f"precision={precision}")
    files = []
    for name in ("first", "second"):
        store = Store(tmp_path / name)
        torch.manual_seed(hash(name) % 1000)  # whatever happened before must not matter
        execute(spec, store)
        files.append(left(store.run(spec.run_id)))
    assert files[0] == files[1]


def test_a_record_holds_what_was_run_and_measured(tiny: MakeSpec, shared: Shared) -> None:
    spec = tiny()
    folder = shared.finished(spec)
    record = folder.record()
    assert record.parameters == Preflight().facts(spec).parameters
    assert record.entropy_bits == 12 * 8 * 4
    assert record.entropy_after_first_token_bits == 12 * 7 * 4
    assert record.training["steps"] == 30
    assert record.training["tokens_seen"] == 30 * 4 * 8
    assert record.measures["cost"]["train_tokens"] == 96
    rows = folder.curve()
    assert [row["step"] for row in rows] == [10, 20, 30]
    assert folder.arrays()["cost.train_code_bits"].shape == (12,)
    circumstances = json.loads((folder.path / "circumstances.json").read_text())
    assert circumstances["train_seconds"] > 0
    assert torch.__version__.startswith(circumstances["versions"]["torch"])  # +cu130 may follow


def test_training_memorises(tiny: MakeSpec, store: Store) -> None:
    record = execute(
        tiny("budget.max_steps=400", "optim.optimiser.lr=1e-2", "task.num_sequences=4"), store
    )
    bits = record.measures["cost"]["train_code_bits"]
    assert bits < 0.3 * record.entropy_bits
    heldout = (
        record.measures["cost"]["heldout_code_bits"] / record.measures["cost"]["heldout_tokens"]
    )
    assert heldout > 4.0  # bits per token: worse than guessing, nothing to generalise


def test_a_finished_run_is_returned_at_once(tiny: MakeSpec, store: Store) -> None:
    first, second = Follower(), Follower()
    assert execute(tiny(), store, [first]) == execute(tiny(), store, [second])
    assert first.events == [
        ("start", 2196, 12 * 8), ("row", 10), ("row", 20), ("row", 30), ("finish", 30)
    ]  # fmt: skip
    assert second.events == []


def test_an_observer_that_breaks_is_left_behind(tiny: MakeSpec, store: Store) -> None:
    class Broken(Follower):
        def row(self, row: dict[str, float]) -> None:
            raise ConnectionError("the network is down")

    broken, sound = Broken(), Follower()
    record = execute(tiny(), store, [broken, sound])
    assert record.training["steps"] == 30
    assert broken.events == [("start", 2196, 12 * 8)]
    assert sound.events[-1] == ("finish", 30)


def test_divergence_is_a_failure_with_a_reason_and_no_record(tiny: MakeSpec, store: Store) -> None:
    follower = Follower()
    spec = tiny("optim.optimiser.lr=1e9", "optim.clip_norm=null")
    with pytest.raises(Diverged, match=r"the loss is .* nats per token by step 10"):
        execute(spec, store, [follower])
    folder = store.run(spec.run_id)
    assert not folder.is_done()
    assert not folder.is_claimed()
    assert "Diverged: the loss is" in folder.failure()["reason"]
    assert follower.events[-1][0] == "fail"


def test_a_failure_is_forgotten_when_the_run_is_tried_again(
    tiny: MakeSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is on fire")

    with monkeypatch.context() as patched:
        patched.setattr("rote.run.execute.fit", broken)
        with pytest.raises(RuntimeError, match="on fire"):
            execute(tiny(), store)
    execute(tiny(), store)
    assert store.run(tiny().run_id).failure() is None


def test_saturation_ends_a_run_early_and_says_so(tiny: MakeSpec, store: Store) -> None:
    record = execute(
        tiny(
            "task.num_sequences=2", "budget.max_steps=3000", "optim.optimiser.lr=2e-2",
            "optim/schedule=constant",
            "budget.saturation.window_steps=100", "budget.saturation.min_steps=50",
        ),
        store,
    )  # fmt: skip
    assert record.training["converged"]
    assert 200 <= record.training["steps"] < 3000


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=null", "seed must be a whole number from 0 up, got None"),
        ("optim.optimiser.lr=fast", "Muon's lr must be a number from 0 up, got 'fast'"),
        ("optim.optimiser.lr=-1", "Muon's lr must be a number from 0 up, got -1"),
        ("optim.clip_norm=0", "optim.clip_norm must be null or a number above 0, got 0"),
        ("budget.max_steps=0", "budget.max_steps must be a whole number from 1 up, got 0"),
        ("host.threads=0", "host.threads must be a whole number from 1 to 4096, got 0"),
        ("size.num_layers=0", "size.num_layers must be a whole number from 1 to 4096, got 0"),
        ("measure.cost._target_=rote.measures.cots.Cost", "rote.measures.cots"),
    ],
)
def test_what_cannot_run_is_refused_before_it_starts(
    refuse: Refuse, override: str, message: str
) -> None:
    refuse(message, override)
