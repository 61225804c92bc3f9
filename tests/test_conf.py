"""Every YAML of conf/ and sweeps/ is a test case."""

import json
import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from rote.analysis.report import kinds
from rote.cluster.planning import make_plan
from rote.config.compose import groups
from rote.config.data_resolver import DataResolver
from rote.config.folders import conf_folder, sweep_files
from rote.config.sweep import read_sweep
from rote.core.progress import no_progress
from rote.ledger.spec import Spec
from rote.run.preflight import Preflight
from rote.tasks.text.sources import Piece
from rote.tasks.text.tokenisers import TrainedBPE
from tests.conftest import COMPOSER, points
from tests.models.formulas import gpt_parameters, nanogpt_parameters

CHOICES = [(group, name) for group, names in groups().items() for name in names]
COMMENT = re.compile(
    r"# (nanogpt, )?(\d+) layers?, (\d+) wide: ([\d,]+) parameters at V=(\d+), S=(\d+)"
)
TEXT = "rote.tasks.text.task.Text"
CHOOSES_TEXT = re.compile(r"\btask(@[\w.]+)?:[^#\n]*\b(text|fineweb)\b")
OF_GROUP = {"task/split": ["task=arithmetic"], "task/batching": ["task=arithmetic"]}
PRINTED = {  # the capacity paper's own counts, in other words than our formula's
    (1, 32, 2048, 64): 80_352,
    (2, 128, 2048, 64): 667_136,
    (8, 128, 2048, 64): 1_856_768,
    (12, 768, 50257, 64): 123_702_528,
    (48, 1600, 50257, 64): 1_556_075_200,
}
# Barron and White 2025: one layer, MLP x 1, no biases, 17 characters; positions are not counted.
PRINTED_WITHOUT_POSITIONS = {14: 1_456, 28: 5_264, 56: 19_936}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where text is prepared, once for all tests of this module."""
    folder = tmp_path_factory.mktemp("outputs")
    texts = [f"{n} times {n + 1} is {n * (n + 1)}, and so it stays. " * 20 for n in range(80)]
    rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "rows.jsonl").write_text(rows)
    trained = TrainedBPE(vocab_size=260, train_bytes=1000).encoder(
        iter([Piece("so it stays, and so it is", ends_document=True)])
    )
    trained.save(folder)
    return folder


@pytest.fixture(autouse=True)
def _outputs_of_this_module(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(outputs))


def needed_beside(group: str, name: str, outputs: Path) -> list[str]:
    """What a choice cannot do without; of the hub's readers, the one that needs no network."""
    small = ["task.num_sequences=10", "task.num_heldout_sequences=2"]
    rows = outputs / "rows.jsonl"
    files = ["task=text", "task/source=files", f"task.source.paths=[{rows}]", *small]
    local = [
        "task.source.repository=json", "task.source.name=null", "task.source.split=train",
        f"task.source.data_files=[{rows}]", *small,
    ]  # fmt: skip
    return {
        ("measure", "superset"): files,
        ("precision", "fp8"): ["host.accelerator=gpu"],
        ("measure", "exposure"): ["task=canaries"],
        ("control", "insertion"): ["task=canaries"],
        ("measure", "exact_match"): ["task=arithmetic"],
        ("task/split", "length"): ["task=arithmetic", "task.largest_operand=10"],
        ("task", "fineweb"): local,
        ("task/source", "python_library"): ["task=text"],
        ("task/source", "files"): files,
        ("task/source", "huggingface"): ["task=text", *local],
        ("task/tokeniser", "bytes"): files,
        ("task/tokeniser", "bpe"): [*files, "task.tokeniser.vocab_size=280"],
        ("task/tokeniser", "file"): [*files, f"task.tokeniser.path={outputs}/tokeniser.json"],
    }.get((group, name), OF_GROUP.get(group, []))


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_choice_can_run(group: str, name: str, outputs: Path) -> None:
    choice = f"{group}=[{name}]" if group in ("measure", "control") else f"{group}={name}"
    config = COMPOSER.config([choice, *needed_beside(group, name, outputs)])
    spec = Spec.from_config(DataResolver(no_progress).resolved(config))
    assert Preflight().facts(spec).parameters > 0


@pytest.mark.parametrize("name", groups()["size"])
def test_a_size_has_exactly_the_parameters_of_its_comment(name: str) -> None:
    path = conf_folder() / "size" / f"{name}.yaml"
    told = COMMENT.match(path.read_text())
    assert told, f"{path.name} begins without its count"
    model, *numbers = told.groups()
    layers, width, count, vocab_size, length = (int(x.replace(",", "")) for x in numbers)
    size = OmegaConf.load(path)
    assert (size.num_layers, size.width) == (layers, width)
    overrides = [f"size={name}", f"task.vocab_size={vocab_size}", f"task.length={length}"]
    shape = {"num_layers": layers, "width": width, "vocab_size": vocab_size, "max_length": length}
    if model:
        overrides.append("model=nanogpt")
        formula = nanogpt_parameters(**shape, mlp_ratio=size.mlp_ratio)
    else:
        formula = gpt_parameters(**shape)
    assert Preflight().parameters(COMPOSER.config(overrides)) == formula == count


def test_the_formula_gives_the_published_counts() -> None:
    for (layers, width, vocab_size, length), count in PRINTED.items():
        formula = gpt_parameters(
            num_layers=layers, width=width, vocab_size=vocab_size, max_length=length
        )
        assert formula == count


def test_the_formula_without_biases_gives_the_published_counts() -> None:
    for width, count in PRINTED_WITHOUT_POSITIONS.items():
        formula = nanogpt_parameters(
            num_layers=1, width=width, mlp_ratio=1, vocab_size=17, max_length=9
        )
        assert formula - 9 * width == count
        size = ["task=arithmetic", "model=nanogpt", f"size=n{width}"]
        assert Preflight().parameters(COMPOSER.config(size)) == formula


def test_a_width_of_the_mlp_reaches_the_model() -> None:
    config = COMPOSER.config(["model=nanogpt", "size=n14", "size.mlp_ratio=2"])
    assert config["model"]["mlp_ratio"] == 2
    assert COMPOSER.config(["model=nanogpt", "size=80k"])["model"]["mlp_ratio"] == 4


SWEEPS = {name: set(CHOOSES_TEXT.findall(path.read_text())) for name, path in sweep_files().items()}
WITH_TEXT = sorted(name for name, sources in SWEEPS.items() if sources)  # a plan prepares it
OFFLINE = [name for name in WITH_TEXT if not any("fineweb" in source for source in SWEEPS[name])]


@pytest.mark.parametrize("name", sorted({*SWEEPS} - {*WITH_TEXT}))
def test_every_sweep_can_be_planned(name: str) -> None:
    plan, facts = make_plan(read_sweep(sweep_files()[name]), COMPOSER)
    assert plan.report in kinds()
    assert len(plan.specs) == len(facts) > 1
    assert len(set(plan.run_ids)) == len(plan.specs)


@pytest.mark.parametrize("name", WITH_TEXT)
def test_every_point_of_a_sweep_on_text_can_be_composed(name: str) -> None:
    sweep, composer = read_sweep(sweep_files()[name]), COMPOSER
    assert sweep.report in kinds()
    configs = [composer.config(line) for line in points(sweep, composer, lambda config: 100_000)]
    assert len(configs) > 1
    assert any(TEXT in json.dumps(config["task"]) for config in configs)


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFLINE)
def test_every_sweep_on_the_standard_library_can_be_planned(name: str) -> None:
    test_every_sweep_can_be_planned(name)


def test_the_published_table_is_there_whole() -> None:
    sizes = [OmegaConf.load(conf_folder() / "size" / f"{name}.yaml") for name in groups()["size"]]
    shapes = {(size.num_layers, size.width) for size in sizes}
    assert shapes >= {(layers, width) for layers in (1, 2, 4, 8) for width in (32, 64, 128, 256)}
