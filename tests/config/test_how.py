"""Keys of host and log: each has a type and a range, also inside of a rule, and is named."""

from typing import Any

import pytest

from rote.cluster.host import host_of
from rote.config.compose import Composer, groups
from rote.config.host_and_log import HOST, LOG, require_host, require_log

COMPOSER = Composer()
NULL: tuple[str, ...] = ("null",)
NOT_WHOLE = ("true", "1.5", "nan", "-1", "4GB", "[1]", "inf", "''")
NOT_NUMBERS = ("true", "nan", "inf", "-1", "soon", "[]")
NOT_WORDS = ("true", "'a b'", "''", "-p", "1.5", "[a]", '"a\n#SBATCH --uid=0"', "'a\tb'")
FROM_ONE = (
    "time_minutes", "cpus_per_task", "nodes", "tasks_per_node", "runs_at_once", "stack", "threads",
)  # fmt: skip
WRONG = {
    **dict.fromkeys(FROM_ONE, (*NOT_WHOLE, *NULL, "0")),
    **dict.fromkeys(("mem_per_cpu_mb", "max_array_size", "max_parallel_jobs"), (*NOT_WHOLE, "0")),
    **dict.fromkeys(("partition", "account", "qos"), NOT_WORDS),
    "signal_seconds": (*NOT_WHOLE, *NULL, "0", "70000", "14400"),
    "gpus_per_node": (*NOT_WHOLE, *NULL),
    "constraint": ("true", "''", "5", "\"a\nb\""),
    "extra_sbatch": (*NULL, "hold", "[5]", "['-p low']", "['two words']", "[\"a=b\nc\"]"),
    "setup": (*NULL, "'module load x'", "[5]"),
    "pack_minutes": (*NOT_NUMBERS, *NULL),
    "flops_per_second": (*NOT_NUMBERS, *NULL, "0"),
    "step_overhead_seconds": (*NOT_NUMBERS, *NULL),
    **dict.fromkeys(("recompute_above_gib", "accumulate_above_gib"), NOT_NUMBERS),
    "attention": ("true", "fast", "''"),
    "gpu_memory_gib": (*NOT_NUMBERS, "0"),
    "checkpoint_every_seconds": NOT_NUMBERS,
    "checkpoint_pairs": ("yes_please", "1", "null"),
    "by_parameters": (*NULL, "5", "[5]", "[{up_to_parameters:0}]"),
    "accelerator": (*NULL, "tpuu", "true", "''"),
    "strategy": (*NULL, "dpp", "true"),
    "compile": ("true", "1.5", "'a b'"),
}  # fmt: skip
OF_LOG = {
    "group": ("5", "''", '"a\nb"', "[a]"),
    "question": ("5", "[a]"),
    "keep_weights": ("yes_please", "1", "null"),
    "look_at": ("1", "[]", "[1,1]", "[-1]", "[1.5]", "[true]"),
    "look_with": ("cost", "[]", "[5]", "[cost,cost]"),
    "observers": ("null", "[]", "wandb"),
    "observers.wandb": ("null", "3", "[]"),
    "observers.wandb.project": ("null", "5", "''", "a/b"),
    "observers.wandb.entity": ("true", "'a b'"),
    "observers.wandb.mode": ("null", "onlin", "true"),
}


def told(overrides: list[str]) -> str:
    """How these are refused."""
    config = COMPOSER.config(overrides)
    with pytest.raises(ValueError) as caught:
        require_host(config["host"])
        require_log(config["log"])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_value_of_a_host_is_named(key: str) -> None:
    for value in WRONG[key]:
        said = told(["host=slurm", f"host.{key}={value}"])
        assert said.startswith(f"host.{key}"), said
        assert "must" in said or "rule needs" in said


@pytest.mark.parametrize("key", [key for key in WRONG if key in HOST and key != "by_parameters"])
def test_a_rule_is_checked_as_the_keys_are(key: str) -> None:
    rule = f"{{up_to_parameters:null,{key}:{WRONG[key][-1]}}}"
    said = told(["host=slurm", f"host.by_parameters=[{rule}]"])
    assert said.startswith("host.by_parameters[0]"), said
    assert key in said


@pytest.mark.parametrize("key", OF_LOG)
def test_a_wrong_value_of_log_is_named(key: str) -> None:
    for value in OF_LOG[key]:
        assert told(["log=offline", f"log.{key}={value}"]).startswith(f"log.{key} must"), value


def test_every_key_of_conf_has_its_check() -> None:
    for name in groups()["host"]:
        assert set(COMPOSER.config([f"host={name}"])["host"]) <= {"_target_", *HOST}
    for name in groups()["log"]:
        assert set(COMPOSER.config([f"log={name}"])["log"]) == set(LOG)


@pytest.mark.parametrize("name", groups()["host"])
def test_every_host_of_conf_is_accepted(name: str) -> None:
    require_host(COMPOSER.config([f"host={name}"])["host"])


@pytest.mark.parametrize(
    "override",
    [
        "host.account=12345", "host.partition='a,b'", "host.constraint='[a|b]&c'",
        "host.setup=['module load cuda','cd \"x y\"']",
        "host.extra_sbatch=['--mail-type=FAIL',hold]",
        "host.by_parameters=[{up_to_parameters:1e9,nodes:2},{up_to_parameters:null}]",
        "host.pack_minutes=0.5", "host.recompute_above_gib=0", "host.checkpoint_every_seconds=null",
        "host.gpus_per_node=0", "host.stack=auto", "host.stack=8", "host.gpu_memory_gib=null",
        "host.max_parallel_jobs=1", "host.signal_seconds=60",
    ],
)  # fmt: skip
def test_right_values_are_sent(override: str) -> None:
    settings = COMPOSER.config(["host=slurm", override])["host"]
    require_host(settings)
    host_of(settings)


def test_a_local_host_is_checked_as_well() -> None:
    for override in ("host.workers=0", "host.stack=true", "host.strategy=x", "host.threads=1.5"):
        settings = COMPOSER.config([override])["host"]
        with pytest.raises(ValueError, match=override.partition("=")[0].replace(".", r"\.")):
            host_of(settings)


def test_a_job_has_time_to_leave() -> None:
    require_host({**COMPOSER.config([])["host"], "time_minutes": 2})  # a third party's host
    assert "signal_seconds must be less than the 2 minutes" in told(
        ["host=slurm", "host.time_minutes=2"]
    )
    rule = "[{up_to_parameters:null,time_minutes:1}]"
    assert told(["host=slurm", f"host.by_parameters={rule}"]).startswith(
        "host.by_parameters[0].sig"
    )


@pytest.mark.parametrize(
    ("observer", "message"),
    [
        ({"_target_": "rote.tracking.mirror.WandbMirror", "project": "a"}, "has no 'entity'"),
        ({"_target_": "rote.tracking.mirror.WandbMirror", "projct": "a"}, "mean 'project'"),
        ({"project": "a"}, "one of them a _target_"),
    ],
)
def test_an_observer_is_whole(observer: dict[str, Any], message: str) -> None:
    log = {"group": None, "question": None, "keep_weights": False, "observers": {"mine": observer}}
    with pytest.raises(ValueError, match=message):
        require_log(log)
