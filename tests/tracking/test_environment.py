"""Mode, project, entity and tags: what the environment says, and what a key of conf/log says."""

from pathlib import Path

import pytest
from tests.conftest import MakeSpec, Refused

from rote.config.compose import Composer
from rote.ledger.store import Store
from rote.run.execute import execute
from rote.tracking import session
from rote.tracking.offline import logs, records


@pytest.mark.parametrize(
    ("variable", "value", "mode", "allowed"),
    [
        ("WANDB_MODE", "disabled", "online", "disabled"),
        ("WANDB_MODE", "disabled", "offline", "disabled"),
        ("WANDB_MODE", "offline", "online", "offline"),
        ("WANDB_MODE", "dryrun", "online", "offline"),
        ("WANDB_MODE", "online", "offline", "offline"),
        ("WANDB_MODE", "", "online", "online"),
        ("WANDB_DISABLED", "true", "online", "disabled"),
        ("WANDB_DISABLED", "1", "offline", "disabled"),
        ("WANDB_DISABLED", "false", "offline", "offline"),
    ],
)
def test_the_stricter_mode_holds(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, mode: str, allowed: str
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv(variable, value)
    assert session.allowed_mode(mode) == allowed


def test_a_run_without_wandb_leaves_no_log_and_waits_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = session.begin(tmp_path, run_id="0123456789abcdef", mode="online", project="rote")
    run.log({"loss": 1.0}, step=0, commit=True)
    session.end(run)
    assert not list(tmp_path.rglob("*run-*"))


def test_a_report_is_not_logged_where_wandb_is_off(
    monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setenv("WANDB_DISABLED", "true")
    assert "turns wandb off" in refused("report", "demo", "--wandb")


def test_a_key_comes_before_the_environment_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def observer(*overrides: str) -> dict[str, object]:
        return dict(Composer().config(["log=offline", *overrides])["log"]["observers"]["wandb"])

    for name in ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_TAGS"):
        monkeypatch.delenv(name, raising=False)
    usual = observer()
    assert [usual[key] for key in ("project", "entity", "tags")] == ["rote", None, None]
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    monkeypatch.setenv("WANDB_ENTITY", "team")
    monkeypatch.setenv("WANDB_TAGS", "a,b")
    found = observer("log.observers.wandb.project=mine")
    assert [found[key] for key in ("project", "entity", "tags")] == ["mine", "team", "a,b"]
    monkeypatch.setenv("WANDB_RUN_GROUP", "both")
    assert [observer()["group"], observer("log.group=demo")["group"]] == ["both", "demo"]


def test_tags_come_after_those_of_rote(tiny: MakeSpec, store: Store) -> None:
    spec = tiny("log=offline", "log.observers.wandb.tags='paper, gpt'")
    execute(spec, store)
    (path,) = logs(store.run(spec.run_id).path)
    (run,) = (each.run for each in records(path) if each.WhichOneof("record_type") == "run")
    assert list(run.tags) == ["Uniform", "GPT", "fp32", "paper", "gpt"]


@pytest.mark.parametrize("is_on_gpu", [False, True])
def test_wandb_samples_the_machine_where_a_run_is_on_a_gpu_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_on_gpu: bool
) -> None:
    identity = {"run_id": "0123456789abcdef", "mode": "offline", "project": "rote"}
    run = session.begin(tmp_path, samples_gpu=is_on_gpu, **identity)
    session.end(run)
    (path,) = logs(tmp_path)
    kinds = [each.WhichOneof("record_type") for each in records(path)]
    assert ("stats" in kinds) == is_on_gpu
