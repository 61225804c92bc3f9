"""A mixture holds its parts in the ratio asked for, each as it was, in one vocabulary."""

from typing import Any

import pytest
import torch
from tests.tasks.characters import decoded

from rote.tasks.arithmetic.splits import Original
from rote.tasks.arithmetic.task import Arithmetic
from rote.tasks.facts.task import Facts
from rote.tasks.lines import Lines
from rote.tasks.mixture import Mixture
from rote.tasks.random_labels import RandomLabels
from rote.tasks.uniform import Uniform

SUMS = Arithmetic(
    operations=["add", "subtract"], least_operand=0, largest_operand=9, modulus=None,
    split=Original(), alphabet="occurring", batching=Lines(),
)  # fmt: skip
FACTS = Facts(
    template="{} is ", pairs=[["A", "b"], ["C", "d"], ["E", "f"]], num_facts=2,
    alphabet="occurring", batching=Lines(),
)  # fmt: skip
LABELS = RandomLabels(
    inputs="random", random_fraction=1.0, num_sequences=10, num_heldout_sequences=5,
    num_classes=3, num_noise_symbols=4, input_length=8,
)  # fmt: skip


def uniform(number: int, **changes: int) -> Uniform:
    values = {"length": 4, "vocab_size": 8, "num_heldout_sequences": 5}
    return Uniform(num_sequences=number, **(values | changes))


def rows(sequences: Any) -> torch.Tensor:
    return sequences.tokens(torch.arange(sequences.num_sequences))


def test_parts_of_characters_keep_their_lines_in_the_alphabet_of_all() -> None:
    task = Mixture(parts={"sums": SUMS, "facts": FACTS}, ratio={"sums": 0.5, "facts": 0.5})
    characters = "".join(sorted({*SUMS.characters, *FACTS.characters}))
    assert (task.vocab_size, task.length) == (len(characters), 9)
    told = decoded(rows(task.train(0)), characters)
    assert told[:196] == decoded(rows(SUMS.train(0)), SUMS.characters)
    assert told[196:] == ["A is b \n\n", "C is d \n\n"] * 98
    assert decoded(rows(task.heldout(0)), characters)[4:] == ["E is f \n\n"] * 4


@pytest.mark.parametrize(
    ("shares", "counts"), [((0.5, 0.5), (100, 100)), ((0.25, 0.75), (100, 300)),
                           ((0.9, 0.1), (270, 30)), ((1 / 3, 2 / 3), (100, 200))],
)  # fmt: skip
def test_the_ratio_holds_and_every_sequence_occurs(
    shares: tuple[float, float], counts: tuple[int, int]
) -> None:
    parts = {"many": uniform(100), "few": uniform(30, length=3)}
    mixed = Mixture(parts=parts, ratio=dict(zip(parts, shares, strict=True))).train(0)
    assert mixed.counts == counts
    few = rows(mixed)[counts[0] :]
    assert bool((few[:, 3] == 0).all())  # padded
    assert len(few[:, :3].unique(dim=0)) == len(rows(parts["few"].train(0)).unique(dim=0))


def test_any_sequence_can_be_asked_for_in_any_order() -> None:
    parts = {"many": uniform(100), "few": uniform(30, length=3)}
    mixed = Mixture(parts=parts, ratio={"many": 0.5, "few": 0.5}).train(0)
    picked = torch.tensor([199, 0, 100, 100, 57])
    assert torch.equal(mixed.tokens(picked), rows(mixed)[picked])


def test_items_are_those_of_the_parts_under_their_names() -> None:
    parts = {"facts": FACTS, "sums": SUMS}
    task = Mixture(parts=parts, ratio={"sums": 0.5, "facts": 0.5})
    items, own = task.items(0), SUMS.items(0)
    assert items.groups == ("facts_fact", "sums_add", "sums_subtract")
    assert items.group_N.bincount().tolist() == [3, 100, 100]
    assert torch.equal(items.answer_start_N[3:], own.answer_start_N)
    assert torch.equal(items.exposures_N[3:], own.exposures_N)
    characters = "".join(sorted({*SUMS.characters, *FACTS.characters}))
    assert decoded(items.tokens_NL[3:], characters) == decoded(own.tokens_NL, SUMS.characters)


def test_what_is_not_scored_is_not_scored_in_a_mixture_either() -> None:
    task = Mixture(parts={"a": LABELS, "b": LABELS}, ratio={"a": 0.5, "b": 0.5})
    assert task.scored_from == 8
    assert Mixture(parts={"sums": SUMS}, ratio={"sums": 1}).scored_from == 0


@pytest.mark.parametrize(
    ("parts", "ratio", "message"),
    [
        ({"a": 10, "b": 20}, {"a": 0.5, "b": 0.4}, "task.ratio must sum to 1, and sums to 0.9"),
        ({"a": 10, "b": 20}, {"a": 1.0, "b": 0.0}, "task.ratio.b must be a number above 0"),
        ({"a": 10, "b": 20}, {"a": 1.0}, r"task.ratio has shares of \['a'\], task.parts are"),
        ({}, {}, "task.parts are"),
    ],
)
def test_ratios_that_are_none_are_refused(
    parts: dict[str, int], ratio: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Mixture(parts={name: uniform(number) for name, number in parts.items()}, ratio=ratio)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (uniform(10, vocab_size=9), "task.parts differ in vocab_size: a 8, b 9"),
        (SUMS, "task.parts differ in vocab_size: a 8, b 17"),
        (LABELS, "task.parts differ in scored_from: a 0, b 8"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(other: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mixture(parts={"a": uniform(10), "b": other}, ratio={"a": 0.5, "b": 0.5})


def test_a_mixture_without_items_says_so() -> None:
    task = Mixture(parts={"a": uniform(10)}, ratio={"a": 1.0})
    with pytest.raises(ValueError, match=r"none of task\.parts \['a'\] has items"):
        task.items(0)
