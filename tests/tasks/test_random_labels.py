"""Labels follow the rule or chance, as told, and their entropy is exact."""

import math
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from tests.conftest import COMPOSER

from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute
from rote.tasks.protocol import scored_from
from rote.tasks.random_labels import RandomLabels

NOISE, C, I = 6, 4, 10  # noqa: E741
RUN = (
    "task=random_labels", "task.num_classes=3", "task.num_sequences=600", "task.input_length=8",
    "task.num_heldout_sequences=200", "task.num_noise_symbols=3", "measure=[cost,exact_match]",
    "size=demo_s", "size.width=24", "log=none", "host.accelerator=cpu",
    "budget.batch_size=64", "budget.max_steps=400",
)  # fmt: skip


def labels(**changes: Any) -> RandomLabels:
    values: dict[str, Any] = {
        "inputs": "patterns", "random_fraction": 0.0, "num_sequences": 400,
        "num_heldout_sequences": 100, "num_classes": C, "num_noise_symbols": NOISE,
        "input_length": I,
    }  # fmt: skip
    return RandomLabels(**(values | changes))


def rows(task: RandomLabels, *, heldout: bool = False, seed: int = 0) -> torch.Tensor:
    return (task.heldout(seed) if heldout else task.train(seed)).tokens_NL


def by_rule(row: list[int]) -> int:
    """The label of the mark that stands there twice, by hand."""
    marks = [token for token in row[:-1] if NOISE <= token < NOISE + C]
    assert len(marks) == 3
    assert len(set(marks)) == 2
    return max(set(marks), key=marks.count) + C


@pytest.mark.parametrize("inputs", ["patterns", "shuffled"])
def test_true_labels_follow_the_rule(inputs: str) -> None:
    task = labels(inputs=inputs)
    for side in (rows(task), rows(task, heldout=True)):
        for row in side.tolist():
            assert row[-1] == by_rule(row)
        assert len(side.unique(dim=0)) > 0.9 * len(side)
    assert (task.vocab_size, task.length, scored_from(task)) == (NOISE + 2 * C, I + 1, I)


def test_shuffling_is_one_order_for_all() -> None:
    plain, other = rows(labels()), rows(labels(inputs="shuffled"))
    orders = [position for position in range(I) if torch.equal(plain[:, position], other[:, 0])]
    assert len(orders) == 1
    assert torch.equal(plain.sort(dim=1).values, other.sort(dim=1).values)
    assert not torch.equal(plain, other)


def test_random_inputs_tell_nothing_of_the_class() -> None:
    told = rows(labels(inputs="random", num_sequences=4000))
    assert torch.equal(told[:, -1], rows(labels(num_sequences=4000))[:, -1])
    for position in (0, I - 1):
        pairs = told[:, position] * C + told[:, -1] - NOISE - C
        counts = pairs.bincount(minlength=(NOISE + C) * C)
        assert chisquare(counts.numpy()).pvalue > 1e-4


def test_a_fraction_of_the_labels_is_drawn_and_the_inputs_stay() -> None:
    true, half, whole = (rows(labels(random_fraction=part)) for part in (0.0, 0.5, 1.0))
    assert torch.equal(true[:, :-1], whole[:, :-1])
    changed = [(one[:, -1] != true[:, -1]) for one in (half, whole)]
    assert bool((changed[1] | ~changed[0]).all())  # those of the half are among those of all
    assert float(changed[0].double().mean()) == pytest.approx(0.5 * (1 - 1 / C), abs=0.08)
    assert chisquare(whole[:, -1].bincount()[NOISE + C :].numpy()).pvalue > 1e-4
    held = rows(labels(random_fraction=1.0), heldout=True)
    assert torch.equal(held, rows(labels(), heldout=True))


@pytest.mark.parametrize(
    ("changes", "num_unruled"),
    [
        ({}, 0),
        ({"random_fraction": 0.25}, 100),
        ({"random_fraction": 1.0}, 400),
        ({"inputs": "random"}, 400),
    ],
)
def test_entropy_is_that_of_labels_which_no_rule_tells(
    changes: dict[str, Any], num_unruled: int
) -> None:
    task = labels(**changes)
    assert task.entropy_bits() == num_unruled * math.log2(C)
    assert task.entropy_bits(from_position=I) == num_unruled * math.log2(C)
    items = task.items(0)
    assert int(items.group_N[items.is_train_N].sum()) == num_unruled
    assert float(items.bits_N[items.is_train_N].sum()) == num_unruled * math.log2(C)
    assert items.bits_N.dtype == torch.float64
    assert (len(items.tokens_NL), int(items.is_train_N.sum())) == (500, 400)
    true = rows(labels(**(changes | {"random_fraction": 0.0})))
    by_rule_N = items.group_N[:400] == 0
    assert torch.equal(items.tokens_NL[:400][by_rule_N], true[by_rule_N])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": "images"}, "task.inputs must be one of patterns, shuffled, random"),
        ({"random_fraction": 1.5}, "task.random_fraction must be from 0 to 1, got 1.5"),
        ({"num_classes": 1}, "task.num_classes must be a whole number from 2 up, got 1"),
        ({"input_length": 2}, "task.input_length must be a whole number from 3 up, got 2"),
        ({"num_sequences": 0}, r"task\.num_sequences must be"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        labels(**changes)


def test_a_run_learns_the_rule_and_only_labels_are_counted(store: Store) -> None:
    record = execute(Spec.from_config(COMPOSER.config(RUN)), store)
    told = record.measures["exact_match"]
    assert (told["train_rule_tried"], told["train_drawn_tried"]) == (600, 0)
    assert told["heldout_rule_right_free"] > 0.7 * 200  # a guesser: 67
    cost = record.measures["cost"]
    assert (cost["train_tokens"], cost["heldout_tokens"]) == (600, 200)
    code_bits = told["train_rule_answer_code_bits"]
    assert cost["train_code_bits"] == pytest.approx(code_bits, rel=1e-5)
    assert "train_first_token_code_bits" not in cost
