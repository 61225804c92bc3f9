"""Define the types of command-line values, and one line for each mistake in them.

A converter turns one word into a value, or raises ValueError with what the value must be.
"""

import re
from collections.abc import Sequence
from math import inf
from typing import Annotated, Any, get_args

from cyclopts import Argument, CycloptsError, Parameter, Token
from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
RUN_ID = re.compile(r"[0-9a-f]{16}")


def argument(meaning: str, **more: Any) -> Parameter:
    """Define a word of the command line and its help; ``more`` goes to `cyclopts.Parameter`."""
    return Parameter(help=meaning, **({"converter": text} | more))


def flag(meaning: str, **more: Any) -> Parameter:
    """Define a switch, which is off unless it is given."""
    return Parameter(help=meaning, show_default=False, **more)


def whole(least: int, most: int, meaning: str, **more: Any) -> Parameter:
    """Define a whole number of a range, written in the digits 0 to 9."""

    def convert(_: Any, words: Sequence[Token]) -> int:
        word = words[0].value
        if not WHOLE.fullmatch(word) or not least <= int(word[:40]) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, got {word!r}")
        return int(word)

    return Parameter(help=meaning, converter=convert, allow_leading_hyphen=True, **more)


def number(meaning: str, **more: Any) -> Parameter:
    """Define a finite number above 0, written as 0.5, 12 or 1e3."""

    def convert(_: Any, words: Sequence[Token]) -> float:
        word = words[0].value
        try:
            value = float(word)
        except ValueError:
            value = 0.0
        if not 0 < value < inf:
            raise ValueError(f"must be a number above 0, got {word!r}")
        return value

    return Parameter(help=meaning, converter=convert, allow_leading_hyphen=True, **more)


def require_text(word: str) -> str:
    """Return the word; raises ValueError if it is empty or holds unprintable characters."""
    if not word.strip():
        raise ValueError(f"must not be empty, got {word!r}")
    if not word.isprintable():
        raise ValueError(f"must not hold control characters, got {word!r}")
    return word


def text(kind: Any, words: Sequence[Token]) -> Any:
    """Convert a name or path; ``kind`` is str or Path, as in the command's signature."""
    return kind(require_text(words[0].value))


def texts(_: Any, words: Sequence[Token]) -> tuple[str, ...]:
    """Convert a flag that takes several words."""
    return tuple(require_text(word.value) for word in words)


def run_id(_: Any, words: Sequence[Token]) -> str:
    """Convert the full id of a run; raises ValueError for anything but 16 hex digits."""
    if not RUN_ID.fullmatch(words[0].value):
        raise ValueError(
            f"must be 16 hex digits, as rote status shows them, got {words[0].value!r}"
        )
    return words[0].value


def launched_sweeps(_: Any) -> list[str]:
    """Return names of launched sweeps for shell completion."""
    from rote.cluster.plan import launched
    from rote.io.outputs import outputs_folder

    return list(launched(outputs_folder()))


def sweep_files(_: Any) -> list[str]:
    """Return names of sweep files for shell completion."""
    from rote.config.folders import sweep_files

    return list(sweep_files())


def complaint(error: CycloptsError) -> str:
    """Return one line: the flag, what it must be, and which help says more."""
    command = " ".join(["rote", *(error.command_chain or ())])
    return f"{_reason(error)}; see {command} --help"


def _reason(error: CycloptsError) -> str:
    from rote.config.choices import near, unknown

    name = _name(error)
    match error:
        case UnknownCommandError(unused_tokens=[word, *_]):
            what = "flag" if word.startswith("-") else "command"
            return str(unknown(what, word, (each for each in error.app or () if each[0] != "-")))
        case UnknownOptionError():
            known = [each for argument in error.argument_collection for each in argument.names]
            word = error.token.keyword or error.token.value
            return f"flag {word!r} is not known.{near(word, known)}"
        case UnusedCliTokensError(unused_tokens=[word, *_]):
            return f"{word!r} is one word too many"
        case MissingArgumentError(keyword=None, argument=Argument(tokens=[])):
            return f"{name} is missing"
        case MissingArgumentError():
            return f"{name} must have a value"
        case RepeatArgumentError():
            return f"{name} must be given once"
        case CoercionError(msg=str(reason)):
            return f"{name} {reason}"
        case CoercionError(token=Token(value=word), target_type=kind):
            choices = get_args(kind) or ("true", "false")
            line = f"{name} must be one of {', '.join(choices)}, got {word!r}"
            return f"{line}.{nearest}" if (nearest := near(word, choices)) else line
    return str(error)


def _name(error: CycloptsError) -> str:
    """Return the name as typed; a word without a flag in capitals, as the help shows it."""
    token = getattr(error, "token", None)
    typed = getattr(error, "keyword", None) or (token.keyword if token else None)
    if typed or error.argument is None:
        return str(typed)
    name = error.argument.name
    return name if name.startswith("-") else name.upper()


LAUNCHED = argument("a launched sweep", completer=launched_sweeps)
Launched = Annotated[str, LAUNCHED]
Json = Annotated[bool, flag("print one JSON document and nothing else")]
Follow = Annotated[bool, flag("watch it to its end", alias="--watch")]
CAPACITY = argument(
    "whose reported capacity to scale by, instead of what the sweep's file names",
    completer=launched_sweeps, metavar="SWEEP",
)  # fmt: skip
