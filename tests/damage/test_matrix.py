"""Every kind of file, damaged in every way, before every command that reads it."""

from pathlib import Path

import pytest

from rote.analysis.report import Report
from rote.analysis.results import Results
from rote.run.execute import execute
from rote.site.server import Responses
from tests.damage import world
from tests.damage.conftest import Rote

COMMANDS = (
    ["status"],
    ["status", "own"],
    ["status", "--json"],
    ["collect", "own"],
    ["report", "own"],
    ["report", "--all"],
    ["compare", "own", "other"],
    ["logs", "{done}"],
    ["logs", "{failed}"],
    ["logs", "{begun}"],
    ["fit", "own", "--resamples", "0"],
    ["plan", "--from", "own", "--flops", "1e15"],
    ["sweep", "own"],
    ["sweep", "own", "--dry-run"],
    ["resume", "own"],
    ["retry", "own"],
    ["cancel", "own"],
    ["dashboard", "own"],
    ["sync", "--dry-run"],
    ["sync", "own", "--dry-run"],
    ["doctor", "--outputs"],
    ["compress", "{done}", "sweeps/own.yaml", "-o", "own.rote"],
    ["compress", "own", "sweeps/own.yaml", "-o", "own.rote"],
    ["audit", "{done}", "--members", "sweeps/own.yaml", "--nonmembers", "sweeps/other.yaml"],
    ["train", "--spec", "{done_spec}"],
    ["repair", "own"],
)
# Those that take no more than a few hundredths of a second, and read all there is.
QUICK = (["status", "own"], ["logs", "{failed}"], ["logs", "{begun}"], ["doctor", "--outputs"])
DONE = [name for name in world.FILES if name.startswith("done/")]


@pytest.fixture(autouse=True)
def _nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def executed(spec, store, *others, **more):
        if not store.run(spec.run_id).is_done():
            raise RuntimeError("this would train")
        return execute(spec, store, *others, **more)

    monkeypatch.setattr("rote.run.execute.execute", executed)


@pytest.fixture
def _nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn is of no concern here, and takes longer than all that is read."""

    def written(*_: object, folder: Path, results: Results, **__: object) -> Report:
        assert len(results.curves) == len(results.table)
        return Report(folder=folder, page=folder, headlines=(), numbers={})

    def compared(_: object, first: Results, second: Results, folder: Path) -> Report:
        written(folder=folder, results=first)
        return written(folder=folder, results=second)

    monkeypatch.setattr("rote.analysis.report.write_report", written)
    monkeypatch.setattr("rote.analysis.comparison_page.write_comparison", compared)


def words_of(words: list[str], outputs: Path, places: dict[str, str]) -> list[str]:
    return [word.format(**places) for word in words]


def places_of(outputs: Path) -> dict[str, str]:
    done, failed, begun = (world.run_of(outputs, index) for index in (0, 2, 3))
    return {
        "done": done.run_id, "failed": failed.run_id, "begun": begun.run_id,
        "done_spec": str(done.path / "spec.yaml"),
    }  # fmt: skip


def sound(outputs: Path) -> dict[str, bytes]:
    """What the runs of "other" left, but for the one that both sweeps share."""
    run_id = (outputs / "sweeps" / "other" / "plan.json").read_text().split('"run_id": "')[3][:16]
    folder = outputs / "runs" / run_id
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_all_pages(outputs: Path, damaged: Path) -> None:
    """As a browser would; only the page of a damaged file may refuse."""
    answers = Responses(outputs)
    answers.look()
    pages = [*answers._site.files(), "live/index.json"]
    pages += [f"live/sweeps/{name}.json" for name in answers._site.sweeps]
    pages += [f"live/runs/{run_id}.json" for run_id in answers._site.runs]
    for page in pages:
        try:
            assert answers(page) is not None
        except ValueError:
            assert damaged.suffix == ".html"
            assert Path(page).stem == damaged.parent.name


@pytest.mark.slow
@pytest.mark.usefixtures("_nothing_is_drawn")
@pytest.mark.parametrize("damage", world.DAMAGES)
@pytest.mark.parametrize("file", world.FILES)
def test_no_command_raises_or_hangs(outputs: Path, rote: Rote, file: str, damage: str) -> None:
    path = world.FILES[file](outputs)
    places, before = places_of(outputs), sound(outputs)
    world.DAMAGES[damage](path)
    for words in COMMANDS:
        said = rote(*words_of(words, outputs, places))
        assert said.code in (0, 1, 2)
    read_all_pages(outputs, path)
    assert sound(outputs) == before
    assert rote("collect", "other").code in (0, 2)


# One command that reads all, over as many files and damages as a few seconds allow.
CROSS_SECTION = [
    (file, damage)
    for number, file in enumerate(world.FILES)
    for index, damage in enumerate(world.DAMAGES)
    if (number + index) % 11 == 0
]


@pytest.mark.parametrize(("file", "damage"), CROSS_SECTION)
def test_the_reading_of_outputs_survives(outputs: Path, rote: Rote, file: str, damage: str) -> None:
    path = world.FILES[file](outputs)
    places, before = places_of(outputs), sound(outputs)
    world.DAMAGES[damage](path)
    for words in QUICK:
        rote(*words_of(words, outputs, places))
    read_all_pages(outputs, path)
    assert sound(outputs) == before
    assert rote("status", "other").code in (0, 2)


@pytest.mark.parametrize("file", DONE)
@pytest.mark.parametrize("damage", ["flipped", "truncated", "a folder", "a fifo"])
def test_a_damaged_finished_run_is_named_and_left_out(
    outputs: Path, rote: Rote, file: str, damage: str
) -> None:
    path, run = world.FILES[file](outputs), world.run_of(outputs, 0)
    world.DAMAGES[damage](path)
    said = rote("collect", "own")
    assert said.code == 2
    assert "1 of 4 runs" in said.out
    assert str(path) in said.err
    assert run.run_id in rote("status", "own").out
    assert "1 damaged" in rote("status", "own").out
    assert rote("doctor", "--outputs").code == 1
