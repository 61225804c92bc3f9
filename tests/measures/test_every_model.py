"""Every measure of conf/measure takes every model of conf/model; new files are found too."""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import COMPOSER

from rote.config.build import build
from rote.config.compose import groups
from rote.config.data_resolver import DataResolver
from rote.core.progress import no_progress
from rote.measures.protocol import ChecksTask
from rote.models.count import trainable_parameters
from rote.tasks.protocol import Task

MODELS, MEASURES = groups()["model"], groups()["measure"]
FEW = 4  # sequences, samples, references: whatever a measure counts with a key that begins `num_`
SMALL = ("task.num_sequences=4", "task.num_heldout_sequences=4", "task.length=52")
BASE = tuple(word.replace("task.", "task.base.") for word in SMALL)
# A measure is taken of the first of these tasks that it fits.
TASKS = {
    "uniform": ("task=uniform", "task.vocab_size=16", *SMALL),
    "canaries": (
        "task=canaries", "task.secret_length=2", "task.repeats=[1]", "task.num_each=2",
        "task.num_controls=2", *BASE, "task.base.vocab_size=8",
    ),
    "arithmetic": ("task=arithmetic", "task.largest_operand=3"),
    "text": ("task=text", "task/source=files", *SMALL),
}  # fmt: skip
NUMBERS = "".join(f"{number} " for number in range(600))


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a text, which is prepared below it once."""
    made = tmp_path_factory.mktemp("text")
    (made / "numbers.txt").write_text(NUMBERS)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("ROTE_OUTPUTS", str(made / "outputs"))
        yield made


@cache
def task_named(name: str, folder: Path) -> Task:
    paths = [f"task.source.paths=[{folder / 'numbers.txt'}]"] if name == "text" else []
    config = COMPOSER.config([*TASKS[name], *paths])
    return build(DataResolver(no_progress).resolved(config)["task"])


def with_few(config: Any, key: str = "") -> Any:
    if isinstance(config, Mapping):
        return {name: with_few(value, name) for name, value in config.items()}
    is_count = key.startswith("num_") and isinstance(config, int)
    return min(config, FEW) if is_count else config


@cache
def measure_and_task(name: str, folder: Path) -> tuple[Any, Task]:
    (config,) = COMPOSER.config([f"measure=[{name}]"])["measure"].values()
    measure = build(with_few(config))
    reasons = []
    for task in (task_named(each, folder) for each in TASKS):
        try:
            if isinstance(measure, ChecksTask):
                measure.check(task)
        except ValueError as error:
            reasons.append(str(error))
        else:
            return measure, task
    raise AssertionError(f"add a task that measure={name} fits: {reasons}")


@pytest.mark.parametrize("measure_name", MEASURES)
@pytest.mark.parametrize("model_name", MODELS)
def test_it_is_measured_and_stays_as_it_is(
    model_name: str, measure_name: str, folder: Path
) -> None:
    measure, task = measure_and_task(measure_name, folder)
    config = COMPOSER.config(["size=demo_s", f"model={model_name}"])["model"]
    torch.manual_seed(0)
    model = build(config, vocab_size=task.vocab_size, max_length=task.length).eval()
    assert trainable_parameters(model) > 0
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    measured = measure(model, task, seed=0, device=torch.device("cpu"))
    assert measured.totals and all(map(math.isfinite, measured.totals.values()))
    numbers = [array for array in measured.arrays.values() if array.dtype.kind == "f"]
    assert not any(np.isnan(array).any() for array in numbers)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, before[name], atol=0, rtol=0)
