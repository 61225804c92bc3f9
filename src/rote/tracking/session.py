"""Open and close wandb runs, for training runs and reports, and handle wandb's server and login."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import wandb

from rote.ledger.record import DamagedRecord
from rote.tracking.offline import is_complete

NO_LOGIN = "No API key configured", "not logged in"  # wandb's own words
TRUE = ("1", "true", "yes", "on")
PATIENCE_SECONDS = 20.0
LOGIN = "no login for wandb: run `wandb login`, or set WANDB_API_KEY (and WANDB_BASE_URL)"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where runs go in wandb, from conf/log."""

    project: str
    entity: str | None  # None: the account's default
    mode: str

    @classmethod
    def of(cls, observer: Mapping[str, Any]) -> "Account":
        """Take the account from an observer's configuration."""
        return cls(**{key: observer[key] for key in ("project", "entity", "mode")})


def allowed_mode(mode: str) -> str:
    """Return the mode of conf/log, or a stricter one if the environment demands it.

    WANDB_MODE=disabled and WANDB_DISABLED=true log nothing, WANDB_MODE=offline sends nothing.
    """
    wanted = os.environ.get("WANDB_MODE", "").strip().lower()
    is_off = os.environ.get("WANDB_DISABLED", "").strip().lower() in TRUE
    if "disabled" in (mode, wanted) or is_off:
        return "disabled"
    return "offline" if wanted in ("offline", "dryrun") else mode


def require_server() -> None:
    """Raises ValueError if no server answers: wandb itself would silently keep trying."""
    import wandb  # takes a second; only needed to send

    settings = wandb.Settings()
    settings.update_from_system_settings()
    settings.update_from_env_vars(dict(os.environ))
    try:
        urlopen(settings.base_url, timeout=PATIENCE_SECONDS).close()
    except HTTPError:  # the server has answered
        return
    except OSError as error:
        raise ValueError(f"{settings.base_url} does not answer: {error}") from error


def is_no_login(message: str) -> bool:
    """Return whether wandb says that it has no login."""
    return any(words in message for words in NO_LOGIN)


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn any error of a server or of wandb into a ValueError of one line."""
    try:
        yield
    except DamagedRecord:
        raise
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(LOGIN if is_no_login(message) else f"{what}: {message}") from error


with suppress(ImportError):
    import wandb.sdk.launch  # every init imports it: import once, before a worker forks

LAST_RECORD_SECONDS = 30.0


def begin(
    folder: Path, *, run_id: str, mode: str, samples_gpu: bool = False, **identity: Any
) -> Any:
    """Open the wandb run of this id, with its log in ``folder``/wandb.

    The environment may restrict ``mode``: see `allowed_mode`. With ``samples_gpu`` wandb's own
    monitor samples GPU, memory and processor of the machine every 15 s.
    """
    mode = allowed_mode(mode)
    _wait_for_a_name_of_its_own(folder)
    return wandb.init(
        id=run_id,
        mode=mode,  # type: ignore[arg-type]
        dir=str(folder),
        # One process runs many runs: without this, a second init returns the first run.
        reinit="create_new",
        resume="allow" if mode == "online" else None,
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            x_disable_stats=not samples_gpu,
            x_stats_pid=os.getpid(),  # the default is that of the process that imported wandb
            # A killed run loses unflushed data: by default 15 s or 32 KiB.
            x_transaction_log_flush_interval=0.5,
        ),
        **identity,
    )


def end(run: Any, exit_code: int = 0) -> None:
    """Finish the run and wait for its last record: wandb returns up to a flush interval earlier."""
    if run.disabled:
        run.finish(exit_code=exit_code)
        return
    log = Path(run.settings.sync_file)
    run.finish(exit_code=exit_code)
    deadline = time.monotonic() + LAST_RECORD_SECONDS
    while not is_complete(log):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{log} lacks its end after {LAST_RECORD_SECONDS:.0f} s")
        time.sleep(0.05)


def _wait_for_a_name_of_its_own(folder: Path) -> None:
    """Wait if needed: wandb names logs by the second, and two sessions must not share a file."""
    while list(folder.glob(f"wandb/*run-{time.strftime('%Y%m%d_%H%M%S')}-*")):
        time.sleep(0.1)
