"""Training in few bits: what is trained in is what is measured, alone, stacked and resumed."""

import math
from pathlib import Path

import pytest
import torch
from tests.conftest import After, MakeSpec, Refuse, losses
from torch import Tensor, nn

from rote.config.build import build
from rote.ledger.store import Store
from rote.measures.cost import sequence_code_bits
from rote.models.count import embedding_parameters
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.models.quantise import Ternary, matrices, rounded_weights, stored_bits
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.run.weights import load_trained
from rote.training.quantisation_aware import QuantisationAware
from rote.training.training_run import Interrupted

CPU = torch.device("cpu")
FORMATS = ["qat_int8", "qat_int4", "qat_ternary"]
TERNARY = QuantisationAware(
    name="qat", weights="float32", autocast=None, matmul="highest", format=Ternary()
)


def gpt() -> GPT:
    torch.manual_seed(0)
    return GPT(num_layers=1, width=8, num_heads=2, vocab_size=16, max_length=8)


def tokens() -> Tensor:
    return torch.randint(16, (4, 8), generator=torch.Generator().manual_seed(0))


def test_the_forward_pass_sees_rounded_matrices_and_plain_vectors() -> None:
    model, trained = gpt(), TERNARY.trainable(gpt())
    with torch.no_grad():
        for name, weight in rounded_weights(model, Ternary()).items():
            model.get_parameter(name).copy_(weight)
    assert torch.equal(trained(tokens()), model(tokens()))


def test_gradients_go_straight_through_to_the_master_weights() -> None:
    """Those of the rounded model, at the same names' originals."""
    trained, plain = TERNARY.trainable(gpt()), gpt()
    with torch.no_grad():
        for name, weight in rounded_weights(plain, Ternary()).items():
            plain.get_parameter(name).copy_(weight)
    for model in (trained, plain):
        token_nats(model, tokens()).mean().backward()
    gradients = {name: one.grad for name, one in trained.named_parameters()}
    for name, weight in plain.named_parameters():
        path, _, own = name.rpartition(".")
        gradient = gradients[f"{path}.parametrizations.{own}.original" if weight.ndim > 1 else name]
        assert gradient is not None
        torch.testing.assert_close(gradient, weight.grad)


def test_a_settled_model_is_a_plain_one_of_rounded_weights() -> None:
    expected = rounded_weights(gpt(), Ternary())
    model = TERNARY.trainable(gpt())
    counted = embedding_parameters(model)
    TERNARY.settle(model)
    TERNARY.settle(model)  # as where measuring is tried again
    assert dict(model.named_parameters()).keys() == dict(gpt().named_parameters()).keys()
    assert all(torch.equal(model.get_parameter(name), one) for name, one in expected.items())
    assert counted == embedding_parameters(model) == (16 + 8) * 8
    assert TERNARY.facts(model) == {"stored_bits": stored_bits(gpt(), Ternary())}


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_trained_is_measured_recorded_and_kept(
    tiny: MakeSpec, store: Store, name: str
) -> None:
    spec = tiny(f"precision={name}", "log.keep_weights=true")
    record = execute(spec, store)
    model, task, _ = load_trained(store.run(record.run_id))
    bits_N, _ = sequence_code_bits(model, task.train(0), task, device=CPU)
    assert bits_N.sum() == record.measures["cost"]["train_code_bits"]
    form = build(spec.what["precision"]).format
    assert record.training["stored_bits"] == stored_bits(model, form)
    values = 3 if name == "qat_ternary" else 16 if name == "qat_int4" else 255
    for weight in matrices(model).values():
        most = weight.unique().numel() if name == "qat_ternary" else len(weight[0, :32].unique())
        assert most <= values
    first, *_, last = losses(store, spec)
    assert last < first


@pytest.mark.parametrize("name", ["qat_int4", "fp16_mixed"])
def test_runs_of_a_stack_have_the_records_of_runs_alone(
    tiny: MakeSpec, store: Store, tmp_path: Path, name: str
) -> None:
    specs = [
        tiny(f"precision={name}", f"seed={seed}", f"optim.optimiser.lr={rate}", "optim.clip_norm=1")
        for seed, rate in ((0, 1e-3), (1, 3e-3))
    ]
    assert execute_together(specs, store) == {}
    for spec in specs:
        alone = execute(spec, Store(tmp_path / "alone"))
        ours = store.run(spec.run_id).record().measures["cost"]
        # Rounding makes jumps of a last bit's difference; float16 has 11 bits.
        for total, value in alone.measures["cost"].items():
            assert math.isclose(ours[total], value, rel_tol=2e-3), total


@pytest.mark.parametrize("name", ["qat_ternary", "fp16_mixed"])
def test_an_interrupted_run_ends_as_one_that_was_not(
    tiny: MakeSpec, store: Store, tmp_path: Path, name: str
) -> None:
    spec = tiny(f"precision={name}")
    with pytest.raises(Interrupted):
        execute(spec, store, stop=After(15))
    assert execute(spec, store) == execute(spec, Store(tmp_path / "whole"))


def test_early_stopping_looks_at_rounded_weights_and_keeps_them(
    tiny: MakeSpec, store: Store
) -> None:
    spec = tiny(
        "precision=qat_ternary", "control=[early_stopping]", "log.keep_weights=true",
        "control.early_stopping.patience_looks=2", "task.num_heldout_sequences=8",
    )  # fmt: skip
    record = execute(spec, store)
    model, _, _ = load_trained(store.run(record.run_id))
    assert all(len(weight.unique()) <= 3 for weight in matrices(model).values())


def test_other_measures_and_decoding_take_the_settled_model(tiny: MakeSpec, store: Store) -> None:
    spec = tiny("precision=qat_int8", "measure=[cost,extraction,quantised]",
                "measure.extraction.prefix_tokens=[4]")  # fmt: skip
    record = execute(spec, store)
    bits = record.measures["quantised"]["train_code_bits_int8"]
    assert math.isclose(bits, record.measures["cost"]["train_code_bits"], rel_tol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["precision=qat_int4", "budget/finish=lbfgs"],
            "budget.finish needs precision=fp32, not qat_int4",
        ),
        (["precision=fp16_mixed", "budget/finish=lbfgs"], "budget.finish needs precision=fp32"),
        (
            ["precision=qat_int4", "host.strategy=fsdp"],
            "precision=qat_int4 does not go with host.strategy=fsdp",
        ),
        (
            ["precision=fp16_mixed", "control=[dp_sgd]"],
            "precision=fp16_mixed does not go with control.dp_sgd",
        ),
        (["precision=fp16_mixed", "precision.loss_scale=1000"], "must be a power of two, got 1000"),
        (["precision=qat_int4", "precision.format.bits=9"], "must be a whole number from 2 to 8"),
    ],
)
def test_what_a_format_cannot_do_is_refused_before_training(
    refuse: Refuse, settings: list[str], message: str
) -> None:
    refuse(message, *settings)


class Layer(nn.Module):
    """Not ours: any module with a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor([[3.0, -1.0], [0.1, 0.3]]))


def test_matrices_of_any_module_are_rounded() -> None:
    layer = TERNARY.trainable(Layer())
    assert layer.table.flatten().tolist() == pytest.approx([1.1, -1.1, 0.0, 0.0])


def test_the_memory_that_a_plan_foretells_holds_a_rounded_copy_of_the_weights(
    tiny: MakeSpec,
) -> None:
    plain, rounded = (
        Preflight().facts(tiny(f"precision={name}", "host.accelerator=gpu"))
        for name in ("fp32", "qat_int4")
    )
    assert rounded.peak_bytes(1) - plain.peak_bytes(1) == 4 * plain.parameters
