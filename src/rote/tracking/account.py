"""Where runs go in wandb, and what a server's refusal says, in one line."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from rote.ledger.record import DamagedRecord

NO_LOGIN = "No API key configured"  # as wandb says it
TRUE = ("1", "true", "yes", "on")
PATIENCE_SECONDS = 20.0
LOGIN = "no login for wandb: run `wandb login`, or set WANDB_API_KEY (and WANDB_BASE_URL)"


@dataclass(frozen=True, kw_only=True)
class Account:
    """As conf/log names it."""

    project: str
    entity: str | None  # None: the account's own
    mode: str

    @classmethod
    def of(cls, observer: Mapping[str, Any]) -> "Account":
        """Of an observer's configuration."""
        return cls(**{key: observer[key] for key in ("project", "entity", "mode")})


def allowed_mode(mode: str) -> str:
    """The mode that conf/log names, or a stricter one where the environment forbids it.

    WANDB_MODE=disabled and WANDB_DISABLED=true log nothing, WANDB_MODE=offline sends nothing.
    """
    wanted = os.environ.get("WANDB_MODE", "").strip().lower()
    is_off = os.environ.get("WANDB_DISABLED", "").strip().lower() in TRUE
    if "disabled" in (mode, wanted) or is_off:
        return "disabled"
    return "offline" if wanted in ("offline", "dryrun") else mode


def require_server() -> None:
    """Raises ValueError where nobody answers: wandb itself would go on trying without a word."""
    import wandb  # a second: only once something is to be sent

    settings = wandb.Settings()
    settings.update_from_system_settings()
    settings.update_from_env_vars(dict(os.environ))
    try:
        urlopen(settings.base_url, timeout=PATIENCE_SECONDS).close()
    except HTTPError:  # an answer all the same
        return
    except OSError as error:
        raise ValueError(f"{settings.base_url} does not answer: {error}") from error


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Whatever a server or wandb raises becomes a ValueError of one line."""
    try:
        yield
    except DamagedRecord:
        raise
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(LOGIN if NO_LOGIN in told else f"{what}: {told}") from error
