"""What position 0 reads, where a tokeniser, config.json and a class's defaults name several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Named:
    """Tokens that begin and end a text; None where none is named."""

    begin: int | None
    end: int | None


@dataclass(frozen=True, kw_only=True)
class StartToken:
    """A token, and a sentence where others name another one."""

    token: int
    note: str | None


def chosen_start(
    config: Mapping[str, Any], read: Any, tokeniser: Named | None
) -> StartToken | None:
    """The tokeniser's beginning; else that of config.json, else an end, as GPT-2 has it.

    ``read`` is transformers' configuration, whose class fills in what config.json leaves out; that
    counts only where there is no tokeniser. None where nothing names a token.
    """
    defaults = Named(begin=_token(read, "bos_token_id"), end=_token(read, "eos_token_id"))
    begin, end = defaults.begin, defaults.end
    if tokeniser is not None:
        begin = begin if _states(config, "bos_token_id") else None
        end = end if _states(config, "eos_token_id") else tokeniser.end
        if tokeniser.begin is not None:
            begin = tokeniser.begin
    token = begin if begin is not None else end
    if token is None:
        return None
    return StartToken(token=token, note=_note(token, config, read, defaults, tokeniser))


def _note(
    token: int, config: Mapping[str, Any], read: Any, defaults: Named, tokeniser: Named | None
) -> str | None:
    is_stated = _states(config, "bos_token_id")
    other = defaults.begin if defaults.begin is not None else defaults.end
    way_out = "--start-token N reads another"
    if is_stated or _states(config, "eos_token_id"):
        if token == other or other is None:
            return None
        return f"the start token is {token}, the tokeniser's; config.json names {other}: {way_out}"
    of_class = f"{type(read).__name__} has {other} by default"
    if tokeniser is None:
        return f"the start token is {token}: config.json names none, and {of_class}: {way_out}"
    if token == other:
        return None
    return (
        f"the start token is {token}, the tokeniser's: config.json names none, and {of_class}: "
        f"{way_out}"
    )


def _states(config: Mapping[str, Any], key: str) -> bool:
    """Whether config.json says something of it, be it null."""
    inner = config.get("text_config")
    return key in config or (isinstance(inner, Mapping) and key in inner)


def _token(read: Any, key: str) -> int | None:
    """Some configurations list several."""
    token = getattr(read, key, None)
    first = token[0] if isinstance(token, list) and token else token
    return first if isinstance(first, int) else None
