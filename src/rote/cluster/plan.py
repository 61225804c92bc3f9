"""A sweep as a durable object: frozen specs in one file, each point once."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rote.config.choices import unknown
from rote.files import write_text
from rote.ledger.spec import Spec

VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of a sweep, and what decides where it can run."""

    run_id: str
    spec: Spec
    parameters: int
    max_flops: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a sweep will run, resolved: editing a YAML afterwards changes nothing."""

    name: str
    question: str
    report: str
    points: tuple[Point, ...]

    @property
    def specs(self) -> list[Spec]:
        """In the order of the grid."""
        return [point.spec for point in self.points]

    @property
    def run_ids(self) -> list[str]:
        """In the order of the grid."""
        return [point.run_id for point in self.points]

    @property
    def host(self) -> dict[str, Any]:
        """Where it is launched: one host a sweep."""
        return dict(self.points[0].spec.how["host"])

    def save(self, outputs: Path) -> Path:
        """Write the plan into the sweep's folder."""
        path = plan_path(outputs, self.name)
        content = {"version": VERSION, "name": self.name, "question": self.question}
        points = [_plain(point) for point in self.points]
        write_text(path, json.dumps({**content, "report": self.report, "points": points}) + "\n")
        return path


def sweep_folder(outputs: Path, name: str) -> Path:
    """Where everything of a sweep lives but its runs."""
    return outputs / "sweeps" / name


def plan_path(outputs: Path, name: str) -> Path:
    """Where a sweep's plan lives."""
    return sweep_folder(outputs, name) / "plan.json"


def load_plan(outputs: Path, name: str) -> Plan:
    """Raises ValueError naming the sweeps that were launched."""
    path = plan_path(outputs, name)
    if not path.exists():
        raise unknown("launched sweep", name, launched(outputs))
    return read_plan(path)


def read_plan(path: Path) -> Plan:
    """Raises ValueError for a file that is not a plan."""
    try:
        content = json.loads(path.read_text())
        points = tuple(_point(point) for point in content["points"])
        if not points:
            raise ValueError("it holds no run")
        return Plan(
            name=content["name"],
            question=content["question"],
            report=content["report"],
            points=points,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}): launch the sweep again") from error


def launched(outputs: Path) -> list[str]:
    """The names of the sweeps in this outputs folder."""
    return sorted(path.parent.name for path in (outputs / "sweeps").glob("*/plan.json"))


def _plain(point: Point) -> dict[str, Any]:
    return {
        "run_id": point.run_id,
        "parameters": point.parameters,
        "max_flops": point.max_flops,
        "what": point.spec.what,
        "how": point.spec.how,
    }


def _point(plain: dict[str, Any]) -> Point:
    return Point(
        run_id=plain["run_id"],
        spec=Spec(what=plain["what"], how=plain["how"]),
        parameters=plain["parameters"],
        max_flops=plain["max_flops"],
    )
