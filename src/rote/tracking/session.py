"""A wandb run from its first record to its last, the same way for runs and reports."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import wandb

from rote.tracking.account import allowed_mode
from rote.tracking.offline import is_complete

with suppress(ImportError):
    import wandb.sdk.launch  # every init imports it: here once, before a worker forks

LAST_RECORD_SECONDS = 30.0


def begin(folder: Path, *, run_id: str, mode: str, **identity: Any) -> Any:
    """Open the wandb run of this id; its log lies in ``folder``/wandb.

    The environment may forbid what ``mode`` asks for: see `rote.tracking.account.allowed_mode`.
    """
    mode = allowed_mode(mode)
    _wait_for_a_name_of_its_own(folder)
    return wandb.init(
        id=run_id,
        mode=mode,  # type: ignore[arg-type]
        dir=str(folder),
        # One process runs many runs: without this a second init returns the first run.
        reinit="create_new",
        resume="allow" if mode == "online" else None,
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            x_disable_stats=True,
            # A killed run loses what was not flushed: by default 15 s or 32 KiB.
            x_transaction_log_flush_interval=0.5,
        ),
        **identity,
    )


def end(run: Any, exit_code: int = 0) -> None:
    """Until the log holds its last record: wandb returns up to a flush interval before."""
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
    """wandb names logs by the second: two lives in one second would share a file."""
    while list(folder.glob(f"wandb/*run-{time.strftime('%Y%m%d_%H%M%S')}-*")):
        time.sleep(0.1)
