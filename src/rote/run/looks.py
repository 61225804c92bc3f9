"""Collect what a run's measures find at chosen steps of its training (``log.look_at``).

Looks are *how* a run is carried out: they move no run id, and a run trains the same bits with and
without them. Checkpoints hold those taken so far, so that a resumed run has every one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from rote.ledger.spec import Spec

USUAL = ("cost", "exposure", "extraction")  # measures that are quick enough to be taken often
Arrays = Mapping[str, np.ndarray]


def look_steps(spec: Spec) -> frozenset[int]:
    """Return the optimiser steps after which the run is measured; most runs have none.

    A number asks for so many steps: 0, and others from 1 to the last, evenly in their logarithms.
    Small ones coincide, so that there may be fewer.
    """
    named = spec.how["log"].get("look_at") or ()
    if isinstance(named, int):
        last = spec.what["budget"]["max_steps"]
        first = 1 if named > 2 else last  # of the others
        return frozenset({0, *map(int, np.geomspace(first, last, named - 1).round())})
    return frozenset(named)


def look_measures(spec: Spec) -> Sequence[str]:
    """Return the names of the measures that a look takes."""
    named: Sequence[str] | None = spec.how["log"].get("look_with")
    return [name for name in USUAL if name in spec.what["measure"]] if named is None else named


def require_looks(spec: Spec) -> None:
    """Raises ValueError for steps or measures that the run lacks, and for sharded models."""
    steps, names = look_steps(spec), look_measures(spec)
    if not steps:
        return
    max_steps, measures = spec.what["budget"]["max_steps"], spec.what["measure"]
    if max(steps) > max_steps:
        raise ValueError(f"log.look_at: {max(steps)} is beyond budget.max_steps={max_steps}")
    if lacking := [name for name in names if name not in measures]:
        raise ValueError(f"log.look_with: the run has no measure {lacking[0]!r}")
    if not names:
        raise ValueError(f"log.look_at needs one of measure={list(USUAL)}, or log.look_with")
    if spec.how["host"]["strategy"] == "fsdp":
        raise ValueError("log.look_at does not go with host.strategy=fsdp: use ddp")


class Looks:
    """The looks of one run so far; ``saved`` is the `state` that a checkpoint held, if any."""

    def __init__(self, saved: Mapping[str, Mapping[str, Tensor]]) -> None:
        self._taken = {
            int(step): {name: array.numpy() for name, array in arrays.items()}
            for step, arrays in saved.items()
        }

    def add(self, step: int, totals: Mapping[str, Mapping[str, float]], arrays: Arrays) -> None:
        """Add what measures found after so many steps; an array stands for a total of its name."""
        flat = {
            f"{measure}.{name}": np.array(value, np.float64)
            for measure, found in totals.items()
            for name, value in found.items()
        }
        self._taken[step] = {**flat, **arrays}

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return all looks for a checkpoint."""
        return {
            str(step): {name: torch.tensor(array) for name, array in arrays.items()}
            for step, arrays in self._taken.items()
        }

    def stacked(self) -> dict[str, np.ndarray]:
        """Return ``steps``, int64 [T], and each array of all looks with T as its first axis.

        An array that a look lacks is left out, and so is one whose size differs between looks.
        """
        steps = sorted(self._taken)
        looks = [self._taken[step] for step in steps]
        names = [
            name
            for name, array in looks[-1].items()
            if all(name in look and look[name].shape == array.shape for look in looks)
        ] if looks else []  # fmt: skip
        stacked = {name: np.stack([look[name] for look in looks]) for name in names}
        return {"steps": np.array(steps, np.int64), **stacked}
