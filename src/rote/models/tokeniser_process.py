"""Run a third party's tokeniser in a process of its own, with bounds on its time and memory.

A regular expression of a tokenizer.json may take years, or panic, and a replacement may fill the
memory: the calling process then gets one line instead. The module also chooses the start token,
which position 0 reads, where a tokeniser, config.json and a class's defaults name several.
"""

import contextlib
import faulthandler
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from rote.models.stored_weights import first_line

BEGIN, END = "bos_token_id", "eos_token_id"
TOKENISER, FILE = "that of the tokeniser", "that of config.json"
WAY_OUT = "--start-token N reads another"


@dataclass(frozen=True, kw_only=True)
class NamedToken:
    """The tokens that begin and end a text; None where no token is named."""

    begin: int | None
    end: int | None


@dataclass(frozen=True, kw_only=True)
class StartToken:
    """The start token, and a sentence if other sources name another one."""

    token: int
    note: str | None


def chosen_start(
    config: Mapping[str, Any], read: Any, tokeniser: NamedToken | None
) -> StartToken | None:
    """Choose the tokeniser's begin token, else config.json's, else an end token, as GPT-2 has it.

    ``read`` is transformers' configuration, whose class fills in what config.json leaves out; such
    a default counts only without a tokeniser. Returns None where nothing names a token.
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
    # The token that a reader of transformers' configuration alone would use.
    usual, is_stated = (end, is_end_stated) if begin is None else (begin, is_begin_stated)
    note = None
    if origin == of_class:
        note = f"the start token is {token}, {origin}: config.json names none; {WAY_OUT}"
    elif usual not in (None, token):
        other = FILE if is_stated else of_class
        note = f"the start token is {token}, {origin}; {other} is {usual}; {WAY_OUT}"
    return StartToken(token=token, note=note)


def _states(config: Mapping[str, Any], key: str) -> bool:
    """Return whether config.json holds the key, even with null."""
    inner = config.get("text_config")
    return key in config or (isinstance(inner, Mapping) and key in inner)


def _token(read: Any, key: str) -> int | None:
    """Return the token of ``key``, the first if a configuration lists several."""
    token = getattr(read, key, None)
    first = token[0] if isinstance(token, list) and token else token
    return first if isinstance(first, int) else None


# Seconds of processor time, which does not grow on a busy machine as wall-clock time does.
LOADING_SECONDS, ANSWER_SECONDS = 60, 10
CHARACTERS_PER_SECOND = 50_000  # rate of the slowest tokenisers, in Python
CHARACTERS_AT_ONCE = 1 << 18
MEMORY_BYTES = 16 << 30  # beyond the memory of the process at its start
LATE = (
    "works on an answer without an end: a regular expression of tokenizer.json may be one that "
    "tries all ways to fit"
)
ENDED = "ended without an answer: it takes too much memory, or was killed"


class TokeniserProcess:
    """A process that runs the tokeniser of ``load``; raises ValueError if it does not answer."""

    def __init__(self, folder: Path, load: Callable[[Path], Any]) -> None:
        self.folder = folder
        forking = multiprocessing.get_context("fork")
        self._connection, theirs = forking.Pipe()
        self._process = forking.Process(
            target=_serve, args=(theirs, self._connection, folder, load), daemon=True
        )
        self._process.start()
        theirs.close()
        self.named: NamedToken = self._answer()

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return tokens of each text, int64, without special ones."""
        encoded: list[np.ndarray] = []
        while len(encoded) < len(texts):
            start = len(encoded)
            batch = texts[start : _end_of_batch(texts, start)]
            encoded += self._asked("encode", list(batch))
        return encoded

    def decode(self, rows: Sequence[np.ndarray]) -> list[str]:
        """Return the text of each row of tokens, special ones included."""
        texts: list[str] = self._asked("decode", [row.tolist() for row in rows])
        return texts

    def _asked(self, name: str, argument: Any) -> Any:
        with contextlib.suppress(BrokenPipeError):  # its last answer is still in the pipe
            self._connection.send((name, argument))
        return self._answer()

    def _answer(self) -> Any:
        try:
            is_fine, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            is_late = self._process.exitcode == -signal.SIGXCPU
            raise ValueError(
                f"{self.folder}: its tokeniser {LATE if is_late else ENDED}"
            ) from error
        if not is_fine:
            raise ValueError(f"{self.folder}: its tokeniser {answer}")
        return answer


def _end_of_batch(texts: Sequence[str], start: int) -> int:
    """Return the end of a batch: the text at ``start`` and those after it up to a size."""
    size, end = len(texts[start]), start + 1
    while end < len(texts) and size + len(texts[end]) <= CHARACTERS_AT_ONCE:
        size += len(texts[end])
        end += 1
    return end


def _serve(
    connection: Connection, others: Connection, folder: Path, load: Callable[[Path], Any]
) -> None:
    """Answer requests until the calling process has ended."""
    others.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a panic is printed before it is raised
    faulthandler.disable()
    _bound_memory()
    _bound_time(LOADING_SECONDS)
    try:
        tokeniser = load(folder)
        named = NamedToken(begin=tokeniser.bos_token_id, end=tokeniser.eos_token_id)
        answer: tuple[bool, Any] = (True, named)
    except BaseException as error:
        connection.send((False, f"cannot be read: {first_line(error)}"))
        return
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(answer)
            name, argument = connection.recv()
            _bound_time(ANSWER_SECONDS + sum(map(len, argument)) / CHARACTERS_PER_SECOND)
            try:
                answer = (True, (_encoded if name == "encode" else _decoded)(tokeniser, argument))
            except BaseException as error:  # a panic of tokenizers is not an Exception
                answer = (False, f"fails: {first_line(error)}")


def _encoded(tokeniser: Any, texts: list[str]) -> list[np.ndarray]:
    encoded = tokeniser(texts, add_special_tokens=False)["input_ids"]
    return [np.array(ids, dtype=np.int64) for ids in encoded]


def _decoded(tokeniser: Any, rows: list[list[int]]) -> list[str]:
    texts: list[str] = tokeniser.batch_decode(
        rows, skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return texts


def _bound_memory() -> None:
    statm = Path("/proc/self/statm")
    if statm.exists():
        held = int(statm.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        with contextlib.suppress(ValueError, OSError):  # a smaller limit is in force
            resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, hard))


def _bound_time(seconds: float) -> None:
    """Limit the processor time of all threads from now on; the system then ends the process."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(ValueError, OSError):  # a smaller limit is in force
        resource.setrlimit(resource.RLIMIT_CPU, (ceil(time.process_time() + seconds), hard))
