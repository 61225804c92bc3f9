"""Store a sweep on disk: frozen specs in one file, each point once, and each of their groups once.

Most groups (task, model, host) are the same in many points: `groups` lists them, and a point holds
their indices. 100,000 points would otherwise take 220 MB, and 2 GB of memory to read. Plans of
version 2 and before hold the groups of each point in the point; they are read as well.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rote.config.choices import unknown
from rote.io.outputs import below
from rote.io.read import Damaged, read_json
from rote.io.shapes import anything, keyed, listed, mapped, matching, number, scalar, text, whole
from rote.io.write import write_text
from rote.ledger.spec import Spec, spec_of

VERSION = 3
LAUNCH_AGAIN = "move it away and launch the sweep again"
RUN_ID = matching("[0-9a-f]{16}", "a run id, 16 hex digits")
POINT = keyed(
    {"run_id": RUN_ID, "parameters": whole, "max_flops": number},
    {"axes": mapped(scalar), "stack_run_bytes": whole, "stack_base_bytes": whole},
)
SHAPE = keyed(
    {"name": text, "question": scalar, "report": text, "points": listed(POINT)},
    {"capacity_from": text, "groups": listed(mapped(anything))},
)
STACK = ("stack_run_bytes", "stack_base_bytes")
NUMBERS = (*STACK, "run_id", "parameters", "max_flops", "axes")  # of a point, besides its spec
REFERRED = ("what", "how")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of a sweep, and the numbers that decide where it can run."""

    run_id: str
    spec: Spec
    parameters: int
    max_flops: float
    # Axis of the sweep -> value or name of a choice; also axes that only expressions use.
    axes: Mapping[str, Any] = field(default_factory=dict)
    # Of a GPU, predicted: what each run adds to a stack, and what a stack takes whatever it holds.
    # None: it trains alone under `host.stack: auto`.
    stack_run_bytes: int | None = None
    stack_base_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The resolved runs of a sweep: editing a YAML afterwards changes nothing."""

    name: str
    question: str
    report: str
    points: tuple[Point, ...]
    capacity_from: str = ""  # sweep whose measured capacity scales the report; "": published

    @property
    def specs(self) -> list[Spec]:
        """Return the specs in the order of the grid."""
        return [point.spec for point in self.points]

    @property
    def run_ids(self) -> list[str]:
        """Return the run ids in the order of the grid."""
        return [point.run_id for point in self.points]

    @property
    def host(self) -> dict[str, Any]:
        """Return the settings of the host; a sweep has one host."""
        return dict(self.points[0].spec.how["host"])

    def save(self, outputs: Path) -> Path:
        """Write the plan into the sweep's folder."""
        path = plan_path(outputs, self.name)
        groups = _Groups()
        points = [_plain(point, groups) for point in self.points]
        content = {
            "version": VERSION,
            "name": self.name,
            "question": self.question,
            "report": self.report,
            "capacity_from": self.capacity_from,
            "groups": groups.listed,
            "points": points,
        }
        write_text(path, json.dumps(content) + "\n")
        return path


class _Groups:
    """The distinct groups of specs, each with its index."""

    def __init__(self) -> None:
        self.listed: list[Any] = []
        self._by_text: dict[str, int] = {}
        self._by_identity: dict[int, int] = {}  # specs keep the groups, so identities last

    def with_indices(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return a spec's what or how with an index for each group; other values stay."""
        return {key: self._index(v) if isinstance(v, Mapping) else v for key, v in part.items()}

    def _index(self, group: Mapping[str, Any]) -> int:
        if id(group) not in self._by_identity:
            index = self._by_text.setdefault(json.dumps(group), len(self.listed))
            if index == len(self.listed):
                self.listed.append(group)
            self._by_identity[id(group)] = index
        return self._by_identity[id(group)]


def sweep_folder(outputs: Path, name: str) -> Path:
    """Return the folder of a sweep's files, except its runs; raises ValueError for a path."""
    return below(outputs / "sweeps", "a sweep's name", name)


def plan_path(outputs: Path, name: str) -> Path:
    """Return the path of a sweep's plan."""
    return sweep_folder(outputs, name) / "plan.json"


def load_plan(outputs: Path, name: str) -> Plan:
    """Load a sweep's plan; raises ValueError with the launched sweeps if it is none of them."""
    path = plan_path(outputs, name)
    if not os.path.lexists(path):
        raise unknown("launched sweep", name, launched(outputs))
    return read_plan(path)


def read_plan(path: Path) -> Plan:
    """Read a plan; raises Damaged for a file that is not the plan of its folder's sweep."""
    content = read_json(path, SHAPE, LAUNCH_AGAIN)
    try:
        points = _points(content["points"], content.get("groups"))
        if not points:
            raise ValueError("it holds no run")
        if len({point.run_id for point in points}) < len(points):
            raise ValueError("it holds a run twice")
        if content["name"] != path.parent.name:
            raise ValueError(f"it is of sweep {content['name']!r}, its folder is called otherwise")
    except ValueError as error:
        raise Damaged(path, error, LAUNCH_AGAIN) from error
    return Plan(
        name=content["name"],
        question=str(content["question"]),
        report=content["report"],
        points=points,
        capacity_from=content.get("capacity_from", ""),
    )


def launched(outputs: Path) -> list[str]:
    """Return the names of the sweeps in the outputs folder, including those with a damaged plan."""
    folders = (outputs / "sweeps").glob("*")
    return sorted(path.name for path in folders if os.path.lexists(path / "plan.json"))


def _plain(point: Point, groups: _Groups) -> dict[str, Any]:
    left_out = STACK if point.stack_run_bytes is None else ()
    return {
        **{name: getattr(point, name) for name in NUMBERS if name not in left_out},
        "what": groups.with_indices(point.spec.what),
        "how": groups.with_indices(point.spec.how),
    }


def _points(listed: Sequence[dict[str, Any]], groups: Sequence[Any] | None) -> tuple[Point, ...]:
    """Return the points; of those that differ in their seed alone, one spec is checked."""
    checked: dict[tuple[Any, ...], Spec] = {}
    points = []
    for position, point in enumerate(listed):
        place = f"points.{position}"
        if groups is None:
            points.append(_point(point, spec_of(point, place)))
            continue
        parts: dict[str, dict[str, int]] = {}
        for name in REFERRED:
            mapped(whole)(point.get(name), f"{place}.{name}")
            parts[name] = dict(point[name])
        seed = parts["what"].pop("seed", None)
        whole(seed, f"{place}.what.seed")
        key = tuple([item for part in parts.values() for item in part.items()])
        if key not in checked:
            plain = {name: _resolved(part, groups, place) for name, part in parts.items()}
            plain["what"]["seed"] = seed
            checked[key] = spec_of(plain, place)
        like = checked[key]
        points.append(_point(point, Spec(what={**like.what, "seed": seed}, how=like.how)))
    return tuple(points)


def _resolved(part: Mapping[str, int], groups: Sequence[Any], place: str) -> dict[str, Any]:
    if missing := [index for index in part.values() if index >= len(groups)]:
        raise ValueError(f"{place} refers to groups.{missing[0]}, which is not there")
    return {key: groups[index] for key, index in part.items()}


def _point(plain: dict[str, Any], spec: Spec) -> Point:
    return Point(spec=spec, **{name: plain[name] for name in NUMBERS if name in plain})
