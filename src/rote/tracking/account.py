"""Where runs go in wandb, and what a server's refusal says, in one line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rote.ledger.record import DamagedRecord

NO_LOGIN = "No API key configured"  # as wandb says it
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
