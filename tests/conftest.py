"""Small real runs that tests share."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra

from rote.cli.main import main
from rote.cluster.plan import Plan, Point
from rote.config.build import build
from rote.config.compose import Composer
from rote.config.sweep import CountParameters, Sweep, grid_points
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store
from rote.precision import Precision
from rote.run.execute import execute
from rote.run.preflight import Preflight
from tests import preloaded
from tests.shared import Shared

COMPOSER = Composer()  # what it has composed it keeps: for all tests
TINY = (
    "size=demo_s",
    "task.num_sequences=12",
    "task.length=8",
    "task.vocab_size=16",
    "task.num_heldout_sequences=4",
    "budget=demo",
    "budget.max_steps=30",
    "budget.batch_size=4",
    "budget.check_every_steps=10",
    "log=none",
    "host.accelerator=cpu",
)

MakeSpec = Callable[..., Spec]
Refused = Callable[..., str]
Refuse = Callable[..., None]


def precision(name: str) -> Precision:
    return build(COMPOSER.config([f"precision={name}"])["precision"])


def left(folder: RunFolder) -> list[bytes]:
    """What equal runs have equal, bit for bit."""
    return [
        (folder.path / name).read_bytes() for name in ("record.json", "curve.jsonl", "arrays.npz")
    ]


def losses(store: Store, spec: Spec) -> list[float]:
    return [row["loss_nats_per_token"] for row in store.run(spec.run_id).curve()]


def agree(one: Spec, other: Spec, folder: Path, rel: float) -> None:
    """Train both runs and compare their losses."""
    stores = [Store(folder / name) for name in ("one", "other")]
    for spec, store in zip((one, other), stores, strict=True):
        execute(spec, store)
    assert losses(stores[1], other) == pytest.approx(losses(stores[0], one), rel=rel)


def point_of(spec: Spec, **more: Any) -> Point:
    usual = {"run_id": spec.run_id, "spec": spec, "parameters": 1, "max_flops": 1.0}
    return Point(**{**usual, **more})


def plan_of(points: Iterable[Point], name: str = "own") -> Plan:
    return Plan(name=name, question="?", report="capacity", points=tuple(points))


class After:
    """Says stop once it has been asked so many times: once a step."""

    def __init__(self, num_steps: int, act: Callable[[], bool] = lambda: True) -> None:
        self.left, self.act = num_steps, act

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0 and self.act()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow modules first: begun last, one of them would keep a single worker busy at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="session")
def _nothing_remembered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests compose with classes of their own is not noted in the user's home folder."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _no_hydra_left_over() -> None:
    GlobalHydra.instance().clear()


@pytest.fixture(scope="module")
def preloaded_workers() -> Iterator[None]:
    """For modules about what local sweeps leave, not about how their workers start."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("submitit.local.local.start_controller", preloaded.start)
        monkeypatch.setattr("rote.cluster.liveness._processes", preloaded.processes)
        yield


@pytest.fixture
def tiny() -> MakeSpec:
    """A spec of some thirty steps of a two-thousand-parameter model, changed by overrides."""

    def make(*overrides: str) -> Spec:
        return Spec.from_config(COMPOSER.config([*TINY, *overrides]))

    return make


@pytest.fixture
def refuse(tiny: MakeSpec) -> Refuse:
    """Checks that such a run is refused before training, in one line."""

    def check(message: str, *overrides: str) -> None:
        with pytest.raises(ValueError, match=message) as caught:
            Preflight().facts(tiny(*overrides))
        assert "\n" not in str(caught.value)

    return check


@pytest.fixture(scope="session")
def base() -> Spec:
    """A tiny spec that planted runs are variations of."""
    return Spec.from_config(COMPOSER.config(list(TINY)))


def points(sweep: Sweep, composer: Composer, count: CountParameters) -> Iterator[list[str]]:
    """The overrides of each point."""
    return (point.overrides for point in grid_points(sweep, composer, count))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """The one line that a command says before it ends with 2; it prints nothing else."""

    def call(*words: str) -> str:
        capsys.readouterr()
        code = main(words)
        said = capsys.readouterr()
        assert (code, said.out) == (2, ""), said
        assert said.err.startswith("rote: ") and said.err.count("\n") == 1, said.err
        return said.err

    return call


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Trained runs and other things that take long, made once for all workers."""
    return Shared.of(tmp_path_factory.getbasetemp())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty outputs folder."""
    return Store(tmp_path / "outputs")
