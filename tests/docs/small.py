"""What the pages run, made small enough to be carried out: the same commands, fewer steps."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from rote.config.compose import Composer, groups
from rote.config.sweep import Sweep

STEPS = 4
NUM = 32  # sequences
AT_MOST = {  # of a key that ends so
    "num_sequences": NUM,
    "num_heldout_sequences": NUM,
    "num_people": 8,
    "num_references": 31,
    "num_beams": 2,
    "train_bytes": 200_000,
    "tokeniser.vocab_size": 300,
    "budget.max_steps": STEPS,
    "budget.batch_size": 16,
    "budget.check_every_steps": STEPS,
    "schedule.warmup_steps": 1,
    "schedule.decay_steps": STEPS,
}
EVERY_RUN = {
    "budget.max_steps": STEPS,
    "budget.check_every_steps": STEPS,
    "budget.batch_size": 16,
    "host.accelerator": "cpu",
}  # fmt: skip
MEASURED = {  # measures that take long, and how much of them is enough
    "generation": ("measure.generation.num_samples", 8),
    "superset": ("measure.superset.num_sequences", NUM),
}
SMALL = "demo_m"  # for the one size of a sweep
LADDER = ["demo_s", "demo_m", "80k"]  # sizes of a sweep through which laws are fitted
STEPS_BY_HEART = 100
MOST_FLOPS = 6e9  # of a run whose steps and data a sweep derives from them: it keeps both
GONE = ("task.source.max_documents",)  # a key of what INSTEAD replaces
SEQUENCES = ("num_sequences", "num_heldout_sequences")
CHOOSES_TASK = re.compile(r"task(@|/|=|$)")
QUIET = {"log": "none"}  # wandb's files take longer than the steps
MIRRORED = "demo"  # what the page of wandb reads
INSTEAD = {"fineweb": "text"}  # which asks for no network


def small_train(words: Sequence[str]) -> list[str]:
    """Overrides of `rote train`, each number that makes a run long cut down."""
    if any(word.startswith("+sweep=") for word in words):
        return [*words]  # its file is small
    given = [_override(word) for word in words]
    chosen = [word for word in given if CHOOSES_TASK.match(word)]
    measured = [few for name, few in MEASURED.items() if name in " ".join(given)]
    added = {**EVERY_RUN, **QUIET, **_data(chosen), **dict(measured)}
    keys = {word.partition("=")[0] for word in given}
    return [*given, *(f"{key}={value}" for key, value in added.items() if key not in keys)]


def _override(word: str) -> str:
    key, equals, values = word.partition("=")
    return key + equals + ",".join(str(_value(key, each)) for each in values.split(","))


def _data(chosen: Sequence[str]) -> dict[str, Any]:
    """How much of it, where a task leaves that open; the library's docstrings, not all of it."""
    config = Composer().config(chosen)["task"]
    made: dict[str, Any] = {}
    for place, task in (("task", config), ("task.base", config.get("base", {}))):
        made |= {f"{place}.{key}": NUM for key in SEQUENCES if key in task}
        if "content" in task.get("source", {}):
            made[f"{place}.source.content"] = "docstrings"
    return made


def write_small(sweep: Sweep, folder: Path) -> None:
    """A file that comes before our own: two values of an axis, two cases, smallest sizes."""
    grid = sweep.grid
    told = " ".join(grid.derive.values())
    kept = {key for key in (*grid.product, *grid.zip) if key in told or _is_setting(key)}
    made = {
        "question": sweep.question,
        "report": sweep.report,
        "fixed": {**_settings(sweep.fixed), **EVERY_RUN, **_log(sweep)},
        "grid": {
            "product": {key: _axis(key, all_) for key, all_ in grid.product.items() if key in kept}
            | ({"size": LADDER} if sweep.report == "scaling" else {}),
            "zip": {key: _side_by_side(key, all_) for key, all_ in grid.zip.items() if key in kept},
            "cases": {
                name: _cases(cases, num=1 if "flops" in told else 2)
                for name, cases in grid.cases.items()
            },
            "derive": {key: _expression(key, text) for key, text in grid.derive.items()},
        },
    }
    folder.mkdir(exist_ok=True)
    OmegaConf.save(made, folder / f"{sweep.name}.yaml")


def _is_setting(key: str) -> bool:
    """Not a name of the sweep's own, which only its filters use: they are left out."""
    return key in groups() or key == "seed" or "." in key


def _log(sweep: Sweep) -> dict[str, Any]:
    return {} if sweep.name == MIRRORED else QUIET


def _cases(cases: Sequence[Mapping[str, Any]], *, num: int) -> list[dict[str, Any]]:
    """The first ones; of levels of FLOPs all, a law takes three, and runs that learn by heart."""
    most = max((case.get("flops", 0) for case in cases), default=0)
    if not most:
        return [*map(_settings, cases[:num])]
    levels = [case for case in cases if case["flops"]]
    few = {"flops": 0, "windows": NUM}
    return [*({**case, "flops": case["flops"] * MOST_FLOPS / most} for case in levels), few]


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: _value(key, value) for key, value in given.items() if key not in GONE}
    if given.get("size", "n14")[0] != "n":  # not one of the published shapes
        made["size"] = SMALL
    chosen = [f"{key}={value}" for key, value in made.items() if CHOOSES_TASK.match(key)]
    return {**_data(chosen), **made} if chosen else made


def _axis(key: str, values: Sequence[Any]) -> list[Any]:
    """Two sizes, amounts of data, choices within a group; of anything else the first."""
    if key == "size":
        return ["n14", "n28"] if "n14" in values else ["demo_s", "demo_m"]
    if key.endswith("num_sequences"):
        return [NUM, NUM // 2]
    return [*values[: 2 if key == "ratio" or "/" in key else 1]]


def _side_by_side(key: str, values: Sequence[Any]) -> list[Any]:
    """What differed still does."""
    if key == "size":
        kinds = [*dict.fromkeys(values)]
        return [("demo_s", "demo_m")[kinds.index(value) % 2] for value in values]
    if key.endswith("num_sequences"):
        return [NUM + sorted(values).index(value) for value in values]
    return [_value(key, value) for value in values]


def _expression(key: str, text: str) -> str:
    if "flops" in text:
        return f"max(1, min({STEPS_BY_HEART}, {text}))" if key == "budget.max_steps" else text
    return f"min({_most(key)}, {text})" if _most(key) else text


def _value(key: str, value: Any) -> Any:
    most = _most(key)
    if most is None or not str(value).isdigit():
        return INSTEAD.get(value, value) if isinstance(value, str) else value
    return min(int(value), most)


def _most(key: str) -> int | None:
    return next((most for end, most in AT_MOST.items() if key.endswith(end)), None)
