"""Weights of finished runs: the same model comes back, or one line says why not."""

import shutil

import pytest
import torch

from rote.config.build import build
from rote.ledger.store import Store
from rote.measures.cost import sequence_code_bits
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.run.weights import load_trained
from tests.conftest import MakeSpec

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["fp32", "bf16_mixed", "bf16_true"])
def test_the_model_that_comes_back_needs_the_bits_of_the_record(
    tiny: MakeSpec, store: Store, precision: str
) -> None:
    spec = tiny(f"precision={precision}", "log.keep_weights=true")
    record = execute(spec, store)
    model, task, back = load_trained(store.run(record.run_id))
    assert back == spec
    with build(spec.what["precision"]).active("cpu"):
        bits, _ = sequence_code_bits(model, task.train(0), task, device=CPU)
    assert bits.sum() == record.measures["cost"]["train_code_bits"]
    assert not model.training


def test_stacked_runs_keep_each_its_own(tiny: MakeSpec, store: Store) -> None:
    specs = [tiny(f"seed={seed}", "log.keep_weights=true") for seed in (0, 1)]
    assert execute_together(specs, store) == {}
    for spec in specs:
        model, task, _ = load_trained(store.run(spec.run_id))
        bits, _ = sequence_code_bits(model, task.train(spec.what["seed"]), task, device=CPU)
        told = store.run(spec.run_id).record().measures["cost"]["train_code_bits"]
        assert bits.sum() == told


def test_whether_weights_are_kept_moves_no_run_id(tiny: MakeSpec) -> None:
    assert tiny("log.keep_weights=true").run_id == tiny().run_id
    with pytest.raises(ValueError, match=r"log.keep_weights must be true or false, got 1"):
        Preflight().facts(tiny("log.keep_weights=1"))


def test_what_is_missing_is_named(tiny: MakeSpec, store: Store) -> None:
    spec = tiny()
    folder = store.run(spec.run_id)
    with pytest.raises(ValueError, match=f"run {spec.run_id} is not done"):
        load_trained(folder)
    execute(spec, store)
    with pytest.raises(ValueError, match=r"kept no weights: .* with log.keep_weights=true"):
        load_trained(folder)
    folder.weights_path.write_bytes(b"\x10" * 40)
    with pytest.raises(ValueError, match=r"model.safetensors is damaged"):
        load_trained(folder)
    other = store.run("0" * 16)
    shutil.copytree(folder.path, other.path)
    with pytest.raises(ValueError, match=f"belongs to run {spec.run_id}"):
        load_trained(other)
