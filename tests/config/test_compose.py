"""What is refused, in which words; what is accepted, and how it resolves."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tests.conftest import points

from rote.config.choices import unknown
from rote.config.compose import MAIN, Composer
from rote.config.folders import conf_folder
from rote.config.hydra_version import VERSION_BASE
from rote.config.sweep import load_sweep


def composed_by_hydra(folder: Path, overrides: Sequence[str]) -> Any:
    with initialize_config_dir(str(folder), **VERSION_BASE):
        return OmegaConf.to_container(compose(MAIN, overrides=list(overrides)), resolve=True)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("precision=fp23", r"precision 'fp23' is not known\. Did you mean 'fp32'\? .*bf16_mixed"),
        ("size=81k", r"size '81k' is not known\. Did you mean '80k'\?"),
        ("task.num_sequnces=5", r"key 'task\.num_sequnces' .* mean 'task\.num_sequences'\?"),
        ("+task.typo=5", r"key 'task\.typo' is not known"),
        ("++optim.lr=5", r"key 'optim\.lr' is not known.* 'optim\.optimiser\.lr'"),
        ("optim.optimiser={lr:1,lrr:2}", r"key 'optim\.optimiser\.lrr' is not known"),
        ("~task.length", r"cannot be taken away"),
        ("task/source=file", r"task/source 'file' is not known\. Did you mean 'files'\?"),
        ("task/source=files", r"Could not override 'task/source'"),
        ("seed=1,2", r"several values: use -m or rote sweep"),
        ("seed", r"seed"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Composer().config([override])
    assert "\n" not in str(caught.value)


def test_a_setting_reaches_what_refers_to_it() -> None:
    config = Composer().config(["size.width=48", "size.num_heads=3", "log.group=mine"])
    assert (config["model"]["width"], config["model"]["num_heads"]) == (48, 3)
    assert config["log"]["observers"]["wandb"]["group"] == "mine"


def test_groups_inside_groups_are_chosen_by_their_path() -> None:
    config = Composer().config(["optim/schedule=cosine", "optim.schedule.final_fraction=0.1"])
    assert config["optim"]["schedule"] == {
        "_target_": "rote.optim.schedules.cosine",
        "_partial_": True,
        "warmup_steps": 100,
        "final_fraction": 0.1,
    }


def test_numbers_in_scientific_notation_are_numbers() -> None:
    assert Composer().config(["optim=adamw"])["optim"]["optimiser"]["lr"] == 0.001


MIXED = [
    [],
    ["size=1.5b", "precision=bf16_true", "optim=adamw", "host=slurm", "log=online"],
    ["optim/schedule=cosine", "optim=adamw", "budget=demo", "optim.schedule.warmup_steps=7"],
    ["task=fineweb", "task.source.max_documents=5", "seed=3"],
    ["task/tokeniser=bpe", "task=fineweb", "task.tokeniser.vocab_size=300", "size=93k"],
    ["task=text", "task/source=files", "task.source.paths=[a.txt,'b c.txt']", "optim=adamw"],
    ["size=demo_s", "size.width=24", "log.group=mine", "optim.optimiser={lr:1,momentum:0.5}"],
    ["optim.optimiser.lr=0.5", "optim.optimiser.adamw_betas=[0.8,0.9]"],
    ["optim.optimiser.lr=0.5", "optim.optimiser.adamw_betas=[0.8,0.9]", "size.width=32"],
    [],  # what the others set has left no trace
]


def test_every_point_is_what_hydra_composes() -> None:
    capacity = points(load_sweep("capacity"), Composer(), lambda _: 1000)
    sample = [*MIXED, *list(capacity)[::280]]
    composer = Composer()  # one for all: no point may change what the next one is made from
    for overrides in sample:
        assert composer.config(overrides) == composed_by_hydra(conf_folder(), overrides)
    assert len(sample) > len(MIXED)


def test_points_share_the_groups_that_they_set_alike_and_change_no_other_points() -> None:
    composer = Composer()
    words = ["size.num_heads=2", "task.num_sequences=20"]
    one, other = (composer.config([*words, f"seed={seed}"]) for seed in (1, 2))
    assert (one.pop("seed"), other.pop("seed")) == (1, 2)
    assert all(one[name] is other[name] for name in one)
    more = composer.config(["size.num_heads=2", "task.num_sequences=21"])
    assert more["model"] is one["model"]
    assert (one["task"]["num_sequences"], more["task"]["num_sequences"]) == (20, 21)


@pytest.mark.parametrize(
    "overrides",
    [
        ["size.num_heads=2", "size.width=24", "size.num_heads=3"],  # order matters
        ["log=online", "log.observers.wandb.group=own", "log.group=all"],
        ["log=online", "log.group=all", "log.observers.wandb={group:own}"],
        ["budget.batch_size=${task.num_sequences}", "task.num_sequences=7"],
        ["optim.optimiser.lr=1", "optim.optimiser={lr:2,momentum:0.5}", "size.num_heads=2"],
    ],
)
def test_settings_that_overlap_or_refer_are_what_hydra_makes_of_them(overrides: list[str]) -> None:
    assert Composer().config(overrides) == composed_by_hydra(conf_folder(), overrides)


def test_a_choice_that_reaches_into_another_group_is_composed_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(conf_folder(), tmp_path / "conf")
    reaching = "# @package _global_\nsize: {width: 8}\noptim: {optimiser: {lr: 7.0}}\n"
    (folder / "budget" / "reaching.yaml").write_text(
        f"{reaching}budget: {{_target_: any, max_steps: 9}}\n"
    )
    new = '# @package _global_\nnew: {key: 1}\nmeasure: {_target_: any, key: "${new.key}"}\n'
    (folder / "measure" / "new.yaml").write_text(new)
    for module in ("folders", "primary"):
        monkeypatch.setattr(f"rote.config.{module}.conf_folder", lambda: folder)
    composer = Composer()
    for overrides in (
        ["budget=reaching", "size=93k"],
        ["budget=reaching", "optim=adamw", "size=93k", "seed=3"],
        ["budget=reaching", "precision=tf32"],
        ["measure=new", "precision=tf32"],
    ):
        assert composer.config(overrides) == composed_by_hydra(folder, overrides)


def test_the_nearest_choice_is_named_and_all_are_listed() -> None:
    told = str(unknown("size", "81k", ["80k", "93k"]))
    assert told == "size '81k' is not known. Did you mean '80k'? Choices: 80k, 93k"


def test_where_there_are_none_none_are_listed() -> None:
    assert str(unknown("launched sweep", "demo", [])) == (
        "launched sweep 'demo' is not known: there is none yet"
    )
