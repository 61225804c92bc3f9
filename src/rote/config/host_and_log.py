"""Check the keys that say how runs are carried out (`host`, `log`), before anything is sent.

Every key of conf/host and conf/log has its check here. The constructor of a third party's host
checks its own further keys.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from rote.config.choices import unknown
from rote.core.checks import (
    require_choice,
    require_flag,
    require_line,
    require_number,
    require_positive,
    require_whole,
    require_word,
)

Check = Callable[[str, object], None]

FLAG = re.compile(r"(--)?[A-Za-z][\w-]*(=.*)?")
AUTO = "auto"  # host.stack, host.compile: what memory and the measured gain allow
# The largest model that was timed on a GPU in stacks and as a graph (docs/performance.md): auto
# gives larger ones neither.
AUTO_PARAMETERS = 535_168
PROJECT = re.compile(r"[^/\\#?%:]{1,128}")  # the project names that wandb accepts
MIRROR = "rote.tracking.mirror.WandbMirror"
TAGS = "tags"
LIMIT_KEY = "up_to_parameters"
MOST_THREADS = 1 << 12  # torch would try to start more
LONGEST_SIGNAL_SECONDS = 65535  # of sbatch --signal
# Every host has these keys, because every run reads them. accumulate_above_gib and attention are
# read as null where plans of earlier versions lack them.
OF_A_RUN = (
    "threads", "accelerator", "recompute_above_gib", "strategy", "compile",
    "checkpoint_every_seconds",
)  # fmt: skip


def require_host(host: Mapping[str, Any]) -> None:
    """Raises ValueError naming the key, the value and what is allowed, also for keys of rules."""
    for key in OF_A_RUN:
        if key not in host:
            raise ValueError(f"host has no {key!r}, which runs read")
    _require_each("host", host, HOST)
    rules = host.get("by_parameters", ())
    for number, rule in enumerate(rules):
        name = f"host.by_parameters[{number}]"
        _require_rule(name, rule)
        _require_time_to_leave(name, {**host, **rule})
    _require_time_to_leave("host", host)


def require_log(log: Mapping[str, Any]) -> None:
    """Raises ValueError naming the key, the value and what is allowed."""
    _require_each("log", log, LOG)
    for name, observer in log["observers"].items():
        where = f"log.observers.{name}"
        if not isinstance(observer, Mapping) or not isinstance(observer.get("_target_"), str):
            raise ValueError(f"{where} must hold keys, one of them a _target_, got {observer!r}")
        if observer["_target_"] == MIRROR:
            _require_mirror(where, observer)


def _require_each(where: str, settings: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    for key, check in checks.items():
        if key in settings:
            check(f"{where}.{key}", settings[key])


def _require_rule(name: str, rule: object) -> None:
    if not isinstance(rule, Mapping):
        raise ValueError(f"{name} must hold keys such as {LIMIT_KEY}, got {rule!r}")
    for key in rule:
        if key not in RULE:
            raise unknown(f"{name}: key", str(key), RULE)
    if LIMIT_KEY not in rule:
        raise ValueError(f"{name}: a rule needs {LIMIT_KEY} (null: no limit)")
    _require_each(name, rule, RULE)


def _require_time_to_leave(where: str, host: Mapping[str, Any]) -> None:
    """Raises ValueError for a job signalled to leave at its start: it would requeue for ever."""
    has_both = {"time_minutes", "signal_seconds"} <= host.keys()
    if has_both and host["signal_seconds"] >= 60 * host["time_minutes"]:
        raise ValueError(
            f"{where}.signal_seconds must be less than the {host['time_minutes']} minutes of "
            f"time_minutes, got {host['signal_seconds']}"
        )


def _require_mirror(where: str, observer: Mapping[str, Any]) -> None:
    for key in observer:
        if key not in MIRROR_KEYS and key != "_target_":
            raise unknown(f"{where}: key", str(key), MIRROR_KEYS)
    for key in MIRROR_KEYS:
        if key not in observer and key != TAGS:  # plans of earlier versions have no tags
            raise ValueError(f"{where} has no {key!r}")
    _require_each(where, {TAGS: None, **observer}, MIRROR_KEYS)


def _must(accepts: Callable[[Any], bool], what: str) -> Check:
    """Return a check that raises ValueError saying ``what`` the value must do."""

    def check(name: str, value: object) -> None:
        if not accepts(value):
            raise ValueError(f"{name} must {what}, got {value!r}")

    return check


def _whole(least: int, most: int | None = None) -> Check:
    return lambda name, value: require_whole(name, value, least, most)


def _from(least: float) -> Check:
    return lambda name, value: require_number(name, value, least)


def _one_of(*choices: str) -> Check:
    return lambda name, value: require_choice(name, value, choices)


def _or_null(check: Check) -> Check:
    return _or(None, "null", check)


def _or(also: object, word: str, check: Check) -> Check:
    """Return a check that accepts one more value, called ``word`` in messages."""

    def checked(name: str, value: object) -> None:
        if value == also:
            return
        try:
            check(name, value)
        except ValueError as error:
            raise ValueError(str(error).replace(" must be ", f" must be {word} or ", 1)) from None

    return checked


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(FLAG.fullmatch(value))


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_tags(value: object) -> bool:
    """Return whether it is null, words with commas between them, or a list of words."""
    return value is None or all(map(_is_text, value if isinstance(value, list) else [value]))


def _flags(name: str, value: Any) -> None:
    wrong = [each for each in value if not _is_flag(each)] if _is_list(value) else [value]
    if wrong:
        raise ValueError(
            f"{name} must be a list of sbatch's long flags such as [hold, 'mail-type=FAIL'], "
            f"got {wrong[0]!r}"
        )


def _different(accepts: Callable[[object], bool], what: str) -> Check:
    """Return a check for a list of one or more different values that are each accepted."""

    def is_right(value: Any) -> bool:
        is_full = _is_list(value) and len(value) > 0
        return is_full and all(map(accepts, value)) and len(set(value)) == len(value)

    return _must(is_right, f"be a list of different {what}")


def _steps(name: str, value: object) -> None:
    if isinstance(value, int):  # so many, evenly in their logarithms
        require_whole(name, value, 2)
    else:
        _different(_is_step, "steps such as [0, 100]")(name, value)


def _project(name: str, value: object) -> None:
    require_line(name, value)
    if not PROJECT.fullmatch(str(value)):
        raise ValueError(
            f"{name} must be at most 128 characters without / \\ # ? % :, got {value!r}"
        )


TEXT = _must(_is_text, "be a text")
SHELL_LINES = "be a list of shell lines such as [hostname]"
RESOURCES: Mapping[str, Check] = {
    "partition": _or_null(require_word),
    "account": _or_null(require_word),
    "qos": _or_null(require_word),
    "time_minutes": _whole(1),
    "signal_seconds": _whole(1, LONGEST_SIGNAL_SECONDS),
    "cpus_per_task": _whole(1),
    "mem_per_cpu_mb": _or_null(_whole(1)),
    "gpus_per_node": _whole(0),
    "nodes": _whole(1),
    "tasks_per_node": _whole(1),
    "runs_at_once": _whole(1),
    "stack": _or(AUTO, AUTO, _whole(1)),
    "gpu_memory_gib": _or_null(require_positive),
    "constraint": _or_null(require_line),
    "extra_sbatch": _flags,
    "setup": _must(lambda value: _is_list(value) and all(map(_is_text, value)), SHELL_LINES),
    "pack_minutes": _from(0),
    "flops_per_second": require_positive,
    "step_overhead_seconds": _from(0),
}
RULE: Mapping[str, Check] = {LIMIT_KEY: _or_null(require_positive), **RESOURCES}
HOST: Mapping[str, Check] = {
    **RESOURCES,
    "workers": _or_null(_whole(1)),
    "max_array_size": _or_null(_whole(1)),
    "max_parallel_jobs": _or_null(_whole(1)),
    "by_parameters": _must(_is_list, f"be a list of rules with {LIMIT_KEY}"),
    "threads": _whole(1, MOST_THREADS),
    "accelerator": _one_of("auto", "cpu", "gpu", "cuda", "mps"),
    "recompute_above_gib": _or_null(_from(0)),
    "accumulate_above_gib": _or_null(_from(0)),
    "strategy": _one_of("ddp", "fsdp"),
    "attention": _or_null(_one_of("cudnn", "efficient", "flash", "math")),
    "compile": _or_null(require_word),  # its modes are those of `rote.training.graphed`
    "checkpoint_every_seconds": _or_null(_from(0)),
    "checkpoint_pairs": require_flag,
    "code": _one_of("snapshot", "live"),
}
LOG: Mapping[str, Check] = {
    "group": _or_null(require_line),
    "question": _or_null(TEXT),
    "keep_weights": require_flag,
    "look_at": _or_null(_steps),
    "look_with": _or_null(_different(_is_text, "measures such as [cost]")),
    "observers": _must(lambda value: isinstance(value, Mapping), "hold keys, or be {}"),
}
MIRROR_KEYS: Mapping[str, Check] = {
    "project": _project,
    "entity": _or_null(require_word),
    "mode": _one_of("online", "offline", "disabled"),
    "group": _or_null(require_line),
    "notes": _or_null(TEXT),
    TAGS: _must(_are_tags, "be words, or a list of words"),
}
