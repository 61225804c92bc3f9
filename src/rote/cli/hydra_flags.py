"""Read Hydra's flags for `rote train` before Hydra does, and refuse those without effect."""

import argparse
import re
from pathlib import Path
from typing import NoReturn

from rote.cli.arguments import require_text

MUST = re.compile(r"^argument (\S+): must ")
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
REFUSED = {
    "experimental_rerun": "would run code from a pickle: rote train --spec FILE repeats a run",
    "shell_completion": "does not know rote: use rote completion",
}
# Hydra's flags, with their short forms.
SWITCHES = {"hydra_help": "", "version": "", "resolve": "", "run": "-r", "multirun": "-m"}
WITH_TEXT = {"package": "-p", "config_path": "-cp", "config_name": "-cn", "config_dir": "-cd"}


def read_flags(words: list[str]) -> argparse.Namespace:
    """Read overrides and flags, in any order; raises ValueError for a flag that rote refuses."""
    flags = _parser().parse_intermixed_args(words)
    for name, reason in REFUSED.items():
        if getattr(flags, name):
            raise ValueError(f"{_flag(name)} {reason}")
    for name in ("package", "resolve"):
        if getattr(flags, name) and not flags.cfg:
            raise ValueError(f"{_flag(name)} is about what --cfg prints: give --cfg job as well")
    if flags.dry_run and (flags.cfg or flags.info or flags.spec is not None):
        raise ValueError(
            "--dry-run is about what is trained: give it without --cfg, --info, --spec"
        )
    modes = [name for name in ("run", "multirun", "cfg", "info") if getattr(flags, name)]
    if len(modes) > 1:
        raise ValueError(f"{' and '.join(map(_flag, modes))} exclude each other")
    if flags.config_path and "://" not in flags.config_path:  # Hydra: relative to our sources
        flags.config_path = str(Path(flags.config_path).absolute())
    return flags


def words_for_hydra(flags: argparse.Namespace) -> list[str]:
    """Return the given flags, without overrides, in the form that Hydra's parser reads."""
    switches = [_flag(name) for name in SWITCHES if getattr(flags, name)]
    given = [name for name in ("cfg", *WITH_TEXT, "info") if getattr(flags, name)]
    return switches + [f"{_flag(name)}={getattr(flags, name)}" for name in given]


class _Parser(argparse.ArgumentParser):
    """An argparse parser that raises a ValueError of one line instead of exiting with usage."""

    def error(self, message: str) -> NoReturn:
        """Raises ValueError, always."""
        raise ValueError(MUST.sub(r"\1 must ", message) + f"; see {self.prog} --help")


def _text(word: str) -> str:
    try:
        return require_text(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parser() -> argparse.ArgumentParser:
    """Build a parser for the flags of Hydra 1.3; a test compares them with Hydra's."""
    parser = _Parser(prog="rote train", add_help=False)
    parser.add_argument("overrides", nargs="*", type=_text)
    parser.add_argument("--spec", nargs="*", type=_text)
    parser.add_argument("--dry-run", action="store_true")
    for name, short in {**SWITCHES, "shell_completion": "-sc"}.items():
        parser.add_argument(_flag(name), *filter(None, [short]), action="store_true")
    for name, short in WITH_TEXT.items():
        parser.add_argument(_flag(name), short, type=_text)
    parser.add_argument("--experimental-rerun", type=_text)
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    parser.add_argument("--info", "-i", const="all", nargs="?", choices=INFO)
    return parser
