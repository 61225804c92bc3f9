"""./conf and the modules of the current folder: what is found, and whose wish lets it run."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.conftest import Refused

from rote.cli.main import main
from rote.config import trust
from rote.config.build import target_of
from rote.config.compose import Composer, groups
from rote.config.folders import conf_folder, own_conf_folder, sweep_files
from rote.config.sweep import load_sweep, with_overrides
from rote.core import own_modules
from rote.ledger.spec import Spec

MODULE = """
from pathlib import Path

from rote.models.gpt import GPT

Path({mark!r}).touch()

class Mine(GPT):
    pass
"""
MODEL = """
_target_: own_module.Mine
num_layers: ${size.num_layers} # blocks
width: ${size.width}
num_heads: ${size.num_heads}
"""
SWEEP = "question: theirs?\nreport: capacity\nfixed: {size: demo_s, MODEL}\n"


def put(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a model in it; nobody has chosen it yet."""
    place = tmp_path / "place"
    put(place, conf__model__mine_yaml=MODEL)
    (place / "own_module.py").write_text(MODULE.format(mark=str(tmp_path / "mark")))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # put back after the test
    monkeypatch.setattr("sys.argv", ["rote"])
    monkeypatch.delenv("ROTE_ALLOW", raising=False)
    monkeypatch.chdir(place)
    new_process(monkeypatch)
    yield place
    sys.modules.pop("own_module", None)


def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """In which nothing was composed, and that has imported nothing from the current folder."""
    monkeypatch.setattr(trust, "_composed", set())
    monkeypatch.setattr(own_modules._finder, "folders", [])
    sys.modules.pop("own_module", None)


def was_run(folder: Path) -> bool:
    """Whether the module of the folder was imported."""
    return (folder.parent / "mark").exists()


def test_a_model_of_the_folder_is_composed_and_built(folder: Path) -> None:
    assert "mine" in groups()["model"]
    config = Composer().config(["model=mine", "size=demo_s"])
    assert config["model"]["width"] == 12
    assert target_of(config["model"]).__name__ == "Mine"


@pytest.mark.parametrize(
    "words",
    [
        ["train", "model=mine", "size=demo_s"],
        ["train", "-m", "model=mine", "size=demo_s"],
        ["train", "-m", "model=mine,gpt", "hydra/sweeper=basic", "size=demo_s"],
        ["sweep", "heads", "model=mine", "seed=0", "ratio=1"],
        ["train", "model._target_=own_module.Mine", "size=demo_s"],
        ["train", "--config-dir", "more", "model=also_mine", "size=demo_s"],
        ["train", "-m", "--config-dir", "more", "model=also_mine", "size=demo_s"],
    ],
    ids=" ".join,
)
def test_naming_it_on_the_command_line_is_enough(folder: Path, words: list[str]) -> None:
    put(folder, more__model__also_mine_yaml=MODEL)
    assert main([*words, "--dry-run"]) == 0
    assert was_run(folder)


@pytest.mark.parametrize("words", [["model=mine"], ["--config-dir", "conf", "model=mine"]])
def test_what_is_shown_is_what_is_composed(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["train", *words, "--cfg", "job", "--resolve"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown == Composer().config(["model=mine"])
    assert not was_run(folder)


def test_a_folder_that_holds_a_model_runs_nothing_by_itself(folder: Path) -> None:
    assert main(["train", "--dry-run", "size=demo_s"]) == 0
    assert main(["sweep", "heads", "--dry-run"]) == 0
    assert not was_run(folder)
    assert not (folder.parent / "state").exists()


@pytest.mark.parametrize("settings", ["model: mine", "model._target_: own_module.Mine"])
def test_a_sweep_file_runs_it_only_where_its_user_chose_it_before(
    folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    put(folder, sweeps__theirs_yaml=SWEEP.replace("MODEL", settings))
    for words in (["sweep", "theirs"], ["train", "-m", "+sweep=theirs"]):
        assert "names _target_=own_module.Mine, which is not all" in refused(*words, "--dry-run")
    assert not was_run(folder)

    assert main(["train", "model=mine", "size=demo_s", "--dry-run"]) == 0
    new_process(monkeypatch)
    assert main(["sweep", "theirs", "--dry-run"]) == 0

    elsewhere = folder.parent / "elsewhere"  # the same files, in a folder where it was not chosen
    folder.rename(elsewhere)
    (folder.parent / "mark").unlink()
    monkeypatch.chdir(elsewhere)
    new_process(monkeypatch)
    assert "own_module.Mine, which is not allowed" in refused("sweep", "theirs", "--dry-run")
    assert not was_run(elsewhere)


def test_the_way_out_is_named(folder: Path, refused: Refused) -> None:
    put(folder, sweeps__theirs_yaml=SWEEP.replace("MODEL", "model: mine"))
    said = refused("sweep", "theirs", "--dry-run")
    assert "choose it yourself once: rote train model=mine --dry-run" in said
    put(folder, conf__model__mine_yaml=MODEL.replace("own_module.Mine", "torch.nn.GRU"))
    assert "set ROTE_ALLOW=torch.nn.GRU" in refused("sweep", "theirs", "--dry-run")


@pytest.mark.parametrize(
    "chosen",
    ["model: inside", "model: mine", "grid_model", "derived_model"],
)
def test_no_way_of_choosing_it_in_a_file_leads_past_that(
    folder: Path, refused: Refused, chosen: str
) -> None:
    put(folder, conf__model__inside_yaml="defaults: [mine, _self_]\n")
    text = SWEEP.replace("MODEL", chosen)
    if chosen == "grid_model":
        text = SWEEP.replace(", MODEL", "") + "grid: {product: {model: [gpt, mine]}}\n"
    if chosen == "derived_model":
        text = SWEEP.replace(", MODEL", "") + "grid: {derive: {model: \"'mi' + 'ne'\"}}\n"
    put(folder, sweeps__theirs_yaml=text)
    assert "own_module.Mine, which is not allowed" in refused("sweep", "theirs", "--dry-run")
    assert not was_run(folder)


def test_choosing_one_file_allows_those_that_it_begins_with_and_no_other(folder: Path) -> None:
    put(
        folder,
        conf__model__inside_yaml="defaults: [mine, _self_]\n",
        conf__model__other_yaml="_target_: own_module.Other\n",
    )
    with_overrides(load_sweep("heads"), ["model=inside"])
    trust.require_allowed({"_target_": "own_module.Mine"})
    with pytest.raises(ValueError, match=r"own_module\.Other, which is not allowed"):
        trust.require_allowed({"_target_": "own_module.Other"})


READS = "question: '${oc.env:SECRET}'\ngroup: null\nkeep_weights: false\nobservers: {}\n"


def test_a_file_of_the_folder_reads_the_environment_only_where_its_user_chose_it(
    folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "token")
    put(
        folder,
        conf__log__mine_yaml=READS,
        conf__log__beside_yaml="defaults: [mine, _self_]\n",
        conf__log__open_yaml="defaults: ['${oc.env:SECRET}', _self_]\n",
    )
    for name, told in (
        ("mine", "holds the interpolation '${oc.env:SECRET}': choose it yourself once: rote"),
        ("beside", "holds the interpolation '${oc.env:SECRET}'"),
        ("open", "a defaults list must name its choices"),
    ):
        put(folder, sweeps__theirs_yaml=SWEEP.replace("MODEL", f"log: {name}"))
        said = refused("sweep", "theirs", "--dry-run")
        assert told in said and "token" not in said
    put(folder, sweeps__theirs_yaml=SWEEP.replace("MODEL", "log: mine"))
    assert main(["train", "log=mine", "size=demo_s", "--dry-run"]) == 0
    new_process(monkeypatch)
    assert main(["sweep", "theirs", "--dry-run"]) == 0


def test_a_spec_needs_more_than_a_folder_where_its_module_was_chosen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Spec.from_config(Composer().config(["model=mine", "size=demo_s"]))
    new_process(monkeypatch)
    with pytest.raises(ValueError, match=r"^spec\.yaml names _target_=own_module\.Mine, which is"):
        trust.require_own([mine], "spec.yaml")
    assert not was_run(folder)
    trust.remember([mine])
    trust.require_own([mine], "spec.yaml")
    assert target_of(mine.what["model"]).__name__ == "Mine"


def test_a_remembered_spec_imports_nothing_from_another_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Spec.from_config(Composer().config(["model=mine", "size=demo_s"]))
    trust.remember([mine])
    (folder.parent / "theirs").mkdir()
    (folder / "own_module.py").rename(folder.parent / "theirs" / "own_module.py")
    monkeypatch.chdir(folder.parent / "theirs")
    new_process(monkeypatch)
    with pytest.raises(ValueError, match=r"neither installed nor one that you have chosen in this"):
        trust.require_own([mine], "spec.yaml")
    assert not was_run(folder)


def test_rotes_own_choices_cannot_be_replaced(folder: Path, refused: Refused) -> None:
    put(folder, conf__model__gpt_yaml=MODEL, conf__size__demo_s_yaml="num_layers: 99\n")
    default = Composer().config([])
    assert default["model"]["_target_"] == "rote.models.gpt.GPT"
    said = refused("train", "model=gpt", "--dry-run")
    assert f"model=gpt is {conf_folder() / 'model' / 'gpt.yaml'} and also" in said
    assert str(folder / "conf" / "model" / "gpt.yaml") in said
    same = (conf_folder() / "size" / "demo_s.yaml").read_text()
    put(folder, conf__size__demo_s_yaml=same)
    assert Composer().config(["size=demo_s"])["size"]["num_layers"] == 1


def test_nor_can_what_hydra_is_told_in_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(folder, conf__hydra__launcher__rote_local_yaml="_target_: own_module.Mine\n")
    assert main(["train", "--cfg", "hydra", "--package", "hydra.launcher"]) == 0
    assert "rote_launcher.launcher.RoteLocalLauncher" in capsys.readouterr().out


def test_a_conf_of_another_program_does_no_harm(folder: Path) -> None:
    put(folder, conf__seed__three_yaml="seed: 3\n", conf__db__mysql_yaml="port: 3306\n")
    assert Composer().config(["seed=4"])["seed"] == 4
    assert not {"seed", "db"} & set(groups())


def test_an_error_names_the_file_that_a_missing_choice_would_be(
    folder: Path, refused: Refused
) -> None:
    place = f"of the current folder ({folder})"
    for words, file in (
        (["train", "model=mien"], "conf/model/mien.yaml"),
        (["train", "task/source=mine"], "conf/task/source/mine.yaml"),
        (["sweep", "mien"], "sweeps/mien.yaml"),
    ):
        assert f"One of your own is the file {file} {place}" in refused(*words)
    assert f"path=file://{folder}/conf" in refused("train", "-m", "model=mien")
    assert "'--config-dir=more' is not known" in refused("sweep", "demo", "--config-dir=more")


def test_an_installed_package_offers_choices_and_sweeps(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, target = tmp_path / "site", "own_module.Mine"
    put(
        site,
        offering__data__conf__model__offered_yaml=MODEL,
        offering__data__sweeps__offered_yaml=SWEEP.replace("MODEL", "model: offered"),
    )
    (site / "offering" / "__init__.py").write_text("raise AssertionError('found, not imported')\n")
    metadata = site / "offering-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[rote.conf]\noffering = offering.data\n")
    (folder / "own_module.py").rename(site / "own_module.py")
    monkeypatch.syspath_prepend(str(site))
    assert "offered" in groups()["model"] and "offered" in sweep_files()
    trust.require_allowed({"_target_": target})  # as what conf/ beside the sources names
    assert main(["sweep", "offered", "--dry-run"]) == 0
    assert main(["train", "model=offered", "--cfg", "job"]) == 0


def test_rotes_own_conf_is_not_taken_for_that_of_the_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(conf_folder().parent)
    assert own_conf_folder() is None
