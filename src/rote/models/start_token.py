"""What position 0 reads, where a tokeniser, config.json and a class's defaults name several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BEGIN, END = "bos_token_id", "eos_token_id"
TOKENISER, FILE = "that of the tokeniser", "that of config.json"
WAY_OUT = "--start-token N reads another"


@dataclass(frozen=True, kw_only=True)
class NamedToken:
    """Tokens that begin and end a text; None where none is named."""

    begin: int | None
    end: int | None


@dataclass(frozen=True, kw_only=True)
class StartToken:
    """A token, and a sentence where others name another one."""

    token: int
    note: str | None


def chosen_start(
    config: Mapping[str, Any], read: Any, tokeniser: NamedToken | None
) -> StartToken | None:
    """The tokeniser's beginning; else that of config.json, else an end, as GPT-2 has it.

    ``read`` is transformers' configuration, whose class fills in what config.json leaves out; that
    counts only where there is no tokeniser. None where nothing names a token.
    """
    begin, end = _token(read, BEGIN), _token(read, END)
    is_begin_stated, is_end_stated = _states(config, BEGIN), _states(config, END)
    of_class = f"the default of {type(read).__name__}"
    candidates = [
        (tokeniser.begin if tokeniser else None, TOKENISER),
        (begin if is_begin_stated else None, FILE),
        (end if is_end_stated else None, FILE),
        (tokeniser.end if tokeniser and not is_end_stated else None, TOKENISER),
        (begin if tokeniser is None and not is_begin_stated else None, of_class),
        (end if tokeniser is None and not is_end_stated else None, of_class),
    ]
    found = next(((token, origin) for token, origin in candidates if token is not None), None)
    if found is None:
        return None
    token, origin = found
    # What is read by whoever asks transformers' configuration alone.
    usual, is_stated = (end, is_end_stated) if begin is None else (begin, is_begin_stated)
    note = None
    if origin == of_class:
        note = f"the start token is {token}, {origin}: config.json names none; {WAY_OUT}"
    elif usual not in (None, token):
        other = FILE if is_stated else of_class
        note = f"the start token is {token}, {origin}; {other} is {usual}; {WAY_OUT}"
    return StartToken(token=token, note=note)


def _states(config: Mapping[str, Any], key: str) -> bool:
    """Whether config.json says something of it, be it null."""
    inner = config.get("text_config")
    return key in config or (isinstance(inner, Mapping) and key in inner)


def _token(read: Any, key: str) -> int | None:
    """Some configurations list several."""
    token = getattr(read, key, None)
    first = token[0] if isinstance(token, list) and token else token
    return first if isinstance(first, int) else None
