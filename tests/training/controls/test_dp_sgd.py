"""Gradients of single sequences, their clipping and noise, and what Opacus says they cost."""

import copy
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from opacus.accountants import PRVAccountant, RDPAccountant
from tests.conftest import MakeSpec, Refuse
from torch import Tensor, nn
from torch.optim import SGD

from rote.ledger.store import Store
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.run.execute import execute
from rote.training.controls.dp_sgd import DPSGD, PrivateGradients, noise_multiplier, spent_epsilon
from rote.training.controls.goldfish import Goldfish
from rote.training.controls.label_smoothing import LabelSmoothing
from rote.training.data import PoissonOrder
from rote.training.functional import per_sample_gradients
from rote.training.objective import Objective

DP = DPSGD(epsilon=8.0, delta=1e-5, max_grad_norm=1.0, microbatch_size=4, accountant="rdp")
ALL = slice(None)
CPU = torch.device("cpu")


def model(dtype: torch.dtype = torch.float32) -> GPT:
    torch.manual_seed(0)
    return GPT(num_layers=2, width=8, num_heads=2, vocab_size=11, max_length=9).to(dtype)


def tokens(number: int = 6) -> Tensor:
    return torch.randint(11, (number, 9), generator=torch.Generator().manual_seed(1))


def maker(noise: float, max_grad_norm: float = 1e9, batch_size: int = 6) -> PrivateGradients:
    return PrivateGradients(
        settings=replace(DP, max_grad_norm=max_grad_norm),
        order=PoissonOrder(num_sequences=100, batch_size=batch_size, seed=5),
        noise_multiplier=noise,
        seed=5,
    )


@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        Objective(scored_from=3),
        Objective(losses=(LabelSmoothing(share=0.2),), weighers=(Goldfish(k=3, h=2),)),
    ],
)
def test_gradients_of_single_sequences_are_those_of_batches_of_one(objective: Objective) -> None:
    gradients, nats_B = per_sample_gradients(model(), tokens(), objective)
    for number, row_1L in enumerate(tokens().split(1)):
        alone = model()
        trained_1L, nats_1L = objective.of_tokens(alone, row_1L)
        trained_1L.mean().backward()
        torch.testing.assert_close(nats_B[number], nats_1L.mean())
        for name, weight in alone.named_parameters():
            torch.testing.assert_close(gradients[name][number], weight.grad, atol=1e-7, rtol=1e-4)


def test_without_noise_and_clipping_an_update_is_that_of_sgd() -> None:
    """Six sequences in microbatches of four."""
    private, plain = model(), model()
    loss = maker(noise=0.0)(private, tokens(), step=0, objective=Objective())
    SGD(private.parameters(), lr=0.5).step()
    expected = token_nats(plain, tokens()).mean()
    expected.backward()
    SGD(plain.parameters(), lr=0.5).step()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    for ours, theirs in zip(private.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_no_sequence_moves_the_sum_further_than_the_clipping_norm() -> None:
    """The expected batch size divides, whatever the true one is."""
    make = maker(noise=0.0, max_grad_norm=0.01, batch_size=50)
    for number in (1, 6):
        small = model()
        make(small, tokens(number), step=0, objective=Objective())
        norm = torch.cat([one.grad.flatten() for one in small.parameters()]).norm().item()
        assert norm <= number * 0.01 / 50 * 1.0001
        if number == 1:  # its gradient is far longer than 0.01
            assert norm == pytest.approx(0.01 / 50, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_noise_is_as_large_as_accounted_for_and_alone_where_nothing_is_read(
    dtype: torch.dtype,
) -> None:
    make = maker(noise=1.5, max_grad_norm=0.2, batch_size=6)
    wide = GPT(num_layers=1, width=64, num_heads=2, vocab_size=11, max_length=9).to(dtype)
    loss = make(wide, tokens(0), step=3, objective=Objective())
    assert loss.item() == 0.0
    noise = torch.cat([one.grad.float().flatten() for one in wide.parameters()])
    assert noise.std().item() == pytest.approx(1.5 * 0.2 / 6, rel=0.01)
    assert abs(noise.mean().item()) < 4 * 1.5 * 0.2 / 6 / math.sqrt(len(noise))
    again = copy.deepcopy(wide)
    make(again, tokens(0), step=3, objective=Objective())
    other = copy.deepcopy(wide)
    make(other, tokens(0), step=4, objective=Objective())
    assert torch.equal(wide.final_norm.bias.grad, again.final_norm.bias.grad)
    assert not torch.equal(wide.final_norm.bias.grad, other.final_norm.bias.grad)


@pytest.mark.parametrize(("name", "theirs"), [("rdp", RDPAccountant), ("prv", PRVAccountant)])
def test_epsilon_is_what_opacus_counts_step_by_step(name: str, theirs: type) -> None:
    counting = theirs()
    for _ in range(40):
        counting.step(noise_multiplier=1.3, sample_rate=0.05)
    expected = counting.get_epsilon(delta=1e-5)
    spent = partial(spent_epsilon, 1.3, 1e-5, sample_rate=0.05, accountant=name)
    assert spent(steps=40) == pytest.approx(expected)
    assert spent(steps=20) < expected


def test_the_noise_spends_the_budget_and_hardly_less() -> None:
    setting = {"sample_rate": 0.05, "steps": 300, "accountant": "rdp"}
    for epsilon in (0.5, 8.0):
        noise = noise_multiplier(epsilon, 1e-5, **setting)
        assert 0.98 * epsilon < spent_epsilon(noise, 1e-5, **setting) <= epsilon


def test_poisson_batches_have_the_rate_and_are_a_function_of_the_step() -> None:
    order = PoissonOrder(num_sequences=500, batch_size=20, seed=1)
    batches = list(order.read(range(400), share=ALL, device=CPU))
    sizes = torch.tensor([len(one) for one in batches], dtype=torch.float64)
    assert sizes.mean().item() == pytest.approx(20, abs=4 * (20 / 400) ** 0.5)
    assert sizes.var().item() == pytest.approx(20 * 0.96, rel=0.25)  # that of a binomial
    assert order.batches(range(400)) == pytest.approx(sizes.sum().item() / 20)
    again = list(order.read(range(7, 9), share=ALL, device=CPU))
    assert [one.tolist() for one in again] == [one.tolist() for one in batches[7:9]]
    assert all(len(set(one.tolist())) == len(one) for one in batches)
    counts = torch.bincount(torch.cat(batches), minlength=500).double()
    assert counts.var().item() == pytest.approx(400 * 0.04 * 0.96, rel=0.3)


def test_a_record_tells_what_was_spent(tiny: MakeSpec, store: Store) -> None:
    spec = tiny("control=[dp_sgd]", "control.dp_sgd.epsilon=3")
    record = execute(spec, store)
    facts = record.training
    assert facts["sample_rate"] == 4 / 12
    assert 2.9 < facts["epsilon"] <= 3
    counting = RDPAccountant()
    counting.history = [(facts["noise_multiplier"], facts["sample_rate"], facts["steps"])]
    assert facts["epsilon"] == pytest.approx(counting.get_epsilon(delta=facts["delta"]))
    rows = store.run(spec.run_id).curve()
    assert facts["tokens_seen"] == rows[-1]["tokens"] != 30 * 4 * 8
    assert all(0.5 * math.log(16) < row["loss_nats_per_token"] < 1.5 * math.log(16) for row in rows)


class WithBatchNorm(GPT):
    """Mixes the sequences of a batch."""

    def __init__(self, **size: int) -> None:
        super().__init__(**size)
        self.mixing = nn.BatchNorm1d(size["max_length"])

    def hidden(self, tokens_BL: Tensor) -> Tensor:
        return self.mixing(super().hidden(tokens_BL))


class WithChoice(GPT):
    """Computes what depends on the tokens' values."""

    def hidden(self, tokens_BL: Tensor) -> Tensor:
        return super().hidden(tokens_BL * (2 if tokens_BL.sum().item() > 3 else 1))


HERE = "model._target_=tests.training.controls.test_dp_sgd"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"{HERE}.WithBatchNorm", "control.dp_sgd: BatchNorm cannot support training"),
        (f"{HERE}.WithChoice", "control.dp_sgd: no gradients of single sequences from WithChoice"),
        ("control.dp_sgd.epsilon=1e-3", r"epsilon=0.001 is out of reach: 30 steps at .* 0.333"),
        ("control.dp_sgd.epsilon=0", "control.dp_sgd.epsilon must be a number above 0, got 0"),
        ("control.dp_sgd.epsilon=.inf", "control.dp_sgd.epsilon must be a number above 0"),
        ("control.dp_sgd.max_grad_norm=no", "dp_sgd.max_grad_norm must be a number above 0"),
        ("control.dp_sgd.delta=0.2", "delta=0.2 must be above 0 and below one over the 12"),
        ("control.dp_sgd.delta=0", "delta=0 must be above 0"),
        ("control.dp_sgd.accountant=gdp", "accountant='gdp': choose from .'rdp', 'prv'"),
        ("control.dp_sgd.microbatch_size=0", "microbatch_size must be a whole number from 1 up"),
        ("budget.max_steps=32", "2 steps of 4 between two looks at the loss may read nothing"),
        ("host.compile=default", r"control.dp_sgd does not go with host.compile"),
    ],
)
def test_what_cannot_be_private_is_refused_at_plan_time(
    refuse: Refuse, override: str, message: str
) -> None:
    refuse(message, "control=[dp_sgd]", override)
