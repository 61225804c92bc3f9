"""Convergence in words: how many runs, by which of two rules."""

import polars as pl

from rote.analysis.quantities.convergence import converged, num_converged
from rote.analysis.results import table_of
from rote.analysis.runs_table import converged as cell
from rote.ledger.record import Record

GROWTH = {"steps": 10, "converged": True, "growth_bits_per_1000_steps": 0.1}
FINISH = {"method": "lbfgs", "evaluations": 300, "ended_by": "predicted gain"}


def table(*trainings: dict) -> pl.DataFrame:
    of_all = {"what": {}, "parameters": 1, "embedding_parameters": 1, "measures": {},
              "entropy_bits": 1.0, "entropy_after_first_token_bits": 1.0}  # fmt: skip
    return table_of(
        [
            Record(run_id=f"{index:016x}", training=training, **of_all)
            for index, training in enumerate(trainings)
        ]
    )


def test_one_rule_is_named_once_and_two_are_counted_apart() -> None:
    growth = [GROWTH, GROWTH, GROWTH | {"converged": False}]
    assert converged(table(*growth)) == "2 of 3 runs converged, judged by growth per 1,000 steps"
    stopped = {**GROWTH, "converged": False, "finish": FINISH | {"ended_by": "evaluations"}}
    finished = [{**GROWTH, "finish": FINISH}, stopped]
    both = table(*growth, *finished)
    assert both["training.finish.evaluations"].to_list() == [None] * 3 + [300] * 2
    assert num_converged(both) == 3
    assert converged(both) == (
        "3 of 5 runs converged: 2 of 3 judged by growth per 1,000 steps; "
        "1 of 2 judged by the gain that the full-batch finish predicts"
    )
    assert converged(table(*finished)).startswith("1 of 2 runs converged, judged by the gain")


def test_a_row_names_its_rule_and_what_ended_its_finish() -> None:
    ended = {**GROWTH, "converged": False, "finish": FINISH | {"ended_by": "line search"}}
    rows = table(GROWTH, ended).rows(named=True)
    assert [cell(row).line for row in rows] == ["yes (growth)", "no (finish: line search)"]
    assert [cell(row).is_warning for row in rows] == [False, True]
