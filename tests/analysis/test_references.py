"""Which run is whose reference."""

import polars as pl

from rote.analysis.quantities.references import (
    oracle_reference,
    origin_of,
    same_size_reference,
)

BASE = {
    "task.corpus": "c", "task.length": 64, "task.split_seed": 0, "task.split_by": "window",
    "task.heldout_share": 0.1, "task.reference_share": 0.4, "task.pool": "train",
    "task.duplicated_fraction": 0.0, "size.width": 16, "precision.name": "fp32", "seed": 0,
    "cost.heldout_tokens": 64, "superset.sequences": 100,
}  # fmt: skip


def runs(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame([BASE | {"cost.heldout_code_bits": 300.0} | row for row in rows])


def test_same_size_takes_most_data_then_the_same_seed() -> None:
    table = runs(
        {"run_id": "target", "task.num_sequences": 10},
        {"run_id": "larger", "task.num_sequences": 100},
        {"run_id": "other_seed", "task.num_sequences": 1000, "seed": 1},
        {"run_id": "all", "task.num_sequences": 1000},
        {"run_id": "wide", "task.num_sequences": 9999, "size.width": 32},
        {"run_id": "corpus", "task.num_sequences": 9999, "task.corpus": "d"},
        {"run_id": "oracle", "task.num_sequences": 9999, "task.pool": "reference"},
    )
    assert same_size_reference(table, "target") == "all"
    assert same_size_reference(table, "all") is None
    assert same_size_reference(table, "other_seed") is None
    part = table.with_columns(pl.lit(5).alias("measure.superset.num_sequences"))
    assert same_size_reference(part, "target") == "all"  # by what it was trained on itself
    others = part.filter(pl.col("run_id").is_in(["target", "other_seed"]))
    assert same_size_reference(others, "target") is None


def test_the_oracle_is_the_best_on_heldout_of_those_outside() -> None:
    pool = {"task.pool": "reference", "task.num_sequences": 50}
    table = runs(
        {"run_id": "target", "task.num_sequences": 10, "cost.heldout_code_bits": 100.0},
        {"run_id": "good", "size.width": 64, "cost.heldout_code_bits": 200.0} | pool,
        {"run_id": "worse", "cost.heldout_code_bits": 250.0} | pool,
        {"run_id": "unscored", "cost.heldout_code_bits": 1.0, "superset.sequences": None} | pool,
    )
    assert oracle_reference(table, "target") == "good"
    assert oracle_reference(table, "good") == "worse"
    assert oracle_reference(table.filter(pl.col("task.pool") == "train"), "target") is None


def test_ids_name_other_texts_where_corpus_length_or_split_differ() -> None:
    changes = {"task.corpus": "d", "task.length": 32, "task.split_seed": 1}
    origins = {origin_of(BASE | {name: value}) for name, value in changes.items()}
    assert len({*origins, origin_of(BASE)}) == 4
    assert origin_of(BASE | {"seed": 1, "task.pool": "reference"}) == origin_of(BASE)
