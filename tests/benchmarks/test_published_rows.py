"""The published rows: stacks of seeds, and a sweep that is carried from one machine to another."""

import importlib
import signal
import time
from pathlib import Path
from threading import Thread, get_ident
from typing import Any

import pytest

from rote.cluster.pack import stacks
from rote.cluster.plan import load_plan
from rote.cluster.planning import make_plan
from rote.config.sweep import load_sweep, with_overrides
from rote.core.progress import no_progress
from rote.ledger.store import Store
from rote.run.execute import execute_together
from tests.conftest import COMPOSER

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIZES = {(1, 32), (8, 32), (2, 64), (8, 64), (8, 128)}  # layers, width
TOY = (
    "size=demo_s", "size.num_heads=4", "task.length=16", "task.vocab_size=64", "ratio=1.0",
    "seed=0,1", "precision=fp32", "budget/finish=lbfgs", "budget.finish.max_evaluations=300",
    "budget.finish.check_every_evaluations=20", "budget.finish.memory=10", "budget.max_steps=100",
    "host.stack=2", "host.workers=1", "host.accelerator=cpu",
)  # fmt: skip


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("published_rows")


def test_a_stack_holds_the_three_seeds_of_a_row(rows: Any) -> None:
    sweep = with_overrides(load_sweep("capacity"), rows.PUBLISHED)
    plan, _ = make_plan(sweep, COMPOSER, no_progress)
    made = stacks(plan.points, lambda point: plan.host["stack"])
    seen = []
    for stack in made:
        whats = [point.spec.what for point in stack]
        assert [what["seed"] for what in whats] == [0, 1, 2]
        seen += {
            (what["model"]["num_layers"], what["model"]["width"], what["precision"]["name"],
             what["task"]["num_sequences"], what["budget"]["batch_size"])
            for what in whats
        }  # fmt: skip
    assert len(seen) == len(made) == 20
    assert {one[:2] for one in seen} == SIZES
    assert {one[2] for one in seen} == {"fp32", "bf16_mixed"}
    assert all(batch == max(64, round(number / 8)) for *_, number, batch in seen)
    assert seen[0][:2] == (1, 32) and seen[-1][:2] == (8, 128)  # the small ones are done first


def interrupt(outputs: Path, thread: int) -> None:
    """Wait until both runs have written two rows of the finish, of fifteen."""
    curves: list[str] = []
    while len(curves) < 2 or any(each.count("evaluations") < 2 for each in curves):
        time.sleep(0.05)
        curves = [path.read_text() for path in outputs.glob("runs/*/curve.jsonl")]
    signal.pthread_kill(thread, signal.SIGINT)


def test_the_time_ends_a_sweep(rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    assert rows.main(["0", "--to", str(tmp_path / "pieces"), *TOY]) == 1


def test_a_sweep_killed_in_the_finish_goes_on_elsewhere_bit_for_bit(
    rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preloaded_workers: None
) -> None:
    first, second, pieces = (tmp_path / name for name in ("first", "second", "pieces"))
    monkeypatch.setenv("ROTE_OUTPUTS", str(first))

    Thread(target=interrupt, args=(first, get_ident()), daemon=True).start()
    assert not rows.train(1e6, TOY)
    assert rows.pack(first, pieces) == []
    rows.unpack(pieces, second)
    assert not any(Store(second).run(run.name).is_done() for run in first.glob("runs/*"))

    monkeypatch.setenv("ROTE_OUTPUTS", str(second))
    assert rows.train(1e6, TOY)
    (folder,) = second.glob("sweeps/capacity-*")
    specs = load_plan(second, folder.name).specs
    undisturbed = Store(tmp_path / "undisturbed")
    assert execute_together(specs, undisturbed) == {}
    for spec in specs:
        ours, theirs = (one.run(spec.run_id) for one in (Store(second), undisturbed))
        assert ours.record() == theirs.record()
        assert ours.curve_path.read_bytes() == theirs.curve_path.read_bytes()
        assert ours.circumstances()["resumed_at_step"] == 100
        assert ours.circumstances()["stacked"] == 2


def planted(outputs: Path) -> dict[str, int]:
    """A finished run, and three with two checkpoints each; two are of one stack."""
    sizes = {"done/record.json": 10, "a/checkpoints/0000000007.ee": 40}
    sizes |= {f"{run}/checkpoints/0000000008.{run}f": 60 for run in ("a", "b")}
    sizes |= {f"{run}/checkpoints/0000000009.{run}e": 50 for run in ("a", "b")}
    sizes |= {"c/checkpoints/0000000090.aa": 70, "c/checkpoints/0000000080.ff": 1}
    for name, size in sizes.items():
        path = outputs / "runs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(range(size)))
    (outputs / "compiled").mkdir()
    (outputs / "compiled" / "kernel").write_bytes(b"x" * 1000)
    return sizes


@pytest.mark.parametrize(
    ("most", "checkpoints"),
    [(1000, ["a/0000000009.ae", "b/0000000009.be", "c/0000000090.aa"]),
     (110, ["c/0000000090.aa"]), (60, ["a/0000000009.ae"]), (10, [])],
)  # fmt: skip
def test_the_newest_checkpoints_that_fit_are_carried(
    most: int, checkpoints: list[str], rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = planted(tmp_path / "here")
    monkeypatch.setattr(rows, "PIECE_BYTES", 100)
    lines = rows.pack(tmp_path / "here", tmp_path / "pieces", most)
    assert len(lines) == 3 - len(checkpoints)
    assert all("checkpoint of 0.0 MiB is left out" in line for line in lines)
    assert max(path.stat().st_size for path in (tmp_path / "pieces").iterdir()) <= 100
    rows.unpack(tmp_path / "pieces", tmp_path / "there")
    found = {path for path in (tmp_path / "there").rglob("*") if path.is_file()}
    wanted = {"done/record.json", *(name.replace("/", "/checkpoints/") for name in checkpoints)}
    assert found == {tmp_path / "there" / "runs" / name for name in wanted}
    for name in wanted:
        assert (tmp_path / "there" / "runs" / name).read_bytes() == bytes(range(sizes[name]))


@pytest.mark.parametrize(
    ("words", "reason"),
    [("--to pieces", "pieces holds pieces already"), ("--from pieces", "holds runs already"),
     ("--from here --to there", "here holds no outputs.tar.gz.0")],
)  # fmt: skip
def test_nothing_is_overwritten_and_nothing_trained_first(
    words: str,
    reason: str,
    rows: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "here"))
    planted(tmp_path / "here")
    rows.pack(tmp_path / "here", tmp_path / "pieces")
    with pytest.raises(SystemExit) as refused:
        rows.main(["60", *words.split()])
    assert refused.value.code == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]
