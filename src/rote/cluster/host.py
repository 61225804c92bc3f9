"""Define the protocol of a host, with its launch requests and the launches it returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

from rote.cluster.journal import Journal
from rote.cluster.plan import Plan, Point
from rote.cluster.snapshot import LIVE, Snapshot
from rote.cluster.worker import Assignment
from rote.config.build import build
from rote.config.host_and_log import require_host
from rote.core.own_modules import folders_imported_from
from rote.core.provenance import code


@dataclass(frozen=True)
class Launch:
    """Jobs that were sent; empty if there was nothing to send."""

    job_ids: tuple[str, ...]
    num_runs: int
    detached: bool  # whether the jobs do not need the launcher's terminal


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """The runs of a sweep that are to be carried out now."""

    plan: Plan
    outputs: Path
    journal: Journal
    todo: tuple[Point, ...]
    retry_failures: dict[str, float] = field(default_factory=dict)  # see `Assignment`
    # Run id -> most runs of a stack. A worker died in these: they share no job with others.
    suspect: Mapping[str, int] = field(default_factory=dict)
    snapshot: Snapshot | None = None  # the code that jobs run; None: what is on disk then

    def assignment(self, stacks: Sequence[tuple[Point, ...]], *, runs_at_once: int) -> Assignment:
        """Return the assignment of one worker."""
        return Assignment(
            stacks=tuple(tuple(point.spec for point in stack) for stack in stacks),
            outputs=str(self.outputs),
            retry_failures=self.retry_failures,
            runs_at_once=runs_at_once,
            code={**code(), "snapshot": self.snapshot.digest if self.snapshot else None},
            own_modules=(
                self.snapshot.own_modules
                if self.snapshot
                else tuple(map(str, folders_imported_from()))
            ),
        )

    @property
    def import_first(self) -> tuple[str, ...]:
        """Return the folders that jobs search for modules before all others."""
        return (str(self.snapshot.source),) if self.snapshot else ()


class Host(Protocol):
    """Where runs are carried out; built from a file of conf/host/."""

    detached: ClassVar[bool]

    def check(self, point: Point) -> None:
        """Raises ValueError, before anything is sent, if the run cannot be carried out here."""

    def processes(self, parameters: int) -> int:
        """Return how many processes train one run of a model of this size together."""

    def stack_of(self, point: Point) -> int:
        """Return how many runs of this run's shape train as one stacked model, at most."""

    def launch(self, order: LaunchRequest) -> Launch:
        """Send the runs and return at once; raises ValueError if the host refuses them."""


@dataclass(frozen=True, kw_only=True)
class HowRunsTrain:
    """The keys that all hosts of conf/host/ share; raises ValueError for an unusable value."""

    threads: int
    accelerator: str
    recompute_above_gib: float | None
    strategy: str
    compile: str | None
    checkpoint_every_seconds: float
    # As plans of earlier versions have it:
    checkpoint_pairs: bool = True
    code: str = LIVE
    accumulate_above_gib: float | None = None
    attention: str | None = None

    def __post_init__(self) -> None:
        require_host({field.name: getattr(self, field.name) for field in fields(self)})


def host_of(settings: Mapping[str, Any]) -> Host:
    """Build a host with plain lists and dictionaries instead of OmegaConf types."""
    host: Host = build({**settings, "_convert_": "all"})
    return host
