"""Group short runs into jobs: estimate their time, fill packs, and form stacks."""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rote.cluster.plan import Point
from rote.io.write import canonical_json
from rote.ledger.spec import FINISH, Spec
from rote.ledger.store import RunFolder, Store


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The assumed speed where no run of the same kind has been measured."""

    flops_per_second: float
    step_overhead_seconds: float

    def seconds(self, point: Point) -> float:
        """Return the seconds of a run at most: a saturated run stops earlier."""
        steps = point.spec.longest
        return point.max_flops / self.flops_per_second + steps * self.step_overhead_seconds


def estimates(
    points: Iterable[Point], todo: Sequence[Point], store: Store, speed: Speed
) -> list[float]:
    """Return seconds for each point of ``todo``, from a finished run of its kind or ``speed``."""
    kinds = {_kind(point.spec) for point in todo}
    measured: dict[str, float] = {}
    for point in points:
        kind = _kind(point.spec)
        if kind in kinds and kind not in measured and store.run(point.run_id).is_done():
            with suppress(ValueError):  # skips damaged runs
                measured[kind] = _step_seconds(store.run(point.run_id))
    seconds = []
    for point in todo:
        step_seconds = measured.get(_kind(point.spec))
        steps = point.spec.longest
        seconds.append(speed.seconds(point) if step_seconds is None else steps * step_seconds)
    return seconds


def packs(
    points: Sequence[Point],
    seconds: Sequence[float],
    *,
    target_seconds: float,
    alone: Callable[[Point], bool],
) -> list[tuple[Point, ...]]:
    """Group points in order up to the target time; points that must be ``alone`` get own packs."""
    made: list[list[Point]] = []
    filled = math.inf  # so that the first point opens a pack
    for point, length in zip(points, seconds, strict=True):
        if alone(point):
            made.insert(0, [point])
        elif filled + length > target_seconds:
            made.append([point])
            filled = length
        else:
            made[-1].append(point)
            filled += length
    return [tuple(pack) for pack in made]


def stacks(specs: Iterable[Spec], most: int) -> list[tuple[Spec, ...]]:
    """Group specs that can train as one stacked model, at most ``most`` each, in given order.

    Seeds, amounts of data, learning rates, schedules and lengths of training may differ.
    """
    open_stacks: dict[str, list[Spec]] = {}
    made: list[list[Spec]] = []
    for spec in specs:
        shape = _shape(spec)
        if shape not in open_stacks or len(open_stacks[shape]) == most:
            open_stacks[shape] = []
            made.append(open_stacks[shape])
        open_stacks[shape].append(spec)
    return [tuple(stack) for stack in made]


def _shape(spec: Spec) -> str:
    what, budget, optim = spec.what, spec.what["budget"], spec.what["optim"]
    optimiser = {key: value for key, value in optim["optimiser"].items() if not key.endswith("lr")}
    # A data set smaller than a batch is read whole at each step.
    batch_size = min(budget["batch_size"], what["task"].get("num_sequences", math.inf))
    rest = [optimiser, optim["clip_norm"], str(batch_size), budget["check_every_steps"]]
    return canonical_json([_kind(spec), *rest])


def _kind(spec: Spec) -> str:
    what = spec.what
    task = {key: value for key, value in what["task"].items() if "num_" not in key}
    batch_size = what["budget"]["batch_size"]
    finish = what["budget"].get(FINISH)
    rest = [finish, spec.controls]
    return canonical_json([task, what["model"], what["precision"], batch_size, *rest])


def _step_seconds(folder: RunFolder) -> float:
    """Return the measured seconds per step; raises ValueError if the run's files lack them."""
    circumstances = folder.circumstances()
    training = folder.record().training
    steps = training["steps"] + training.get(FINISH, {}).get("evaluations", 0)
    steps *= circumstances.get("stacked", 1)
    if not steps or "train_seconds" not in circumstances:
        raise ValueError(f"run {folder.run_id} does not record how long a step took")
    return float(circumstances["train_seconds"] / steps)
