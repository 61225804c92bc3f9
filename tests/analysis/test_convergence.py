"""Convergence in words; data bits over capacity, with the basis that each run allows."""

import polars as pl
import pytest

from rote.analysis.published import CapacityScale
from rote.analysis.quantities.convergence import (
    CODED,
    EXACT,
    GUESSED,
    converged,
    loss_quantities,
    num_converged,
    num_tested,
)
from rote.analysis.quantities.settings import with_series
from rote.analysis.results import table_of
from rote.analysis.runs_table import converged as cell
from rote.ledger.record import Record

GROWTH = {"steps": 10, "converged": True, "growth_bits_per_1000_steps": 0.1}
FINISH = {"method": "lbfgs", "evaluations": 300, "ended_by": "predicted gain"}


def table(*trainings: dict, max_growth: float = 0.01) -> pl.DataFrame:
    what = {"budget": {"saturation": {"max_growth_per_1000_steps": max_growth}}}
    of_all = {"what": what, "parameters": 1, "embedding_parameters": 1, "measures": {},
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


def test_runs_that_never_end_early_are_counted_apart() -> None:
    open_end = GROWTH | {"converged": False}
    alone = table(open_end, open_end, max_growth=0.0)
    assert converged(alone) == "2 runs of a set number of steps, not tested for convergence"
    assert (num_converged(alone), num_tested(alone)) == (0, 0)
    mixed = table({**GROWTH, "finish": FINISH}, open_end, max_growth=0.0)
    assert converged(mixed) == (
        "1 of 1 runs converged, judged by the gain that the full-batch finish predicts; "
        "1 more of a set number of steps"
    )
    assert (num_converged(mixed), num_tested(mixed)) == (1, 1)
    of_run = cell(alone.row(0, named=True))
    assert (of_run.line, of_run.is_warning) == ("not tested (set number of steps)", True)


def test_a_row_names_its_rule_and_what_ended_its_finish() -> None:
    ended = {**GROWTH, "converged": False, "finish": FINISH | {"ended_by": "line search"}}
    rows = table(GROWTH, ended).rows(named=True)
    assert [cell(row).line for row in rows] == ["yes (growth)", "no (finish: line search)"]
    assert [cell(row).is_warning for row in rows] == [False, True]


BASE = {
    "task._target_": "rote.tasks.text.task.Text", "task.corpus": "c", "task.num_sequences": 10,
    "task.pool": "train", "task.repeats": 2, "budget.max_steps": 100,
    "size.num_layers": 1, "size.width": 8, "precision.name": "fp32",
    "parameters": 100, "entropy_bits": None, "seed": 0, "oracle.reference_bits": None,
    "cost.train_code_bits": 50.0, "cost.train_tokens": 100,
    "cost.heldout_code_bits": 30.0, "cost.heldout_tokens": 10,
}  # fmt: skip
ALPHAS = {"fp32": CapacityScale(bits_per_parameter=2.0, source="planted")}


def runs(*changes: dict) -> pl.DataFrame:
    rows = [BASE | {"run_id": str(index)} | change for index, change in enumerate(changes)]
    return pl.DataFrame(rows, infer_schema_length=None)


def test_data_bits_are_the_best_that_is_known() -> None:
    uniform = {
        "task._target_": "rote.tasks.uniform.Uniform", "task.corpus": None, "entropy_bits": 400.0,
        "cost.heldout_code_bits": 0.0,
    }  # fmt: skip
    better = {"cost.heldout_code_bits": 20.0}
    made = loss_quantities(runs(uniform, {"oracle.reference_bits": 300.0}, better), ALPHAS)
    assert made["data_bits"].to_list() == [400, 300, 200]  # 100 tokens at 2 bits: the best run's
    assert made["data_bits_basis"].to_list() == [EXACT, CODED, GUESSED]
    assert made["data_per_capacity"].to_list() == pytest.approx([2, 1.5, 1])
    assert made["train_bits_per_token"][0] == 0.5


def test_what_varies_at_one_size_names_a_series_and_what_follows_from_it_does_not() -> None:
    table = runs(
        {"task.repeats": 2, "budget.max_steps": 100},
        {"task.repeats": 9, "budget.max_steps": 100},
        {"task.repeats": 2, "budget.max_steps": 100, "task.pool": "reference"},
        {"task.num_sequences": 20, "budget.max_steps": 200, "seed": 1},
    )
    made = with_series(loss_quantities(table, ALPHAS))
    assert made["series"].to_list() == ["1x8, repeats 2"] * 3 + ["1x8, repeats 9"]
    assert set(made["source"]) == {"text"}
