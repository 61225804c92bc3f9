"""Loss, gradient and metric of whole training sets, against plain autograd."""

import copy
import math
from typing import Any

import pytest
import torch
from tests.conftest import COMPOSER, TINY, MakeSpec
from torch import Tensor, nn

from rote.config.build import build
from rote.ledger.spec import Spec
from rote.models.likelihood import token_nats
from rote.run.assembly import make_training_run
from rote.training.finish import evaluation
from rote.training.finish.evaluation import FullBatch, chunk_sequences, flat, put
from rote.training.finish.module import FinishModule
from rote.training.module import fit
from rote.training.training_run import CheckpointPolicy, Diverged, TrainingRun

CPU = torch.device("cpu")


def member_of(tiny: MakeSpec, *overrides: str) -> TrainingRun:
    spec = tiny("budget/finish=lbfgs", *overrides)
    member = make_training_run(
        spec,
        build(spec.what["task"]),
        on_row=lambda row: None,
        checkpointing=CheckpointPolicy(),
        resume=None,
    )
    torch.manual_seed(5)
    for weight in member.model.parameters():  # far from the start: every gradient differs
        weight.data += 0.3 * torch.randn_like(weight)
    return member


def whole(member: TrainingRun) -> Tensor:
    return member.sequences.tokens(torch.arange(member.sequences.num_sequences))


def plain(member: TrainingRun) -> tuple[float, Tensor]:
    """In float64 throughout."""
    model = copy.deepcopy(member.model).double()
    loss = token_nats(model, whole(member))[:, member.scored_from :].mean()
    return float(loss.detach()), torch.cat([g.flatten() for g in grads(loss, model)])


def grads(loss: Tensor, model: nn.Module) -> Any:
    return torch.autograd.grad(loss, list(model.parameters()))


@pytest.mark.parametrize("rows", [1, 5, 12, 99])
@pytest.mark.parametrize("is_prompted", [False, True])
def test_it_is_the_mean_over_all_that_is_scored(
    rows: int, is_prompted: bool, tiny: MakeSpec
) -> None:
    member = prompted() if is_prompted else member_of(tiny)
    full = FullBatch([member], CPU)
    full.rows = rows
    wanted_loss, wanted = plain(member)
    ((loss, gradient),) = full([flat(member.model)])
    assert loss == pytest.approx(wanted_loss, rel=1e-6)
    assert torch.allclose(gradient, wanted, rtol=1e-4, atol=1e-7)


def prompted() -> TrainingRun:
    """Nine inputs of random labels: the label alone is scored."""
    kept = [one for one in TINY if not one.startswith("task.")]
    labels = ["task=random_labels", "task.num_sequences=9", "task.num_heldout_sequences=4"]
    spec = Spec.from_config(COMPOSER.config([*kept, *labels, "budget/finish=lbfgs"]))
    return member_of(lambda *_: spec)


def test_members_of_a_stack_are_evaluated_as_if_alone(tiny: MakeSpec) -> None:
    members = [member_of(tiny, f"seed={seed}") for seed in range(3)]
    points = [flat(member.model) + 0.1 * seed for seed, member in enumerate(members)]
    together = FullBatch(members, CPU)(points)
    for member, point, (loss, gradient) in zip(members, points, together, strict=True):
        ((alone_loss, alone_gradient),) = FullBatch([member], CPU)([point])
        assert loss == pytest.approx(alone_loss, rel=1e-6)
        assert torch.allclose(gradient, alone_gradient, rtol=1e-3, atol=1e-6)


def test_the_metric_is_one_over_the_root_of_mean_squared_gradients(
    tiny: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = member_of(tiny)
    squares = []
    for row in whole(member):
        loss = token_nats(member.model, row[None]).mean()
        squares.append(torch.cat([g.flatten() for g in grads(loss, member.model)]).double() ** 2)
    mean = torch.stack(squares).mean(0)
    wanted = 1 / (mean + evaluation.FLOOR * mean.mean()).sqrt()
    parameters = len(mean)
    monkeypatch.setattr(evaluation, "OWN_GRADIENT_BYTES", 5 * 4 * parameters)  # 12 in 3 parts
    found = FullBatch([member], CPU).metric(0, flat(member.model))
    assert torch.allclose(found, wanted / wanted.mean(), rtol=1e-4)
    assert float(found.mean()) == pytest.approx(1)


def test_a_chunk_is_what_a_cache_holds_or_what_leaves_a_gpus_logits_whole() -> None:
    assert chunk_sequences(1000, 64, 2048, on_cpu=True) == (2 << 20) // (4 * 64 * 2048)
    assert chunk_sequences(8, 64, 2048, on_cpu=False) == (1 << 30) // (4 * 64 * 2048)
    assert chunk_sequences(5000, 64, 2048, on_cpu=False) == 5000
    assert chunk_sequences(1, 1 << 20, 50257, on_cpu=True) == 1


def test_parameters_come_back_from_a_vector(tiny: MakeSpec) -> None:
    model = member_of(tiny).model
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    put(model, 2 * flat(model))
    for name, one in model.named_parameters():
        assert torch.equal(one.detach(), 2 * before[name])


def test_weights_that_are_no_numbers_end_it_at_once(tiny: MakeSpec) -> None:
    member = member_of(tiny)
    next(member.model.parameters()).data.fill_(math.nan)
    ended: list[tuple[TrainingRun, Diverged | None]] = []
    finisher = FinishModule([member], lambda one, why: ended.append((one, why)), CPU)
    fit(finisher, accelerator="cpu", strategy="ddp")
    assert [one for one, _ in ended] == [member]
    assert "the loss is nan where the finish begins" in str(ended[0][1])
    assert member.progress.finish is not None and member.progress.finish.evaluations == 1
