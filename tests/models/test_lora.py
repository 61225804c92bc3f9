"""Adapters train on a base that stays as it is, random or from a finished run, and count alone."""

from functools import partial
from pathlib import Path

import pytest
import torch
from tests.conftest import COMPOSER, TINY
from torch import Tensor, nn

from rote.config.data_resolver import DataResolver
from rote.core.progress import no_progress
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.measures.cost import sequence_code_bits
from rote.models.gpt import GPT
from rote.models.huggingface import save_gpt2
from rote.models.lora import lora
from rote.run.execute import execute, execute_together
from rote.run.preflight import Preflight
from rote.run.weights import load_trained
from rote.tasks.protocol import Task

SHAPE = {"num_layers": 2, "width": 12, "num_heads": 3}
SIZE = {"vocab_size": 17, "max_length": 9}
GIVEN = {
    "base": partial(GPT, **SHAPE), "rank": 2, "alpha": 4.0, "layers": None,
    "modules_to_save": [], "base_seed": 5,
    "base_run": None, "base_sha256": None, **SIZE,
}  # fmt: skip
OF_A_BLOCK = (12 + 36) + (12 + 12) + (12 + 48) + (48 + 12)  # inputs and outputs of its layers
ADAPTED = ("model=lora", "optim=adamw", "optim.optimiser.lr=0.01")
TOKENS = (17, 4, 9)  # V, B, L


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    return Store(tmp_path)


def spec_of(*overrides: str) -> Spec:
    return Spec.from_config(
        DataResolver(no_progress).resolved(COMPOSER.config([*TINY, *overrides]))
    )


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: one for name, one in model.named_parameters() if one.requires_grad}


def moved(weights: dict[str, Tensor], base: dict[str, Tensor]) -> set[str]:
    return {name for name, weight in base.items() if not torch.equal(weights[name], weight)}


def code_bits(model: nn.Module, task: Task) -> float:
    bits, _ = sequence_code_bits(model, task.train(0), task, device=torch.device("cpu"))
    return float(bits.sum())


def test_it_begins_as_the_base_that_its_seed_draws(tokens_BL: Tensor) -> None:
    torch.manual_seed(5)
    base = GPT(**SHAPE, **SIZE)
    for run_seed in (0, 1):
        torch.manual_seed(run_seed)
        torch.testing.assert_close(lora(**GIVEN)(tokens_BL), base(tokens_BL), atol=0, rtol=0)


def test_adapters_are_a_change_of_low_rank(tokens_BL: Tensor) -> None:
    model, merged = lora(**GIVEN), GPT(**SHAPE, **SIZE)
    for weight in trainable(model).values():
        weight.data.normal_()
    weights = model.state_dict()
    for name, wanted in merged.state_dict().items():
        stem = name.removesuffix("weight")
        wanted.copy_(weights[name])
        if f"{stem}adapter_in" in weights:
            change = weights[f"{stem}adapter_out"] @ weights[f"{stem}adapter_in"]
            assert torch.linalg.matrix_rank(change) == 2
            wanted.add_(4.0 / 2 * change)
    torch.testing.assert_close(model(tokens_BL), merged(tokens_BL), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("layers", "sizes"), [(None, OF_A_BLOCK), (["query_key_value"], 48), (["expand"], 60)]
)
def test_the_formula_counts_what_trains(layers: list[str] | None, sizes: int) -> None:
    model = lora(**GIVEN | {"layers": layers})
    assert sum(one.numel() for one in trainable(model).values()) == 2 * 2 * sizes
    assert all("adapter" in name for name in trainable(model))


@pytest.mark.parametrize(
    "finish", [(), ("budget/finish=lbfgs", "budget.finish.max_evaluations=20")], ids=len
)
def test_alone_and_in_a_stack_adapters_train_and_nothing_else(
    finish: tuple[str, ...], tmp_path: Path
) -> None:
    specs = [spec_of(*ADAPTED, f"seed={seed}", *finish, "log.keep_weights=true") for seed in (0, 1)]
    together, alone = Store(tmp_path / "together"), Store(tmp_path / "alone")
    assert execute_together(specs, together) == {}
    torch.manual_seed(0)
    base = GPT(num_layers=1, width=12, num_heads=1, vocab_size=16, max_length=8).state_dict()
    for spec in specs:
        record = execute(spec, alone)
        assert record.parameters == 4 * OF_A_BLOCK + 2 * 12  # rank 4, one block; the last norm
        assert record.embedding_parameters == 0
        total = 4 * OF_A_BLOCK + sum(one.numel() for one in base.values())
        assert record.training["total_parameters"] == total
        for folder in (alone.run(spec.run_id), together.run(spec.run_id)):
            weights = load_trained(folder).model.state_dict()
            assert moved(weights, base) == {"final_norm.weight", "final_norm.bias"}
            assert weights["blocks.0.expand.adapter_out"].abs().max() > 0
        other = together.run(spec.run_id).record()
        ours, theirs = (one.measures["cost"]["train_code_bits"] for one in (record, other))
        assert ours == pytest.approx(theirs, rel=1e-2 if finish else 1e-3)


def test_adapters_are_not_left_out_of_an_export(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"GPT-2 has no place for the weight .*adapter_in"):
        save_gpt2(lora(**GIVEN), tmp_path)


@pytest.mark.parametrize("optim", ["muon", "soap"])
def test_optimisers_that_part_matrices_from_the_rest_train_adapters(
    optim: str, tmp_path: Path
) -> None:
    spec = spec_of("model=lora", f"optim={optim}")
    record = execute(spec, Store(tmp_path))
    assert record.measures["cost"]["train_code_bits"] < record.entropy_bits


def test_gradients_of_single_sequences_are_of_adapters(tmp_path: Path) -> None:
    pytest.importorskip("opacus")
    spec = spec_of(*ADAPTED, "control=dp_sgd", "model.modules_to_save=[]", "log.keep_weights=true")
    Preflight().facts(spec)
    execute(spec, Store(tmp_path))
    weights = load_trained(Store(tmp_path).run(spec.run_id)).model.state_dict()
    torch.manual_seed(0)
    base = GPT(num_layers=1, width=12, num_heads=1, vocab_size=16, max_length=8).state_dict()
    assert moved(weights, base) == set()


def test_a_finished_run_is_begun_from(outputs: Store) -> None:
    first = spec_of("log.keep_weights=true")
    record = execute(first, outputs)
    chosen = (*ADAPTED, "model.base_seed=null", f"model.base_run={first.run_id}")
    spec = spec_of(*chosen, "budget.max_steps=10", "optim.optimiser.lr=0")
    assert len(spec.what["model"]["base_sha256"]) == 64
    facts = Preflight().facts(spec)
    assert facts.step.shape.frozen_parameters == record.parameters - 2 * 12
    begun = execute(spec, outputs)
    assert begun.measures["cost"] == pytest.approx(record.measures["cost"], rel=1e-6)
    model, task, _ = load_trained(outputs.run(first.run_id))
    assert code_bits(model, task) == record.measures["cost"]["train_code_bits"]


def test_the_digest_of_its_weights_moves_the_run_id(outputs: Store) -> None:
    first = spec_of("log.keep_weights=true")
    execute(first, outputs)
    chosen = (*ADAPTED, "model.base_seed=null", f"model.base_run={first.run_id}")
    spec = spec_of(*chosen)
    plain = {**spec.what, "model": {**spec.what["model"], "base_sha256": "0" * 64}}
    assert Spec(what=plain, how=spec.how).run_id != spec.run_id
    with pytest.raises(ValueError, match=r"its weights have changed: model.base_sha256=0000"):
        spec_of(*chosen, f"model.base_sha256={'0' * 64}")
    with outputs.run(first.run_id).weights_path.open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ValueError, match="SHA-256 differs"):
        spec_of(*chosen)
    with pytest.raises(ValueError, match=r"is not what model.base_sha256"):
        Preflight().facts(spec)


def test_a_run_that_is_missing_or_does_not_fit_is_refused(outputs: Store) -> None:
    chosen = (*ADAPTED, "model.base_seed=null")
    with pytest.raises(
        ValueError, match=r"model.base_run: run 0123456789abcdef is not done: there is no"
    ):
        spec_of(*chosen, "model.base_run=0123456789abcdef")
    bare = spec_of("seed=1")
    execute(bare, outputs)
    with pytest.raises(ValueError, match="kept no weights"):
        spec_of(*chosen, f"model.base_run={bare.run_id}")
    first = spec_of("log.keep_weights=true")
    execute(first, outputs)
    chosen = (*chosen, f"model.base_run={first.run_id}")
    with pytest.raises(ValueError, match=r"has num_heads=1, model.base has 2"):
        spec_of(*chosen, "size.num_heads=2")
    with pytest.raises(ValueError, match=r"has _target_=rote.models.gpt.GPT, model.base has"):
        spec_of(*chosen, "model@model.base=mlp_only")
    with pytest.raises(ValueError, match=r"position_embedding.weight is of shape \[8, 12\]"):
        Preflight().facts(spec_of(*chosen, "task.length=9"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rank": 0}, "model.rank must be a whole number from 1 up"),
        ({"alpha": 0.0}, "model.alpha"),
        ({"layers": ["query"]}, r"choose from the linear layers of GPT's blocks, \['contract'"),
        ({"modules_to_save": ["norm"]}, "GPT has no 'norm', choose from"),
        ({"layers": []}, "choose from the linear layers"),
        ({"base_run": "0123456789abcdef"}, "give one of model.base_seed and model.base_run"),
        ({"base_seed": None}, "give one of model.base_seed and model.base_run"),
        ({"base_seed": None, "base_run": "../x"}, "model.base_run must be a name without slashes"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        lora(**GIVEN | change)
    assert "\n" not in str(refusal.value)
