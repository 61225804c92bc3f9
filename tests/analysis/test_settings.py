"""Settings and controls that tell runs apart, in words."""

import polars as pl
import pytest

from rote.analysis.quantities.settings import (
    control_words,
    with_control,
    with_series,
    with_setting,
)
from rote.ledger.spec import flatten
from tests.conftest import COMPOSER


def test_what_differs_at_one_place_is_told() -> None:
    runs = pl.DataFrame(
        {
            "size": ["s", "s", "l", "l"],
            "task.kept": [1, 1, 2, 2],  # follows from the size
            "optim.optimiser.lr": [0.1, 0.2, 0.1, 0.2],
            "control.dropout._target_": [None, "D", None, "D"],
            "control.dropout.rate": [None, 0.2, None, 0.2],
            "control.dropout.places": [None, "[]", None, "[]"],
        }
    )
    told = with_setting(runs, at=["size"])["setting"].to_list()
    assert told == ["lr 0.1", "lr 0.2, dropout rate 0.2"] * 2
    without = with_setting(runs, at=["size"], apart_from=["optim."])["setting"].to_list()
    assert without == ["", "dropout rate 0.2"] * 2


def test_a_class_is_told_as_what_it_is_of_without_what_comes_with_it() -> None:
    runs = pl.DataFrame(
        {
            "size": ["s"] * 3,
            "optim.schedule._target_": ["a.linear", "a.constant", "a.linear"],
            "optim.schedule.final_fraction": [0.0, None, 0.0],
            "optim.schedule.warmup_steps": [1, 1, 2],
        }
    )
    told = with_setting(runs, at=["size"])["setting"].to_list()
    assert told == [
        "schedule linear, warmup_steps 1",
        "schedule constant, warmup_steps 1",
        "schedule linear, warmup_steps 2",
    ]


def test_a_seed_of_the_data_is_not_called_as_that_of_the_run() -> None:
    runs = pl.DataFrame({"size": ["s"] * 2, "seed": [0, 0], "task.split.seed": [3, 4]})
    told = with_setting(runs, at=["size", "seed"])["setting"].to_list()
    assert told == ["split.seed 3", "split.seed 4"]


def test_a_control_of_the_optimiser_is_what_is_not_usual() -> None:
    runs = pl.DataFrame(
        {
            "panel": ["a"] * 5 + ["b"] * 2,
            "optim.optimiser.weight_decay": [0.0, 0.0, 0.0, 0.0, 0.1, 0.1, 0.1],
            "optim.clip_norm": [1.0, 1.0, 1.0, 0.1, 1.0, 1.0, 1.0],
            "control.goldfish._target_": [None, "G", "G", None, None, None, None],
            "control.goldfish.k": [None, 3, 8, None, None, None, None],
            "control.goldfish.h": [None, 13, 13, None, None, None, None],
        }
    )
    found = with_control(runs, within="panel")
    assert found["control"].to_list() == [
        None, "goldfish", "goldfish", "gradient_clipping", "weight_decay", None, None,
    ]  # fmt: skip
    assert found["control_words"].to_list() == [
        None, "goldfish k 3", "goldfish k 8", "gradient_clipping 0.1", "weight_decay 0.1", None,
        None,
    ]  # fmt: skip


def test_series_are_apart_where_controls_or_settings_of_some_runs_are() -> None:
    runs = pl.DataFrame(
        {
            "run_id": ["a", "b", "c", "d"],
            "task._target_": ["rote.tasks.text.task.Text"] * 4,
            "task.num_sequences": [8] * 4,
            "model": ["1x8"] * 4,
            "parameters": [100] * 4,
            "precision.name": ["fp32"] * 4,
            "seed": [0] * 4,
            "optim.momentum": [None, None, None, 0.9],
            "control.dp_sgd._target_": [None, "D", "D", None],
            "control.dp_sgd.epsilon": [None, 1.0, 8.0, None],
        }
    )
    assert with_series(runs)["series"].to_list() == [
        "1x8", "1x8, dp_sgd epsilon 1.0", "1x8, dp_sgd epsilon 8.0", "1x8, momentum 0.9",
    ]  # fmt: skip
    assert with_series(runs[1:2])["series"].to_list() == ["1x8"]  # all runs alike need no words


@pytest.mark.parametrize(
    ("control", "words"),
    [
        ("early_stopping", "early_stopping patience_looks 10"),
        ("dropout", "dropout rate 0.1"),
        ("dp_sgd", "dp_sgd epsilon 8.0"),
        ("goldfish", "goldfish k 4"),
        ("gradient_noise", "gradient_noise eta 0.01"),
        ("label_smoothing", "label_smoothing share 0.1"),
        ("deduplication", "deduplication"),
    ],
)
def test_what_conf_says_first_of_a_control_is_its_strength(control: str, words: str) -> None:
    config = COMPOSER.config([f"control=[{control}]"])
    run = pl.DataFrame([flatten({"control": config["control"]})])
    assert run.select(control_words(run)).item() == words
