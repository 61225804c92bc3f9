"""Compose readable names of runs, as ``gpt demo_m N=244 fp32 · 792782``; the id keeps 16 digits."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import yaml

from rote.config.folders import conf_folder
from rote.io.write import canonical_json, sha256

ID_LETTERS = 6
SEPARATOR = " \N{MIDDLE DOT} "
USUAL_TASK = "rote.tasks.uniform.Uniform"  # the task of most runs, left out of a name
NUMBERS_OF_SEQUENCES = ("task.num_sequences", "task.base.num_sequences")


def run_name(settings: Mapping[str, Any], run_id: str) -> str:
    """Return the words of a run's setting and the first letters of its id.

    ``settings`` are a run's settings by dotted name, from `rote.ledger.spec.flatten` or from a row
    of the table of runs, in which a setting that the run lacks is None.
    """
    return f"{setting_words(settings)}{SEPARATOR}{run_id[:ID_LETTERS]}"


def setting_words(settings: Mapping[str, Any]) -> str:
    """Return model, size, task, number of sequences, number format and controls, in words."""
    given = {key: value for key, value in settings.items() if value is not None}
    task = given.get("task._target_", USUAL_TASK)
    number = next((given[key] for key in NUMBERS_OF_SEQUENCES if key in given), None)
    controls = dict.fromkeys(key.split(".")[1] for key in given if key.startswith("control."))
    words = [
        model_name(given.get("model._target_", "")) if "model._target_" in given else "",
        size_name({key[5:]: value for key, value in given.items() if key.startswith("size.")}),
        "" if task == USUAL_TASK else _class_words(task),
        "" if number is None else f"N={number}",
        str(given.get("precision.name", "")),
        *(name.replace("_", " ") for name in controls),
    ]
    return " ".join(filter(None, words))


def setting_id(settings: Mapping[str, Any]) -> str:
    """Return words and a digest, which are equal for runs that differ in their seeds alone."""
    kept = {key: value for key, value in settings.items() if not is_seed(key)}
    digest = sha256(canonical_json(kept).encode())[:ID_LETTERS]
    return f"{setting_words(settings)}{SEPARATOR}{digest}"


def is_seed(key: str) -> bool:
    """Return whether a dotted name is that of a seed."""
    return key.rpartition(".")[2].endswith("seed")


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Return by dotted key its last words, as few as tell it from the others: ``split.seed``."""
    endings = {key: _endings(key) for key in keys}
    counts = Counter(ending for each in endings.values() for ending in each)
    return {
        key: next((ending for ending in each if counts[ending] == 1), key)
        for key, each in endings.items()
    }


def _endings(key: str) -> list[str]:
    words = key.split(".")
    return [".".join(words[-number:]) for number in range(1, len(words) + 1)]


def size_name(size: Mapping[str, Any]) -> str:
    """Return the conf/size file with these values, or else layers x width and the heads."""
    equal = [name for name, known in _sizes().items() if known == size]
    if equal or not size:
        return equal[0] if equal else ""
    if not {"num_layers", "width"} <= set(size):
        return " ".join(f"{key}={value}" for key, value in size.items())
    heads = size.get("num_heads", 1)
    shape = f"{size['num_layers']}x{size['width']}"
    return shape if heads == 1 else f"{shape} {heads} heads"


def model_name(target: str) -> str:
    """Return the conf/model file that names this class, or else the words of the class."""
    return _models().get(target) or _class_words(target)


def _class_words(target: object) -> str:
    """Split a class name into words: RandomLabels gives "random labels"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(target).rpartition(".")[2]).lower()


@cache
def _sizes() -> dict[str, dict[str, Any]]:
    paths = sorted((conf_folder() / "size").glob("*.yaml"))
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths}


@cache
def _models() -> dict[str, str]:
    paths = sorted((conf_folder() / "model").glob("*.yaml"))
    return {
        yaml.safe_load(path.read_text(encoding="utf-8"))["_target_"]: path.stem for path in paths
    }
