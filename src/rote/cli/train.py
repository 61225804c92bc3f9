"""Run `rote train`: Hydra's own application, with our checks before it and our errors after it."""

import os
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rote.cli.hydra_flags import read_flags, words_for_hydra
from rote.cli.progress import Bar, ProgressBar
from rote.cli.screen import Failed, Screen, screen
from rote.config.compose import Composer
from rote.config.composed import plain
from rote.config.data_resolver import DataResolver
from rote.config.folders import conf_folder, sweep_files
from rote.config.grammar import parse, plain_words
from rote.config.hydra_version import VERSION_BASE
from rote.config.primary import MAIN, Primary, composing
from rote.config.sweep import as_grid
from rote.config.trust import require_own
from rote.io.outputs import outputs_folder
from rote.io.write import require_writable
from rote.ledger.claim import ClaimLost, RunIsTaken
from rote.ledger.record import Record
from rote.ledger.spec import Spec, read_spec
from rote.ledger.store import Store

if TYPE_CHECKING:
    from rote.cli.tuning import Search

SPLITS = ("train", "heldout")
_raised: ContextVar[list[Exception]] = ContextVar("raised")  # by runs in Hydra's application
_is_dry: ContextVar[bool] = ContextVar("is_dry", default=False)  # --dry-run: nothing is trained


def train(arguments: list[str]) -> int:
    """Train; raises ValueError with one line for anything wrong with the flags or the overrides."""
    flags = read_flags(arguments)
    _is_dry.set(flags.dry_run)
    parse(flags.overrides)  # raises errors in our words, before Hydra reads them
    for_hydra = words_for_hydra(flags)
    if flags.spec is not None:
        return _run_spec([*flags.spec, *for_hydra, *flags.overrides])
    if not for_hydra and not any(word.lstrip("+").startswith("hydra") for word in flags.overrides):
        # One run does not need Hydra's application, and our own error messages are better.
        _refuse_sweep(flags.overrides)
        return _run_one(Composer().config(flags.overrides))
    return _hand_over_to_hydra([*for_hydra, *flags.overrides], shows=flags.cfg is not None)


def run_from_hydra(config: DictConfig) -> None:
    """Train what Hydra composed and shows, after our own checks of the overrides.

    Exceptions are kept for `train`, because Hydra would print a line of its own about them.
    """
    settings = HydraConfig.get()
    overrides = list(settings.overrides.task)
    try:
        _refuse_sweep(overrides)
        Composer(Primary.of_application(settings)).config(overrides)
        _run_one(plain(config))
    except (Failed, ValueError, OSError, OmegaConfBaseException) as error:
        _raised.get().append(error)


def launch_grid(
    jobs: Sequence[Sequence[str]],
    *,
    host: str | None,
    settings: DictConfig,
    search: "Search | None" = None,
) -> int:
    """Plan and launch a sweeper's jobs: a grid as it was written, or one job per point.

    ``host`` applies where no override names one; ``settings`` are Hydra's own. With ``search`` the
    only job holds the space that is searched.
    """
    from rote.cli.launching import sweep_from_overrides  # imports torch, which --help does not need

    overrides = as_grid(jobs)
    if host and not any(override.key_or_group == "host" for override in parse(overrides)):
        overrides = [*overrides, f"host={host}"]
    primary = Primary.of_application(settings)
    if search is not None:
        from rote.cli.tuning import tune

        return tune(search, overrides, primary, dry_run=_is_dry.get())
    return sweep_from_overrides(overrides, primary, dry_run=_is_dry.get())


def _hand_over_to_hydra(words: list[str], *, shows: bool) -> int:
    """Run Hydra's application; with ``shows`` it prints the configuration and trains nothing."""
    if any(word.lstrip("+").startswith("sweep=") for word in words):
        ConfigStore.instance().repo.pop("sweep", None)  # of an earlier call in this process
        for name, path in sweep_files().items():
            ConfigStore.instance().store(group="sweep", name=name, node=OmegaConf.load(path))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing; we print all errors
    sys.argv = ["rote train", *words]
    application = hydra.main(config_path=str(conf_folder()), config_name=MAIN, **VERSION_BASE)
    raised: list[Exception] = []
    _raised.set(raised)
    try:
        with composing():
            application(run_from_hydra)()
        if raised:
            raise raised[0]
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(plain_words(error)) from error
    except SystemExit as end:  # Hydra has printed what is wrong with --package
        if end.code and shows:
            return 2
        raise
    return 0


def _run_spec(words: list[str]) -> int:
    """Train one run from a spec.yaml, wherever that file came from; no YAML of conf is read."""
    if len(words) != 1:
        raise ValueError(f"rote train --spec takes one file and nothing else, got {words}")
    spec = read_spec(Path(words[0]))
    require_own([spec], words[0])
    console = screen()
    store = Store(require_writable(outputs_folder()))
    with Bar() as progress:
        resolved = DataResolver(progress).resolved(spec.what)
    if resolved["task"] != spec.what["task"]:
        raise ValueError(f"{words[0]}: the data of its task are not what they were")
    return _execute(console, store, spec)


def _refuse_sweep(overrides: Sequence[str]) -> None:
    if any(word.lstrip("+").startswith("sweep=") for word in overrides):
        raise ValueError("a sweep needs -m: rote train -m +sweep=NAME, or rote sweep NAME")


def _run_one(config: dict[str, Any]) -> int:
    console = screen()
    if _is_dry.get():
        return _rehearse(console, config)
    store = Store(require_writable(outputs_folder()))
    with Bar() as progress:
        spec = Spec.from_config(DataResolver(progress).resolved(config))
    return _execute(console, store, spec)


def _rehearse(console: Screen, config: dict[str, Any]) -> int:
    """Compose and check one run as a plan does, and print its id and size."""
    from rote.run.preflight import Preflight
    from rote.tasks.text.task import rehearsal

    with Bar() as show, rehearsal():
        spec = Spec.from_config(DataResolver(show).resolved(config))
    facts = Preflight().facts(spec)
    counted = f"{facts.parameters:,} parameters, {spec.longest:,} steps at most"
    console.print(f"run {spec.run_id}: {counted}")
    return 0


def _execute(console: Screen, store: Store, spec: Spec) -> int:
    from rote.run.preflight import Preflight
    from rote.training.distributed import require_device

    facts = Preflight().facts(spec)
    require_device(spec.how["host"]["accelerator"])

    from rote.run.execute import execute

    console.print(f"run {spec.run_id}: {facts.parameters:,} parameters")
    try:
        with ProgressBar(spec.longest, console) as bar:
            record = execute(spec, store, [bar])
    except (RunIsTaken, ClaimLost) as error:
        raise ValueError(str(error)) from error
    except (OSError, ValueError):
        raise
    except Exception as error:  # divergence, memory, a checkpoint; the failure is stored
        reason = f"{type(error).__name__}: {error}"
        raise Failed(f"run {spec.run_id}: {reason}; rote logs {spec.run_id} says where") from error
    _print_result(console, record)
    console.say(store.run(spec.run_id).record_path)
    return 0


def _print_result(console: Screen, record: Record) -> None:
    cost = record.measures.get("cost")
    if cost is None:
        return
    if record.entropy_bits is None:
        train, heldout = (cost[f"{s}_code_bits"] / cost[f"{s}_tokens"] for s in SPLITS)
        console.print(f"{train:.3f} bits per token of training, {heldout:.3f} held out")
        return
    bits = record.entropy_bits - cost["train_code_bits"]
    converged = "" if record.training["converged"] else " (not converged: a lower bound)"
    console.print(
        f"memorised {bits:,.0f} of {record.entropy_bits:,.0f} bits, "
        f"{bits / record.parameters:.3f} bits per parameter{converged}"
    )
