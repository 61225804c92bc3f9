"""Two processes train one model as one does."""

import json
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.conftest import After, MakeSpec
from tests.preloaded import CONTEXT

from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.models import likelihood
from rote.run.execute import assist, execute, execute_together
from rote.run.weights import load_trained
from rote.training import distributed
from rote.training.training_run import Interrupted

SLOW = pytest.mark.slow
NEVER = 10**6  # steps
TRACED = partial(torch.compile, backend="aot_eager")  # generated code would take a minute
MANY = "control=[goldfish,label_smoothing,gradient_noise,early_stopping,weight_decay]"


def process(
    rank: int, port: int, specs: list[Spec], outputs: Path, stop_at: int, in_chunks: bool
) -> None:
    if in_chunks:
        likelihood.WHOLE_LOGITS_BYTES = 0
    torch.compile = TRACED
    distributed.join(
        rank=rank, num_processes=2, local_rank=rank, node=0, num_nodes=1,
        master_host="127.0.0.1", master_port=port,
    )  # fmt: skip
    stop = After(stop_at if rank == 1 else NEVER)  # only one of them gets the signal
    try:
        if rank:
            assist(stop)
        else:
            for spec in specs:
                execute(spec, Store(outputs), stop=stop)
            distributed.from_first(None)
    except Interrupted:
        (outputs / f"interrupted-{rank}").touch()
    distributed.leave()
    sys.stderr.flush()
    # Not through the interpreter's end, where threads of torch's that are still about may abort.
    os._exit(0)


def in_two_processes(
    specs: list[Spec], outputs: Path, stop_at: int = NEVER, *, in_chunks: bool
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [
        CONTEXT.Process(target=process, args=(rank, port, specs, outputs, stop_at, in_chunks))
        for rank in (0, 1)
    ]
    for each in both:
        each.start()
    for each in both:
        each.join(120)
        assert each.exitcode == 0


@pytest.fixture
def alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Spec], list[dict[str, float]]]:
    monkeypatch.setattr(torch, "compile", TRACED)

    def run(spec: Spec) -> list[dict[str, float]]:
        store = Store(tmp_path / "alone")
        execute(spec, store)
        return store.run(spec.run_id).curve()

    return run


@pytest.mark.parametrize(
    ("overrides", "in_chunks", "tolerance"),
    [
        (["host.strategy=ddp", MANY, "log.look_at=[0,17,30]"], False, 1e-6),
        # In micro-batches of one sequence each.
        pytest.param(
            ["host.strategy=ddp", "host.accumulate_above_gib=0", MANY], False, 1e-6, marks=SLOW
        ),
        pytest.param(
            ["host.strategy=fsdp", "host.accumulate_above_gib=0", "host.compile=blocks"], False,
            1e-6, marks=SLOW,
        ),
        # Each process drops other numbers: losses are those of one process in kind alone.
        pytest.param(
            ["host.strategy=fsdp", "control=[dropout,goldfish,label_smoothing]"], False, 0.5,
            marks=SLOW,
        ),
        # What large models do besides; Muon's products round otherwise, and steps add that up.
        pytest.param(
            ["host.strategy=fsdp", "host.recompute_above_gib=0", "optim=muon"], True, 1e-3,
            marks=SLOW,
        ),
    ],
)  # fmt: skip
def test_losses_packs_and_resume(
    tiny: MakeSpec,
    tmp_path: Path,
    alone: Callable[[Spec], list[dict[str, float]]],
    overrides: list[str],
    in_chunks: bool,
    tolerance: float,
) -> None:
    specs = [tiny(f"seed={seed}", "log.keep_weights=true", *overrides) for seed in (0, 1)]
    in_two = partial(in_two_processes, specs, in_chunks=in_chunks)
    in_two(tmp_path / "whole")
    for spec in specs:
        rows = Store(tmp_path / "whole").run(spec.run_id).curve()
        for ours, theirs in zip(rows, alone(spec), strict=True):
            assert (ours["step"], ours["tokens"]) == (theirs["step"], theirs["tokens"])
            loss = theirs["loss_nats_per_token"]
            assert ours["loss_nats_per_token"] == pytest.approx(loss, rel=tolerance)

    broken = tmp_path / "broken"
    in_two(broken, stop_at=17)
    assert (broken / "interrupted-0").exists()
    assert (broken / "interrupted-1").exists()
    assert not list(broken.glob("runs/*/record.json"))
    in_two(broken)
    for spec in specs:
        looks = ["looks.npz"] if spec.how["log"]["look_at"] else []
        for name in ("record.json", "curve.jsonl", "arrays.npz", "model.safetensors", *looks):
            whole, resumed = (
                (tmp_path / place / "runs" / spec.run_id / name).read_bytes()
                for place in ("whole", "broken")
            )
            assert whole == resumed, name
        model = load_trained(Store(broken).run(spec.run_id)).model
        assert all(bool(weight.isfinite().all()) for weight in model.parameters())
    circumstances = broken / "runs" / specs[0].run_id / "circumstances.json"
    assert json.loads(circumstances.read_text())["resumed_at_step"] == 17


@pytest.mark.parametrize("begun_in", [1, 2])
def test_a_run_goes_on_in_another_number_of_processes(
    tiny: MakeSpec,
    tmp_path: Path,
    alone: Callable[[Spec], list[dict[str, float]]],
    begun_in: int,
) -> None:
    """In the middle of a stride, whose losses so far are sums of each process."""
    spec, store = tiny(), Store(tmp_path / "parted")
    in_two = partial(in_two_processes, [spec], store.outputs, in_chunks=False)
    if begun_in == 2:
        in_two(stop_at=17)
        assert execute_together([spec], store) == {}
    else:
        with pytest.raises(Interrupted):
            execute(spec, store, stop=After(17))
        in_two()
    for ours, theirs in zip(store.run(spec.run_id).curve(), alone(spec), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
