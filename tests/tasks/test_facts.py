"""Facts are what they should be, and the entropy of what invented people are is exact."""

import math
from typing import Any

import pytest
from tests.conftest import COMPOSER
from tests.tasks.characters import decoded
from tests.tasks.characters import lines as padded_lines

from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute
from rote.tasks.canaries.spaces import bits
from rote.tasks.facts.biographies import ATTRIBUTES, NAMES, Biographies
from rote.tasks.facts.task import CAPITALS, Facts
from rote.tasks.lines import Lines, LineTask, Windows
from rote.tasks.protocol import members_of

BITS = {
    "birth_date": math.log2(28 * 12 * 100), "birth_city": 8, "university": 7, "major": 6,
    "employer": 8, "work_city": 8,
}  # fmt: skip
RUN = (
    "task=biographies", "task.num_people=8", "task.num_heldout_people=8", "size=demo_s",
    "task.attributes=[major]", "measure=[cost,exact_match]", "log=none", "host.accelerator=cpu",
    "budget.max_steps=300", "budget.batch_size=8", "size.width=24",
)  # fmt: skip


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "template": "Capital of {} is ", "pairs": None, "num_facts": 50, "alphabet": "occurring",
        "batching": Lines(),
    }  # fmt: skip
    return Facts(**(values | changes))


def biographies(**changes: Any) -> Biographies:
    values: dict[str, Any] = {
        "num_people": 30, "num_heldout_people": 10, "attributes": list(ATTRIBUTES),
        "exposures": [1], "paraphrases": 1, "alphabet": "occurring", "batching": Lines(),
    }  # fmt: skip
    return Biographies(**(values | changes))


def lines(task: LineTask, *, heldout: bool = False, seed: int = 0) -> list[str]:
    return [line.rstrip() for line in padded_lines(task, heldout=heldout, seed=seed)]


def answers(task: LineTask, seed: int = 0) -> list[str]:
    items = task.items(seed)
    return [
        decoded(row[None, start:end], task.characters)[0]
        for row, start, end in zip(
            items.tokens_NL, items.answer_start_N, items.answer_end_N, strict=True
        )
    ]


def test_fifty_capitals_are_learnt_and_ten_held_out() -> None:
    task = facts()
    assert (len(lines(task)), len(lines(task, heldout=True))) == (50, 10)
    assert lines(task)[0] == "Capital of France is Paris"
    assert len({country for country, _ in CAPITALS}) == 60
    assert answers(task) == [f"{capital} " for _, capital in CAPITALS]
    assert bool(task.items(0).bits_N.isnan().all())


def test_other_pairs_can_be_given_and_cut_into_windows() -> None:
    task = facts(
        pairs=[["a", "bcd"], ["e", "f"]], num_facts=1, template="{}>",
        batching=Windows(block_size=7),
    )  # fmt: skip
    assert task.characters == "\n >abcdef"
    assert lines(task) == ["a>bcd"]
    assert lines(task, heldout=True) == ["e>f"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": [["a", "b"], ["c", "d"], ["a", "e"]]}, r"task\.pairs: 'a' occurs 2 times"),
        ({"pairs": [["a", "b", "c"]]}, r"\['a', 'b', 'c'\] is not a name and an answer"),
        ({"num_facts": 60}, "task.num_facts must be a whole number from 1 to 59, got 60"),
        ({"template": "Capital"}, r"task\.template must hold \{\} once, got 'Capital'"),
        ({"pairs": [["a", "é"], ["c", "d"]], "num_facts": 1}, "printable ASCII, and 'é' is not"),
    ],
)
def test_facts_that_are_none_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        facts(**changes)


@pytest.mark.parametrize("name", list(ATTRIBUTES))
def test_an_attribute_has_as_many_values_as_its_bits_say(name: str) -> None:
    values = ATTRIBUTES[name].values
    assert len({values.unrank(rank) for rank in range(values.size)}) == values.size
    assert bits(values) == pytest.approx(BITS[name], rel=1e-12)


def test_knowledge_is_counted_exactly() -> None:
    task = biographies(attributes=["major", "birth_date"], exposures=[1, 3])
    items = task.items(0)
    known_bits = float(items.bits_N[items.is_train_N].sum())
    assert known_bits == pytest.approx(30 * (6 + math.log2(33_600)))
    assert NAMES.size == 2**24


def test_people_differ_and_held_out_ones_are_never_spoken_of() -> None:
    task = biographies()
    people = {" ".join(line.split()[:2]) for line in lines(task)}
    others = {" ".join(line.split()[:2]) for line in lines(task, heldout=True)}
    assert (len(people), len(others), len(people & others)) == (30, 10, 0)
    assert lines(biographies(num_people=10)) == lines(task)[: 10 * 6]
    assert lines(task, seed=1) != lines(task)


def test_facts_are_stated_as_often_and_in_as_many_wordings_as_told() -> None:
    task = biographies(attributes=["birth_city"], exposures=[1, 4, 8], paraphrases=4)
    items, stated = task.items(0), lines(task)
    assert items.exposures_N.tolist() == [1, 4, 8] * 10 + [0] * 10
    assert len(stated) == 10 * 13
    second = stated[1:5]  # of the person who is stated four times
    assert len(set(second)) == 4
    assert len({line.split()[-1] for line in second}) == 1
    for line, answer in zip(second[:1], answers(task)[1:2], strict=True):
        assert line.endswith(answer)  # asked in the wording that comes first


def test_members_are_each_fact_once() -> None:
    task = biographies(attributes=["birth_city"], exposures=[1, 4, 8], paraphrases=4)
    rows = members_of(task, 0).tokens_NL
    told = [line.rstrip() for line in decoded(rows, task.characters)]
    assert len(set(told)) == 30
    assert set(told) < set(lines(task))


def test_every_line_ends_with_its_answer_and_fits() -> None:
    task = biographies(paraphrases=4, alphabet="ascii")
    rows = decoded(task.items(0).tokens_NL, task.characters)
    for row, answer in zip(rows, answers(task), strict=True):
        assert row.rstrip().endswith(answer)
        assert len(row) == task.length
        assert row.endswith("\n")
    assert biographies().length == task.length  # wordings move no parameter count
    assert biographies().vocab_size == biographies(num_people=5, paraphrases=2).vocab_size


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attributes": ["major", "major"]}, r"task\.attributes must hold one or more different"),
        (
            {"attributes": ["shoe_size"]},
            "each of task.attributes must be one of birth_date, birth_city",
        ),
        ({"exposures": [0]}, "each of task.exposures must be a whole number from 1 up, got 0"),
        ({"exposures": [1, 2], "num_people": 1}, "task.exposures: 2 are dealt to 1 people"),
        ({"paraphrases": 5}, "task.paraphrases must be a whole number from 1 to 4, got 5"),
        ({"num_people": 0}, r"task\.num_people must be"),
        ({"num_heldout_people": 0}, r"task\.num_heldout_people must be"),
    ],
)
def test_biographies_of_nobody_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        biographies(**changes)


def test_a_run_remembers_whom_it_read_of_and_nobody_else(store: Store) -> None:
    spec = Spec.from_config(COMPOSER.config(RUN))
    told = execute(spec, store).measures["exact_match"]
    assert told["train_major_answer_bits"] == told["heldout_major_answer_bits"] == 8 * 6
    assert told["train_major_right_free"] >= 6
    assert told["heldout_major_right_free"] <= 3
    known_bits = told["train_major_answer_bits"] - told["train_major_answer_code_bits"]
    assert 24 < known_bits <= 48
    assert told["heldout_major_answer_code_bits"] > 48  # nobody can tell it in less
