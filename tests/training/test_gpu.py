"""What a GPU must do: train what a CPU trains, resume, stack, compile, audit, fit in memory."""

import math
from pathlib import Path

import polars as pl
import pytest
import torch
from tests.auditing.conftest import make_checkpoints
from tests.conftest import After, MakeSpec, agree, losses

from rote.auditing.stored import SCORES
from rote.ledger.store import Store
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.training.float8 import LEAST_CAPABILITY
from rote.training.training_run import Interrupted

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")

GPU = "host.accelerator=gpu"
FORMATS = ("fp32", "tf32", "bf16_mixed", "bf16_true")
TOLERANCE = {"fp32": 1e-4, "tf32": 1e-2, "bf16_mixed": 1e-2, "bf16_true": 5e-2}  # of a loss


@pytest.mark.parametrize("precision", FORMATS)
@pytest.mark.parametrize("optim", ["adamw", "muon", "soap"])
def test_a_gpu_trains_what_a_cpu_trains(
    tiny: MakeSpec, tmp_path: Path, precision: str, optim: str
) -> None:
    """Muon iterates in bfloat16 on a GPU, SOAP's bases follow last digits: such runs agree less."""
    more = (f"precision={precision}", f"optim={optim}")
    tolerance = max(TOLERANCE[precision], 0.0 if optim == "adamw" else 1e-2)
    agree(tiny("host.accelerator=cpu", *more), tiny(GPU, *more), tmp_path, tolerance)


@pytest.mark.parametrize("precision", ["fp16_mixed", "qat_int8", "qat_int4", "qat_ternary"])
def test_formats_of_few_bits_train_as_on_a_cpu(
    tiny: MakeSpec, tmp_path: Path, precision: str
) -> None:
    more = f"precision={precision}"
    agree(tiny("host.accelerator=cpu", more), tiny(GPU, more), tmp_path, 1e-2)


def test_float8_trains_as_bfloat16_does(tiny: MakeSpec, tmp_path: Path) -> None:
    if torch.cuda.get_device_capability() < LEAST_CAPABILITY:
        pytest.skip("this GPU has no float8")
    names = ("bf16_mixed", "fp8")
    agree(*(tiny(f"precision={x}", GPU, "size.width=16") for x in names), tmp_path, 2e-2)


def test_the_same_run_twice_is_bit_identical(tiny: MakeSpec, tmp_path: Path) -> None:
    spec = tiny(GPU)
    twice = [Store(tmp_path / name) for name in ("first", "second")]
    first, second = (execute(spec, store) for store in twice)
    assert first.measures == second.measures
    assert losses(twice[0], spec) == losses(twice[1], spec)


def test_stopped_and_resumed_as_if_nothing_had_been(tiny: MakeSpec, tmp_path: Path) -> None:
    spec, whole, halted = tiny(GPU), Store(tmp_path / "whole"), Store(tmp_path / "halted")
    execute(spec, whole)
    with pytest.raises(Interrupted):
        execute(spec, halted, stop=After(14))
    execute(spec, halted)
    assert losses(halted, spec) == losses(whole, spec)


@pytest.mark.parametrize("mode", ["null", "default", "graph"])
def test_a_stack_agrees_with_runs_alone(tiny: MakeSpec, tmp_path: Path, mode: str) -> None:
    together, alone = Store(tmp_path / "together"), Store(tmp_path / "alone")
    more = (("seed=0",), ("seed=1", "task.num_sequences=20"), ("seed=2", "budget.max_steps=17"))
    specs = [tiny(GPU, f"host.compile={mode}", *one) for one in more]
    assert execute_together(specs, together) == {}
    for spec in specs:
        execute(spec, alone)
        assert losses(together, spec) == pytest.approx(losses(alone, spec), rel=1e-2)


@pytest.mark.parametrize(
    ("mode", "overrides"),
    [
        ("default", ()),
        ("reduce-overhead", ()),
        ("auto", ()),
        ("blocks", ()),
        ("graph", ()),
        ("graph", ("optim=muon",)),
        ("graph", ("optim=soap",)),
        ("graph", ("control=[goldfish,label_smoothing,gradient_noise]",)),
    ],
)
def test_a_compiled_run_agrees_with_a_plain_one(
    tiny: MakeSpec, tmp_path: Path, mode: str, overrides: tuple[str, ...]
) -> None:
    plain, compiled = (tiny(GPU, f"host.compile={x}", *overrides) for x in ("null", mode))
    agree(plain, compiled, tmp_path, 1e-2)


@pytest.mark.parametrize(
    "how", ["attention=flash", "attention=efficient", "attention=cudnn", "accumulate_above_gib=0"]
)
def test_kernels_of_attention_and_micro_batches_change_last_digits(
    tiny: MakeSpec, tmp_path: Path, how: str
) -> None:
    more = (GPU, "precision=bf16_mixed", "size.width=16")
    agree(*(tiny(*more, f"host.{chosen}") for chosen in ("compile=null", how)), tmp_path, 1e-2)


def test_stopped_where_its_steps_are_recorded_it_goes_on(tiny: MakeSpec, tmp_path: Path) -> None:
    whole, halted = Store(tmp_path / "whole"), Store(tmp_path / "halted")
    specs = [tiny(GPU, "host.compile=graph", f"seed={seed}") for seed in (0, 1)]
    assert execute_together(specs, whole) == {}
    with pytest.raises(Interrupted):
        execute_together(specs, halted, stop=After(27))
    execute(specs[0], halted)
    assert execute_together(specs[1:], halted) == {}
    for spec in specs:
        assert losses(halted, spec) == pytest.approx(losses(whole, spec), rel=1e-2)


@pytest.mark.parametrize("mode", ["null", "graph"])
def test_a_finish_gains_what_it_gains_on_a_cpu(tiny: MakeSpec, tmp_path: Path, mode: str) -> None:
    """Alone, and as a stack that is stopped on the way; recorded as a graph too."""
    finish = ("budget/finish=lbfgs", "budget.finish.max_evaluations=40")
    on_cpu = execute(tiny(*finish), Store(tmp_path / "cpu")).training["finish"]
    more = (GPU, f"host.compile={mode}", *finish)
    alone = execute(tiny(*more), Store(tmp_path / "alone")).training["finish"]
    together = Store(tmp_path / "together")
    specs = [tiny(*more, f"seed={seed}") for seed in (0, 1)]
    with pytest.raises(Interrupted):
        execute_together(specs, together, stop=After(91))
    assert execute_together(specs, together) == {}
    stacked = together.run(specs[0].run_id).record().training["finish"]
    for one in (alone, stacked):
        assert one["memorised_bits_before"] == pytest.approx(
            on_cpu["memorised_bits_before"], rel=0.02
        )
        assert one["memorised_bits_after"] == pytest.approx(on_cpu["memorised_bits_after"], rel=0.1)


@pytest.mark.parametrize("limit", ["null", "0"])
@pytest.mark.parametrize("precision", ["fp32", "bf16_mixed"])
def test_peak_memory_is_foretold(
    tiny: MakeSpec, tmp_path: Path, precision: str, limit: str
) -> None:
    """Within 15 %: 124m reading 4 sequences of 1,024 tokens of GPT-2's alphabet."""
    spec = tiny(
        GPU, f"precision={precision}", f"host.recompute_above_gib={limit}", "size=124m",
        "task.length=1024", "task.vocab_size=50257", "task.num_heldout_sequences=1", "optim=adamw",
        "task.num_sequences=4", "budget.batch_size=4", "budget.max_steps=3",
    )  # fmt: skip
    store = Store(tmp_path)
    execute(spec, store)
    measured = store.run(spec.run_id).circumstances()["peak_memory_bytes"]
    assert math.isclose(Preflight().facts(spec).peak_bytes(1), measured, rel_tol=0.15)


def test_an_audit_finds_what_one_on_a_cpu_finds(tmp_path: Path) -> None:
    made = make_checkpoints(tmp_path, num=200, steps=100)
    on_cpu, on_gpu = (
        made.audit(made.trained, tmp_path / device, "--accelerator", device)
        for device in ("cpu", "gpu")
    )
    cpu, gpu = (pl.read_parquet(folder / SCORES) for folder in (on_cpu, on_gpu))
    for name in ("code_bits", "score.loss", "score.min_k_plus_plus"):
        assert gpu[name].to_list() == pytest.approx(cpu[name].to_list(), rel=1e-3, abs=1e-3)
