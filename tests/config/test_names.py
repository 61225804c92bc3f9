"""Readable names: model, size, task, sequences, format, controls, and the start of the id."""

from tests.conftest import MakeSpec

from rote.config.names import run_name, setting_id, setting_words, short_names, size_name
from rote.ledger.spec import flatten


def words(tiny: MakeSpec, *changes: str) -> str:
    return setting_words(flatten(tiny(*changes).what))


def test_a_size_is_called_by_the_file_that_it_equals(tiny: MakeSpec) -> None:
    spec = tiny("size=demo_m", "task.num_sequences=244")
    name = run_name(flatten(spec.what), spec.run_id)
    assert name == f"gpt demo_m N=244 fp32 \N{MIDDLE DOT} {spec.run_id[:6]}"
    assert words(tiny, "size=demo_m", "size.width=14", "size.num_heads=2") == (
        "gpt 1x14 2 heads N=12 fp32"
    )
    assert size_name({"num_layers": 2, "width": 10}) == "2x10"
    assert size_name({"hidden": 8, "cells": 2}) == "hidden=8 cells=2"


def test_other_models_and_tasks_are_called_by_their_class() -> None:
    settings = {
        "model._target_": "my.models.GRU", "size.num_layers": 1, "size.width": 13,
        "task._target_": "rote.tasks.random_labels.RandomLabels", "task.num_sequences": 400,
        "precision.name": "tf32", "control.label_smoothing.share": 0.1, "task.pool": None,
    }  # fmt: skip
    assert setting_words(settings) == "gru 1x13 random labels N=400 tf32 label smoothing"


def test_seeds_alone_leave_a_setting_what_it_is(tiny: MakeSpec) -> None:
    one, other, slower = (
        setting_id(flatten(tiny(change).what))
        for change in ("seed=1", "seed=2", "optim.optimiser.lr=0.5")
    )
    assert one == other != slower
    assert one.rpartition(" \N{MIDDLE DOT} ")[0] == slower.rpartition(" \N{MIDDLE DOT} ")[0]


def test_a_setting_is_called_by_as_few_of_its_last_words_as_tell_it_from_others() -> None:
    keys = ("task.parts.arithmetic.split.seed", "size.width", "seed", "a.b.c", "b.c")
    assert list(short_names(keys).values()) == ["split.seed", "width", "seed", "a.b.c", "b.c"]
