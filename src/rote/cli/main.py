"""Run the `rote` command: parse, call its function, turn errors into one line and an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter

from rote.cli.arguments import complaint
from rote.cli.screen import Failed, errors, silence

HELP = """\
Measure how much a transformer memorises, when it generalises instead, what leaks.

Outputs go to ./outputs, or to the folder that ROTE_OUTPUTS names; -q prints errors alone.
"""
# A module is imported when its command is called: `rote --help` imports none of them.
COMMANDS = {
    "Training": {
        "train": ("main:train", "one run, or a grid with -m; see rote train --help"),
        "new": ("new:new", "write a model, task, measure or sweep to begin with"),
    },
    "Sweeps": {
        "sweep": ("sweeps:sweep", "launch a sweep file and follow it to its end"),
        "status": ("status:status", "where the runs of a sweep stand"),
        "resume": ("sweeps:resume", "send what is neither done, nor under way, nor failed"),
        "retry": ("sweeps:retry", "as resume, and what failed is tried again"),
        "repair": ("sweeps:repair", "as resume, and damaged finished runs are trained anew"),
        "cancel": ("sweeps:cancel", "end the jobs of a sweep, keep what they have done"),
        "archive": ("sweeps:archive", "pack finished runs into few files, or bring them back"),
        "logs": ("status:logs", "what a run's worker wrote last, and why the run failed"),
    },
    "Results": {
        "report": ("results:report", "fit, draw and write the report of a sweep, or the site"),
        "compare": ("results:compare", "two sweeps run by run: what differs, how much"),
        "collect": ("results:collect", "records of a sweep into one typed table"),
        "serve": ("results:serve", "the site of all sweeps, live, for this machine's browser"),
        "dashboard": ("wandb:dashboard", "a wandb workspace and report, as JSON"),
        "sync": ("wandb:sync", "send offline wandb runs to a server, each once"),
    },
    "Questions": {
        "fit": ("laws:fit", "scaling and other laws through a sweep or a table"),
        "plan": ("laws:plan", "which size and how much data, and what it leaks"),
        "claims": ("claims:claims", "which published claims hold by the reports made here"),
        "audit": ("audit:audit", "what a model gives away of its training data"),
        "compress": ("models:compress", "code a file with a run's model, bit for bit"),
        "decompress": ("models:decompress", "the file that rote compress was given"),
    },
    "Machine": {
        "doctor": ("machine:doctor", "what this machine has, and what to do about the rest"),
        "completion": ("machine:completion", 'for a shell: eval "$(rote completion bash)"'),
    },
}
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
    """Return the exit code: 0 done, 1 something failed, 2 the input was wrong, 130 interrupted."""
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


def train(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Passes all words to Hydra; `main` calls this before cyclopts reads them."""
    if "-h" in words or "--help" in words:
        from rote.config.compose import groups

        lines = [f"  {name:15} {', '.join(choices)}" for name, choices in groups().items()]
        sys.stdout.write("Usage: rote train [-m] [OVERRIDE ...]\n\n")
        sys.stdout.write(TRAIN_HELP.format(groups="\n".join(lines)))
        return 0
    from rote.cli.train import train as run_hydra

    return run_hydra(list(words))


def make_app() -> App:
    """Define all commands in their groups, without importing their modules."""
    app = App(
        name="rote",
        usage="Usage: rote [-q] COMMAND ...",
        help=HELP,
        group_commands=Group("Flags", sort_key=len(COMMANDS)),
        help_format="plaintext",
        version=_version,
        default_parameter=Parameter(negative="", json_list=False, json_dict=False),
        suppress_keyboard_interrupt=False,
        print_error=False,
        exit_on_error=False,
        result_action="return_value",
    )
    for place, (group, commands) in enumerate(COMMANDS.items()):
        shown = Group(group, sort_key=place)
        for order, (name, (function, text)) in enumerate(commands.items()):
            app.command(f"rote.cli.{function}", name=name, group=shown, help=text, sort_key=order)
    return app


def _version() -> str:
    from importlib import metadata  # takes a sixth of the time of `rote --help`

    return metadata.version("rote")


def _one_line(message: str) -> str:
    """Join lines; unprintable characters, such as a terminal's control characters, are escaped."""
    line = " ".join(message.split())
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)


def _dispatch(given: list[str]) -> int:
    is_quiet = given[:1] in (["-q"], ["--quiet"])
    words = given[1:] if is_quiet else given
    with silence(is_wanted=is_quiet):
        return train(*words[1:]) if words[:1] == ["train"] else _call(words)


def _call(words: list[str]) -> int:
    if not words:
        raise ValueError("a command is missing; see rote --help")
    try:
        with silence(is_wanted=any(word.partition("=")[0] == "--json" for word in words)):
            return int(make_app()(words) or 0)
    except CycloptsError as error:
        raise ValueError(complaint(error)) from error
