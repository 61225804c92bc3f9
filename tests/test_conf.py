"""Every YAML of conf/ and sweeps/ is a test case."""

import re

import pytest
from omegaconf import OmegaConf

from rote.analysis.kinds import kinds
from rote.cluster.planning import make_plan
from rote.config.compose import Composer, groups
from rote.config.places import conf_folder, sweep_files
from rote.config.sweep import read_sweep
from rote.ledger.spec import Spec
from rote.models.count import gpt_parameters
from rote.preflight import Preflight

CHOICES = [(group, name) for group, names in groups().items() for name in names]
COMMENT = re.compile(r"# (\d+) layers?, (\d+) wide: ([\d,]+) parameters at V=(\d+), S=(\d+)")
PRINTED = {  # the capacity paper's own counts, in other words than our formula's
    (1, 32, 2048, 64): 80_352,
    (2, 128, 2048, 64): 667_136,
    (8, 128, 2048, 64): 1_856_768,
    (12, 768, 50257, 64): 123_702_528,
    (48, 1600, 50257, 64): 1_556_075_200,
}


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_choice_can_run(group: str, name: str) -> None:
    choice = f"{group}=[{name}]" if group == "measure" else f"{group}={name}"
    spec = Spec.from_config(Composer().config([choice]))
    assert Preflight().facts(spec).parameters > 0


@pytest.mark.parametrize("name", groups()["size"])
def test_a_size_has_exactly_the_parameters_of_its_comment(name: str) -> None:
    path = conf_folder() / "size" / f"{name}.yaml"
    told = COMMENT.match(path.read_text())
    assert told, f"{path.name} begins without its count"
    layers, width, count, vocab_size, length = (int(x.replace(",", "")) for x in told.groups())
    size = OmegaConf.load(path)
    assert (size.num_layers, size.width) == (layers, width)
    overrides = [f"size={name}", f"task.vocab_size={vocab_size}", f"task.length={length}"]
    config = Composer().config(overrides)
    built = Preflight().parameters(config)
    formula = gpt_parameters(
        num_layers=layers, width=width, vocab_size=vocab_size, max_length=length
    )
    assert built == formula == count


def test_the_formula_gives_the_published_counts() -> None:
    for (layers, width, vocab_size, length), count in PRINTED.items():
        formula = gpt_parameters(
            num_layers=layers, width=width, vocab_size=vocab_size, max_length=length
        )
        assert formula == count


@pytest.mark.parametrize("name", sorted(sweep_files()))
def test_every_sweep_can_be_planned(name: str) -> None:
    sweep = read_sweep(sweep_files()[name])
    assert sweep.report in kinds()
    plan, facts = make_plan(sweep, Composer())
    assert len(plan.specs) == len(facts) > 1
    assert len(set(plan.run_ids)) == len(plan.specs)


def test_the_published_table_is_there_whole() -> None:
    sizes = [OmegaConf.load(conf_folder() / "size" / f"{name}.yaml") for name in groups()["size"]]
    shapes = {(size.num_layers, size.width) for size in sizes}
    assert shapes >= {(layers, width) for layers in (1, 2, 4, 8) for width in (32, 64, 128, 256)}
