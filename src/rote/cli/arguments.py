"""Types of the values on the command line, and one line for each mistake in them.

A converter turns one word into a value, or raises ValueError with what the value must be.
"""

import re
from collections.abc import Sequence
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
    """A word of the command line and its line of help; ``more`` as `cyclopts.Parameter` has it."""
    return Parameter(help=meaning, **({"converter": text} | more))


def flag(meaning: str, **more: Any) -> Parameter:
    """A switch, which is off unless it is given."""
    return Parameter(help=meaning, show_default=False, **more)


def whole(least: int, most: int, meaning: str, **more: Any) -> Parameter:
    """A whole number of a range, written in the digits 0 to 9."""

    def convert(_: Any, words: Sequence[Token]) -> int:
        word = words[0].value
        if not WHOLE.fullmatch(word) or not least <= int(word[:40]) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, got {word!r}")
        return int(word)

    return Parameter(help=meaning, converter=convert, allow_leading_hyphen=True, **more)


def require_text(word: str) -> str:
    """The word. Raises ValueError where it is empty or holds what cannot be printed."""
    if not word.strip():
        raise ValueError(f"must not be empty, got {word!r}")
    if not word.isprintable():
        raise ValueError(f"must not hold control characters, got {word!r}")
    return word


def text(kind: Any, words: Sequence[Token]) -> Any:
    """Converter of names and paths: ``kind`` is str or Path, as the command's function says."""
    return kind(require_text(words[0].value))


def texts(_: Any, words: Sequence[Token]) -> tuple[str, ...]:
    """Converter of a flag that takes several words."""
    return tuple(require_text(word.value) for word in words)


def run_id(_: Any, words: Sequence[Token]) -> str:
    """Converter of the whole name of a run."""
    if not RUN_ID.fullmatch(words[0].value):
        raise ValueError(
            f"must be 16 hex digits, as rote status shows them, got {words[0].value!r}"
        )
    return words[0].value


def launched_sweeps(_: Any) -> list[str]:
    """Candidates of a shell's completion."""
    from rote.cluster.plan import launched
    from rote.io.outputs import outputs_folder

    return list(launched(outputs_folder()))


def sweep_files(_: Any) -> list[str]:
    """Candidates of a shell's completion."""
    from rote.config.folders import sweep_files

    return list(sweep_files())


def complaint(error: CycloptsError) -> str:
    """One line: the flag, what it must be, and which help says more."""
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
    """As it was typed; words without a flag in capitals, as the help shows them."""
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
