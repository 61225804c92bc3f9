"""Stored membership scores against sums by hand, and a real run that remembers its members."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import MakeSpec
from tests.measures.known import CPU, Fixed
from tests.tasks.bytetext import ByteText
from torch import nn

from rote.analysis.quantities.membership import membership_quality
from rote.ledger.store import Store
from rote.measures.membership import Membership
from rote.run.execute import execute
from rote.tasks.canaries.task import Canaries
from rote.tasks.uniform import Uniform

V, L = 128, 20


def numbers(cls: type[Uniform] = Uniform) -> Uniform:
    return cls(num_sequences=6, length=L, vocab_size=V, num_heldout_sequences=5)


def measured(task: Any, model: nn.Module, **settings: int) -> Any:
    return Membership(**({"num_sequences": 100, "k_percent": 20} | settings))(
        model, task, seed=3, device=CPU
    )


@pytest.fixture
def model() -> Fixed:
    return Fixed(np.random.default_rng(0).normal(size=V).tolist())


def log_p(model: Fixed) -> np.ndarray:
    return model.logits_V.double().log_softmax(0).numpy()


def test_scores_of_both_sides_are_those_of_sums_by_hand(model: Fixed) -> None:
    task = numbers()
    measurement = measured(task, model)
    assert measurement.totals == {"members": 6, "nonmembers": 5}
    log_V = log_p(model)
    mean = (np.exp(log_V) * log_V).sum()
    spread = np.sqrt((np.exp(log_V) * log_V**2).sum() - mean**2)
    halves = [(task.train(3), 6), (task.heldout(3), 5)]
    every = np.concatenate([half.tokens(torch.arange(number)).numpy() for half, number in halves])
    for side, sequences in (("member", task.train(3)), ("nonmember", task.heldout(3))):
        tokens = sequences.tokens(torch.arange(sequences.num_sequences)).numpy()
        lowest = np.sort(log_V[tokens], axis=1)[:, :4].mean(axis=1)
        arrays = measurement.arrays
        assert arrays[f"{side}_loss"] == pytest.approx(log_V[tokens].mean(axis=1), rel=1e-5)
        assert arrays[f"{side}_min_k"] == pytest.approx(lowest, rel=1e-5)
        standard = (lowest - mean) / spread
        assert arrays[f"{side}_min_k_plus_plus"] == pytest.approx(standard, rel=1e-5)
        counts = np.bincount(every.ravel(), minlength=V)
        for row, score in zip(tokens, arrays[f"{side}_dc_pdd"], strict=True):
            elsewhere = counts - np.bincount(row, minlength=V) + 1
            weighted_V = np.exp(log_V) * -np.log(elsewhere / elsewhere.sum())
            assert score == pytest.approx(np.minimum(weighted_V[np.unique(row)], 0.01).mean())
    wanted = {"loss", "min_k", "min_k_plus_plus", "dc_pdd"}
    assert {name.split("_", 1)[1] for name in arrays} == wanted


def test_text_has_scores_of_the_text_itself(model: Fixed) -> None:
    task = numbers(ByteText)
    arrays = measured(task, model).arrays
    log_V = log_p(model)
    tokens = task.train(3).tokens(torch.arange(6)).numpy()
    texts = task.decode(tokens)
    sizes = [len(zlib.compress(text.encode())) for text in texts]
    assert arrays["member_zlib"] == pytest.approx(log_V[tokens].mean(axis=1) / sizes, rel=1e-5)
    lowered = np.array([task.encode(text.lower()) for text in texts])
    ratio = log_V[lowered].mean(axis=1) / log_V[tokens].mean(axis=1)
    assert arrays["member_lowercase"] == pytest.approx(ratio, rel=1e-5)


def test_canaries_are_no_members_and_lend_their_base_as_text(model: Fixed) -> None:
    base = numbers(ByteText)
    task = Canaries(
        base=base, kinds=["tokens"], secret_length=2, repeats=[3], num_each=2, num_controls=1
    )
    alone, planted = measured(base, model), measured(task, model)
    assert planted.totals == alone.totals
    for name, values in alone.arrays.items():
        np.testing.assert_array_equal(planted.arrays[name], values)


def test_what_is_only_read_has_no_part_in_a_score(model: Fixed) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Prompted(Uniform):
        scored_from: int = 15

    task = numbers(Prompted)
    tokens = task.train(3).tokens(torch.arange(6)).numpy()[:, 15:]
    arrays = measured(task, model).arrays
    assert arrays["member_loss"] == pytest.approx(log_p(model)[tokens].mean(axis=1), rel=1e-5)
    lowest = log_p(model)[tokens].min(axis=1)  # 20 % of five tokens
    assert arrays["member_min_k"] == pytest.approx(lowest, rel=1e-5)


def test_a_part_is_the_first_of_each_side_and_batches_change_nothing(
    model: Fixed, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measured(numbers(), model).arrays
    monkeypatch.setattr("rote.measures.cost.CPU_LOGITS_PER_BATCH", 2 * L * V)
    part = measured(numbers(), model, num_sequences=5)
    assert part.totals == {"members": 5, "nonmembers": 5}
    for name, values in part.arrays.items():
        if not name.endswith("dc_pdd"):  # its frequencies are those of all that is scored
            assert values.tolist() == whole[name][:5].tolist()


@pytest.mark.parametrize("wrong", [{"num_sequences": 0}, {"k_percent": 101}, {"k_percent": 0.2}])
def test_settings_that_score_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"measure\.membership\.{next(iter(wrong))} must be"):
        measured(numbers(), Fixed([0.0] * V), **wrong)


def test_a_run_tells_what_it_was_trained_on(tiny: MakeSpec, store: Store) -> None:
    spec = tiny(
        "measure=[cost,membership]", "task.num_heldout_sequences=12", "budget.max_steps=300",
        "optim.optimiser.lr=1e-2",
    )  # fmt: skip
    record = execute(spec, store)
    assert record.measures["membership"] == {"members": 12, "nonmembers": 12}
    arrays = store.run(spec.run_id).arrays()
    told = {
        score: (arrays[f"membership.member_{score}"], arrays[f"membership.nonmember_{score}"])
        for score in ("loss", "min_k", "min_k_plus_plus")
    }
    assert membership_quality(*told["loss"], num_resamples=10).auroc.value == 1.0
    assert all(members.min() > others.mean() for members, others in told.values())
    code_bits = arrays["cost.train_code_bits"] / 8
    assert told["loss"][0] * np.log2(np.e) == pytest.approx(-code_bits, rel=1e-4)
