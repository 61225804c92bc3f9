"""What Hydra shows is what is trained, or one line refuses it: flags, grammar, search paths."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from tests.conftest import Refused, points

from rote.cli.hydra_flags import _parser
from rote.cli.main import main
from rote.config.composed import plain
from rote.config.folders import conf_folder
from rote.config.hydra_version import VERSION_BASE

MINE = """\
defaults:
  - train
  - override size: demo_m
  - override optim/schedule: cosine
  - _self_
seed: 9
shared: {length: 24}
task: {length: '${shared.length}', vocab_size: '${oc.decode:${oc.env:MY_VOCABULARY,17}}'}
budget: {batch_size: '${.check_every_steps}'}
"""
OWN_SIZE = "num_layers: 1\nwidth: 40\nnum_heads: 4\n"
Shown = Callable[..., dict[str, Any]]

EQUAL: list[list[str]] = [
    ["--config-name", "mine"],
    ["-cn", "mine", "seed=4"],
    ["--config-name=mine", "shared.length=12"],
    ["seed=3", "--config-name", "mine", "size=ours"],
    ["size=ours"],
    ["size=ours", "size.width=48", "task.length=9"],
    ["--config-name", "mine", "budget.check_every_steps=20"],
    ["hydra.searchpath=[file://{more}]", "size=theirs"],
    ["--config-name", "searching", "size=theirs"],
    ["seed=${{task.length}}"],
    ["size.width='${{task.length}}'"],
    ["log.group='5'"],
    ["log.group='a, b=c'"],
    ['log.group="it\'s"'],
    [r"log.group='C:\dir\x'"],
    ["log.group=str(5)"],
    ["seed=int(3.0)"],
    ["optim.optimiser.lr=float(1)"],
    ["optim.optimiser={{lr:0.5,momentum:0.25}}"],
    ["log.observers={{wandb:{{project:other}}}}", "log=offline"],
    ["log.observers.wandb={{mode:online,notes:null}}", "log=offline"],
    ["log.observers={{}}"],
    ["optim.optimiser.adamw_betas=[0.8,0.9]"],
    ["++task.length=5"],
    ["++optim.optimiser={{lr:0.25}}"],
    ["+optim.optimiser={{lr:0.25}}"],
    ["log.group=null"],
    ["log.group="],
    ["log.keep_weights=true"],
    ["control=[dropout,goldfish]"],
    ["size=80k", "size=93k"],
    ["seed=1", "seed=2"],
    ["optim/schedule=linear", "optim=adamw"],
    ["host=slurm", "host.by_parameters=[{{up_to_parameters:null,nodes:2}}]"],
    ["log.group=a\\,b"],
    ["hydra.verbose=false", "seed=8"],
    ["hydra/job_logging=disabled", "seed=8"],
    ["--config-path", "{whole}", "--config-name", "small"],
]
REFUSED: list[tuple[list[str], str]] = [
    (["~seed"], "'~seed': a key cannot be taken away"),
    (["~log"], "'~log': a key cannot be taken away"),
    (["+seed=3"], "the key is there already: write seed=3"),
    (["+size=80k"], "size appears more than once"),
    (["optim@other=muon"], "Could not override 'optim@other'"),
    (["+optim@other=muon"], "key 'other' has no effect"),
    (["+typo=3"], "key 'typo' is not known"),
    (["typo={{}}"], "key 'typo' is not known"),
    (["log.observers={{wandb.project:x}}"], "write log.observers.wandb.project=..."),
    (["size=[choice(80k,93k)]"], "cannot stand inside a value"),
    (["size=80k,93k"], "gives several values"),
    (["size=glob(8*)"], "gives several values"),
    (["seed=range(3)"], "gives several values"),
    (["--config-name", "typing"], "key 'note' has no effect"),
    (["--config-name", "typing_size"], "key 'size.widht' has no effect"),
    (["--config-name", "none"], "Cannot find primary config 'none'"),
    (["--config-name", "bare"], "the configuration has no"),
    (["measure=[]"], "the configuration has no 'measure'"),
    (["-cd", ".", "+seed=3"], "An item is already at 'seed'"),
    (["-cd", ".", "size=80k,93k"], "To sweep over it, add --multirun"),
    (["-cd", ".", "+typo=3"], "key 'typo' is not known"),
    (["--config-dir", "nowhere"], "nowhere' not found"),
    (["--experimental-rerun", "config.pickle"], "rote train --spec FILE repeats a run"),
    (["--shell-completion"], "use rote completion"),
    (["--resolve"], "give --cfg job as well"),
    (["--package", "task"], "give --cfg job as well"),
    (["-m", "--cfg", "job"], "--multirun and --cfg exclude each other"),
    (["--config-name", "mine", "--spec", "spec.yaml"], "takes one file and nothing else"),
    (["log.group=a b,c="], "cannot read"),
    (["seed=nothing(3)"], "Unknown function 'nothing'"),
]  # fmt: skip
GRIDS: list[tuple[list[str], list[list[str]]]] = [
    (["-m", "--config-name", "mine", "seed=0,1"], [["seed=0"], ["seed=1"]]),
    (["-m", "size=ours,93k"], [["size=ours"], ["size=93k"]]),
    (["-m", "size=glob(our*)"], [["size=ours"]]),
    (["-m", "log.group='5','a, b'"], [["log.group='5'"], ["log.group='a, b'"]]),
    (["-m", "log.group=[x]", "seed=0"], [["log.group=[x]", "seed=0"]]),
    (["-m", r"log.group='C:\a\x'"], [[r"log.group='C:\a\x'"]]),
    (["-m", "hydra.searchpath=[file://{more}]", "size=theirs"], [["size=theirs"]]),
    (["hydra.mode=MULTIRUN", "seed=5"], [["seed=5"]]),
    (["-m", "+hydra.sweeper.params={{seed:'0,1'}}"], [["seed=0"], ["seed=1"]]),
    (["-m", "+hydra.sweeper.params={{seed:'0,1'}}", "seed=3"], [["seed=3"]]),
    (["-m", "--config-name", "sweeping"], [["seed=4"], ["seed=5"]]),
    (["-m", "+seed=0,1"], []),
]  # fmt: skip


def mostly_slow(cases: Sequence[Any]) -> list[Any]:
    """Each composes as Hydra does, in half a second: one in three is for the quick tests."""
    return [
        case if number % 3 == 0 else pytest.param(*_words(case), marks=pytest.mark.slow)
        for number, case in enumerate(cases)
    ]


def _words(case: Any) -> Sequence[Any]:
    return case if isinstance(case, tuple) else (case,)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The user's own configurations: in the current folder, in `more`, and a `whole` one."""
    texts = {
        "mine.yaml": MINE,
        "size/ours.yaml": OWN_SIZE,
        "more/size/theirs.yaml": OWN_SIZE.replace("40", "44"),
        "searching.yaml": f"defaults: [train, _self_]\nhydra: {{searchpath: [{tmp_path}/more]}}\n",
        "sweeping.yaml": "defaults: [train, _self_]\nhydra: {sweeper: {params: {seed: '4,5'}}}\n",
        "typing.yaml": "defaults: [train, _self_]\nnote: nobody reads this\n",
        "typing_size.yaml": "defaults: [train, _self_]\nsize: {widht: 5}\n",
        "bare.yaml": "seed: 1\n",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # put back after the test
    monkeypatch.delenv("MY_VOCABULARY", raising=False)
    monkeypatch.setattr("sys.argv", ["rote"])
    return {"more": str(tmp_path / "more"), "whole": str(tmp_path / "whole")}


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """What Hydra itself composes."""

    def show(*words: str) -> dict[str, Any]:
        if needs_application(words):
            assert main(["train", *words, "--cfg", "job", "--resolve"]) == 0
            return dict(yaml.safe_load(capsys.readouterr().out))
        with initialize_config_dir(str(conf_folder()), **VERSION_BASE):
            return plain(compose("train", overrides=list(words)))

    return show


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The configurations that would be trained."""
    given: list[dict[str, Any]] = []

    def note(config: dict[str, Any]) -> int:
        given.append(config)
        return 0

    def note_grid(sweep: Any, composer: Any, **_: Any) -> int:
        given.extend(composer.config(point) for point in points(sweep, composer, lambda _: 1))
        return 0

    monkeypatch.setattr("rote.cli.train._run_one", note)
    monkeypatch.setattr("rote.cli.launching.launch_sweep", note_grid)
    return given


def needs_application(words: Sequence[str]) -> bool:
    return any(word.startswith(("-", "hydra", "+hydra")) for word in words)


def filled(words: Sequence[str], folders: dict[str, str]) -> list[str]:
    """With the user's folder as --config-dir, where the words name a file of it."""
    texts = [word.format(**folders) for word in words]
    of_user = ("ours", "our*", "--config-name", "-cn")
    is_theirs = any(mark in word for word in texts for mark in of_user)
    return ["-cd", ".", *texts] if is_theirs and "--config-path" not in texts else texts


def whole(folder: Path, shown: Shown) -> None:
    """A folder that holds a configuration of its own, and nothing of ours."""
    folder.mkdir()
    (folder / "small.yaml").write_text(yaml.safe_dump(shown("seed=6", "log=none")))


@pytest.mark.parametrize("words", mostly_slow(EQUAL), ids=" ".join)
def test_what_is_shown_is_trained(
    folders: dict[str, str], shown: Shown, trained: list[dict[str, Any]], words: list[str]
) -> None:
    if "--config-path" in words:
        whole(Path(folders["whole"]), shown)
    given = filled(words, folders)
    assert main(["train", *given]) == 0
    assert trained == [shown(*given)]


@pytest.mark.parametrize(("words", "told"), REFUSED, ids=lambda each: str(each)[:60])
def test_or_it_is_refused_in_one_line(
    folders: dict[str, str],
    trained: list[dict[str, Any]],
    refused: Refused,
    words: list[str],
    told: str,
) -> None:
    given = [word.format(**folders) for word in words]
    assert told in refused("train", *filled(words, folders)), given
    assert not trained


@pytest.mark.parametrize(("words", "each"), mostly_slow(GRIDS), ids=lambda each: str(each)[:60])
def test_a_grid_is_composed_from_the_same_files(
    folders: dict[str, str],
    shown: Shown,
    trained: list[dict[str, Any]],
    words: list[str],
    each: list[list[str]],
) -> None:
    given = filled(words, folders)
    code = main(["train", *given])
    found = list(trained)
    kept = [w for w in given if w != "-m" and "sweeper" not in w and not w.startswith("hydra.mode")]
    axes = {word.partition("=")[0] for point in each for word in point}
    kept = [word for word in kept if word.partition("=")[0] not in axes]
    assert found == [shown(*kept, *point) for point in each]
    assert code == (0 if each else 2)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("hydra.sweep.dir=there", "'hydra.sweep.dir=there' has no effect on a grid"),
        ("+hydra.job.env_set.A=b", "has no effect on a grid"),
        ("hydra.launcher.timeout_min=3", "is for other applications"),
    ],
)
def test_settings_that_a_grid_does_not_heed_are_refused(
    folders: dict[str, str], trained: list[dict[str, Any]], refused: Refused, word: str, told: str
) -> None:
    assert told in refused("train", "-m", "seed=0,1", word)
    assert not trained


def test_two_primary_configurations_are_two_sweeps(
    folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    monkeypatch.setattr("rote.cli.launching.launch_sweep", lambda s, *_, **__: names.append(s.name))
    for words in ([], ["-cd", "."], ["-cd", ".", "--config-name", "mine"]):
        main(["train", "-m", "seed=0,1", *words])
    assert len(set(names)) == 3


def test_hydras_flags_are_known_and_no_other() -> None:
    ours = {flag for action in _parser()._actions for flag in action.option_strings}
    hydras = {flag for action in get_args_parser()._actions for flag in action.option_strings}
    assert ours - {"--spec", "--dry-run"} == hydras - {"--help", "-h"}
