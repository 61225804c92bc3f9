"""Arithmetic has the printed problems, its answers are right, and splits hold out what they say."""

import re
from typing import Any

import pytest
from tests.conftest import COMPOSER
from tests.tasks.characters import decoded, lines

from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute
from rote.tasks.arithmetic.splits import Length, Operand, Original, Randomly
from rote.tasks.arithmetic.task import Arithmetic
from rote.tasks.lines import ASCII, Lines, Windows

LINE = re.compile(r"<(\d+)([-+*])(\d+)=(-?\d+)>( *)\n")
RUN = (
    "task=arithmetic", "model=nanogpt", "size=n14", "measure=[cost,exact_match]", "log=none",
    "budget.max_steps=200", "budget.batch_size=64", "host.accelerator=cpu",
)  # fmt: skip


def arithmetic(**changes: Any) -> Arithmetic:
    values: dict[str, Any] = {
        "operations": ["add", "subtract"], "least_operand": 0, "largest_operand": 9,
        "modulus": None, "split": Original(), "alphabet": "occurring", "batching": Lines(),
    }  # fmt: skip
    return Arithmetic(**(values | changes))


def operands(line: str) -> tuple[int, str, int]:
    first, sign, second, *_ = LINE.fullmatch(line).groups()  # type: ignore[union-attr]
    return int(first), sign, int(second)


def test_the_original_has_its_printed_problems_and_seventeen_characters() -> None:
    task = arithmetic()
    assert (len(lines(task)), task.length, task.vocab_size) == (196, 9, 17)
    assert task.characters == "\n +-0123456789<=>"
    assert lines(task, heldout=True) == ["<5+7=12>\n", "<7+5=12>\n", "<5-7=-2>\n", "<7-5=2> \n"]
    assert len(set(lines(task) + lines(task, heldout=True))) == 200


@pytest.mark.parametrize("modulus", [None, 7])
def test_every_answer_is_right(modulus: int | None) -> None:
    task = arithmetic(
        operations=["multiply", "add", "subtract"], largest_operand=12, modulus=modulus
    )
    everything = lines(task) + lines(task, heldout=True)
    assert len(everything) == 3 * 13 * 13
    for line in everything:
        first, sign, second = operands(line)
        result = {"+": first + second, "-": first - second, "*": first * second}[sign]
        assert int(LINE.fullmatch(line)[4]) == (result if modulus is None else result % modulus)  # type: ignore[index]
        assert len(line) == task.length


def test_items_are_all_problems_with_their_answers() -> None:
    task = arithmetic(batching=Windows(block_size=12))
    items = task.items(3)
    assert items.groups == ("add", "subtract")
    assert items.group_N.bincount().tolist() == [100, 100]
    assert (int(items.is_train_N.sum()), items.tokens_NL.shape) == (196, (200, 12))
    row, start, end = (x[57] for x in (items.tokens_NL, items.answer_start_N, items.answer_end_N))
    assert decoded(row[None], task.characters) == ["<5+7=12>\n\n\n\n"]
    assert decoded(row[None, start:end], task.characters) == ["12>"]
    assert not items.is_train_N[57]


def test_windows_are_all_stretches_of_the_text() -> None:
    task = arithmetic(batching=Windows(block_size=9))
    windows = lines(task, seed=5)
    assert len(windows) == 196 * 9 - 9 + 1
    text = windows[0] + "".join(window[-1] for window in windows[1:])
    assert sorted(text.splitlines(keepends=True)) == sorted(lines(arithmetic()))
    assert [text[start : start + 9] for start in range(len(windows))] == windows
    assert windows != lines(task, seed=6)  # lines in another order
    assert "<5+7" not in text


def test_a_random_split_holds_out_pairs_in_both_orders_and_all_operations() -> None:
    task = arithmetic(split=Randomly(fraction=0.1, by="pair", seed=1))
    sides = [
        {tuple(sorted((first, second))) for first, _, second in map(operands, side)}
        for side in (lines(task), lines(task, heldout=True))
    ]
    assert not sides[0] & sides[1]
    assert (len(sides[0]), len(sides[1])) == (49, 6)  # of 55 pairs
    other = arithmetic(split=Randomly(fraction=0.1, by="pair", seed=2))
    assert lines(other, heldout=True) != lines(task, heldout=True)
    assert lines(task, heldout=True, seed=9) == lines(task, heldout=True)


def test_single_problems_can_be_held_out() -> None:
    task = arithmetic(split=Randomly(fraction=0.25, by="problem", seed=0))
    assert (len(lines(task)), len(lines(task, heldout=True))) == (150, 50)


@pytest.mark.parametrize(
    ("operand", "number"), [("first", 2 * 10 * 91), ("either", 2 * (91**2 - 81**2))]
)
def test_an_operand_split_never_shows_a_digit_in_its_place(operand: str, number: int) -> None:
    split = Operand(digit=7, place=1, operand=operand)
    task = arithmetic(least_operand=10, largest_operand=100, split=split)
    for line in lines(task):
        first, _, second = operands(line)
        assert first // 10 != 7
        assert operand == "first" or second // 10 != 7
    assert len(lines(task, heldout=True)) == number


def test_a_place_that_an_operand_lacks_holds_no_digit() -> None:
    split = Operand(digit=0, place=1, operand="either")
    with pytest.raises(ValueError, match="holds out none of the 242 problems"):
        arithmetic(largest_operand=10, split=split)


def test_a_length_split_trains_on_short_operands() -> None:
    task = arithmetic(largest_operand=12, split=Length(trained_digits=1))
    assert len(lines(task)) == 200
    assert all(max(operands(line)[::2]) > 9 for line in lines(task, heldout=True))


def test_the_large_alphabet_is_that_of_any_task() -> None:
    task = arithmetic(alphabet="ascii")
    assert (task.vocab_size, task.characters) == (96, ASCII)
    assert lines(task) == lines(arithmetic())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"largest_operand": 4}, "holds out none of the 50 problems"),
        (
            {"largest_operand": 0, "split": Operand(digit=0, place=0, operand="first")},
            "leaves nothing to train on: it holds out all 2 problems",
        ),
        ({"least_operand": 3, "largest_operand": 2}, "no problems: task.least_operand=3 is above"),
        ({"modulus": 1}, r"task\.modulus must be a whole number from 2 up, got 1"),
        ({"operations": []}, r"task\.operations must hold one or more different values, got \[\]"),
        ({"operations": ["divide"]}, "must be one of add, subtract, multiply, got 'divide'"),
        ({"largest_operand": 999}, "makes 2,000,000 problems, 262,144 at most"),
        ({"alphabet": "greek"}, r"task\.alphabet must be one of occurring, ascii, got"),
        ({"batching": Windows(block_size=8)}, "block_size=8 cuts every line: lines have 9"),
        ({"batching": Windows(block_size=40)}, "is more than the 36 characters of a split"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arithmetic(**changes)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Randomly, {"fraction": 1.0, "by": "pair", "seed": 0}, "task.split.fraction must be"),
        (Randomly, {"fraction": 0.1, "by": "line", "seed": 0}, "must be one of pair, problem"),
        (Operand, {"digit": 10, "place": 0, "operand": "first"}, "task.split.digit must be"),
        (Operand, {"digit": 1, "place": 0, "operand": "third"}, "first, second, either"),
        (Length, {"trained_digits": 0}, "task.split.trained_digits must be"),
    ],
)
def test_a_split_that_is_none_is_refused(kind: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**values)


def test_a_run_learns_problems_and_is_asked_all_of_them(store: Store) -> None:
    spec = Spec.from_config(COMPOSER.config([*RUN, "task/split=original"]))
    told = execute(spec, store).measures["exact_match"]
    for group in ("add", "subtract"):
        assert (told[f"train_{group}_tried"], told[f"heldout_{group}_tried"]) == (98, 2)
        assert told[f"train_{group}_right_forced"] == told[f"train_{group}_right_free"]
        assert told[f"train_{group}_answer_code_bits"] < 98 * 6  # a guesser: 8 at the least
    arrays = store.run(spec.run_id).arrays()
    assert arrays["exact_match.groups"].tolist() == ["add", "subtract"]
    assert arrays["exact_match.right_free"].shape == (200,)
