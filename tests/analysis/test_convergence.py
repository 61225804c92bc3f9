"""Convergence in words: how many runs, by which of two rules."""

import polars as pl

from rote.analysis.elements import converged_cell
from rote.analysis.frame import table_of
from rote.analysis.quantities.convergence import converged, num_converged, standing
from rote.ledger.record import Record

GROWTH = {"steps": 10, "converged": True, "growth_bits_per_1000_steps": 0.1}
FINISH = {"method": "lbfgs", "evaluations": 300, "ended_by": "predicted gain"}


def table(*trainings: dict) -> pl.DataFrame:
    return table_of(
        [
            Record(
                run_id=f"{index:016x}", what={}, parameters=1, embedding_parameters=1,
                entropy_bits=1.0, entropy_after_first_token_bits=1.0, training=training,
                measures={},
            )
            for index, training in enumerate(trainings)
        ]
    )  # fmt: skip


def test_a_finish_is_columns_of_the_table_and_null_without_one() -> None:
    runs = table(GROWTH, {**GROWTH, "finish": FINISH}, {**GROWTH, "finish": None})
    assert runs["training.finish.evaluations"].to_list() == [None, 300, None]
    assert runs["training.finish.ended_by"].to_list() == [None, "predicted gain", None]


def test_one_rule_is_named_once_and_two_are_counted_apart() -> None:
    growth = [GROWTH, GROWTH, GROWTH | {"converged": False}]
    assert converged(table(*growth)) == "2 of 3 runs converged, judged by growth per 1,000 steps"
    stopped = {**GROWTH, "converged": False, "finish": FINISH | {"ended_by": "evaluations"}}
    finished = [{**GROWTH, "finish": FINISH}, stopped]
    both = table(*growth, *finished)
    assert num_converged(both) == 3
    assert converged(both) == (
        "3 of 5 runs converged: 2 of 3 judged by growth per 1,000 steps; "
        "1 of 2 judged by the gain that the full-batch finish predicts"
    )
    assert converged(table(*finished)).startswith("1 of 2 runs converged, judged by the gain")


def test_a_row_names_its_rule_and_what_ended_its_finish() -> None:
    rows = table(
        GROWTH, {**GROWTH, "converged": False, "finish": FINISH | {"ended_by": "line search"}}
    ).rows(named=True)
    assert [standing(row) for row in rows] == [("yes", "growth"), ("no", "finish: line search")]
    assert converged_cell(rows[0]) == '<td class="text">yes<small>growth</small></td>'
    assert 'class="text bound">no<small>finish: line search<' in converged_cell(rows[1])
