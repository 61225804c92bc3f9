"""The `rote` command: parse, hand over, turn errors into one line and an exit code."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from rote.cli.failure import Failed
from rote.cli.parser import parser_of_commands
from rote.cli.screen import errors, silence

TRAIN_HELP = """\
One run, or with -m (Hydra's --multirun) a grid of them.

  rote train size=80k task.num_sequences=2000 precision=bf16_mixed
  rote train -m size=80k,185k precision=fp32,bf16_mixed
  rote train -m +sweep=demo budget.max_steps=4000

Groups and their choices:
{groups}

  rote train --spec FILE        one run again, as its spec.yaml says
  rote train --dry-run ...      check the run or every point of the grid, train nothing

Every key of a group can be set (optim.optimiser.lr=3e-3). Hydra's own flags work:
  --cfg job        print the configuration and stop
  --info           what Hydra knows
  --hydra-help     Hydra's flags
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 something failed, 2 the input was wrong, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(given)
    except KeyboardInterrupt:
        errors().print("rote: interrupted; finished runs are kept", style="yellow")
        return 130
    except BrokenPipeError:  # `rote status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Failed, ValueError, OSError) as error:
        if os.environ.get("ROTE_TRACEBACK"):
            raise
        errors().print(f"rote: {_one_line(str(error))}", style="red")
        return 1 if isinstance(error, Failed) else 2


def _one_line(message: str) -> str:
    """What cannot be printed, such as a terminal's control characters, is written as an escape."""
    line = " ".join(message.split())
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)


def _dispatch(given: list[str]) -> int:
    is_quiet = given[:1] in (["-q"], ["--quiet"])
    words = given[1:] if is_quiet else given
    with silence(is_wanted=is_quiet):
        # Everything after `train` is Hydra's, so argparse must not look at it.
        return _train(words[1:]) if words[:1] == ["train"] else _run(words)


def _run(given: list[str]) -> int:
    parser = parser_of_commands()
    parsed, rest = parser.parse_known_args(given)
    # argparse takes positional words after a flag for unknown ones; overrides may stand anywhere.
    if wrong := [word for word in rest if word.startswith("-") or parsed.command != "sweep"]:
        parser.error(f"unrecognized arguments: {' '.join(wrong)}")
    if rest:
        parsed.overrides += rest
    module = import_module(f"rote.cli.{parsed.command}")
    with silence(is_wanted=getattr(parsed, "json", False)):
        return int(module.run(parsed))


def _train(arguments: list[str]) -> int:
    if "-h" in arguments or "--help" in arguments:
        from rote.config.compose import groups

        lines = [f"  {name:15} {', '.join(choices)}" for name, choices in groups().items()]
        sys.stdout.write("usage: rote train [-m] [OVERRIDE ...]\n\n")
        sys.stdout.write(TRAIN_HELP.format(groups="\n".join(lines)))
        return 0
    return int(import_module("rote.cli.train").train(arguments))
