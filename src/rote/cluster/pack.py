"""Group runs: form stacks, estimate their time, and fill jobs with them.

On a CPU `host.stack: auto` means 1, because a stack agrees with single runs to the last digits only
and the results of a run must not depend on what else its sweep holds. On a GPU it means what
`stack_on_gpu` returns.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from rote.cluster.plan import Point
from rote.config.host_and_log import AUTO_PARAMETERS
from rote.io.write import canonical_json
from rote.ledger.spec import FINISH, Spec, once_a_group
from rote.ledger.store import RunFolder, Store

# Of the stacks timed on a GPU, 128 runs took most steps a second at both sizes timed, 80,352 and
# 535,168 parameters (docs/performance.md).
MOST_STACKED = 128
STACKED_BLINDLY = 16  # on a GPU whose memory is unknown
# Of the memory, what stacks are planned to fill: predictions are to be within 15 %
# (`rote.training.memory`), and each process has a CUDA context besides.
FILLED = 0.8
# Processes that share a GPU: capacity_80k was timed with two stacks at once (docs/findings.md).
SHARING = 2

Item = TypeVar("Item")


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
    kind_of = once_a_group(_kind)
    kinds = {kind_of(point.spec) for point in todo}
    measured: dict[str, float] = {}
    for point in points:
        kind = kind_of(point.spec)
        if kind in kinds and kind not in measured and store.run(point.run_id).is_done():
            with suppress(ValueError):  # skips damaged runs
                measured[kind] = _step_seconds(store.run(point.run_id))
    seconds = []
    for point in todo:
        step_seconds = measured.get(kind_of(point.spec))
        steps = point.spec.longest
        seconds.append(speed.seconds(point) if step_seconds is None else steps * step_seconds)
    return seconds


def packs(
    items: Sequence[Item],
    seconds: Sequence[float],
    *,
    target_seconds: float,
    alone: Callable[[Item], bool],
) -> list[tuple[Item, ...]]:
    """Group items in order up to the target time; items that must be ``alone`` get own packs."""
    made: list[list[Item]] = []
    filled = math.inf  # so that the first item opens a pack
    for item, length in zip(items, seconds, strict=True):
        if alone(item):
            made.insert(0, [item])
        elif filled + length > target_seconds:
            made.append([item])
            filled = length
        else:
            made[-1].append(item)
            filled += length
    return [tuple(pack) for pack in made]


def stacks(points: Iterable[Point], most_of: Callable[[Point], int]) -> list[tuple[Point, ...]]:
    """Group runs that can train as one stacked model, in given order.

    ``most_of`` is how many runs the stack of a run may hold; each run of a stack limits it. Seeds,
    amounts of data, learning rates, schedules and lengths of training may differ.
    """
    shape_of = once_a_group(_shape)
    open_stacks: dict[str, tuple[list[Point], int]] = {}
    made: list[list[Point]] = []
    for point in points:
        most = most_of(point)
        if most == 1:
            made.append([point])
            continue
        shape = shape_of(point.spec)
        stack, limit = open_stacks.get(shape, ([], 0))
        if len(stack) >= min(limit, most):
            stack, limit = [], most
            made.append(stack)
        stack.append(point)
        open_stacks[shape] = stack, min(limit, most)
    return [tuple(stack) for stack in made]


def stack_on_gpu(point: Point, memory_gib: float | None) -> int:
    """Return how many such runs a process stacks in its share of a GPU's memory (None: unknown)."""
    if point.stack_run_bytes is None or point.parameters > AUTO_PARAMETERS:
        return 1
    if memory_gib is None:
        return STACKED_BLINDLY
    room_bytes = FILLED * memory_gib * 2**30 - point.stack_base_bytes
    return max(1, min(MOST_STACKED, int(room_bytes / point.stack_run_bytes)))


def _shape(spec: Spec) -> str:
    budget, optim = spec.what["budget"], spec.what["optim"]
    optimiser = {key: value for key, value in optim["optimiser"].items() if not key.endswith("lr")}
    rest = [optimiser, optim["clip_norm"], spec.batch_size, budget["check_every_steps"]]
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
