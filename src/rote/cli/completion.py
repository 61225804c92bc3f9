"""`rote completion`: a script that completes commands and flags in a shell."""

import argparse
import sys

import shtab


def run(arguments: argparse.Namespace) -> int:
    """Prints it."""
    from rote.cli.main import parser_of_commands  # which imports this module's like

    sys.stdout.write(shtab.complete(parser_of_commands(), arguments.shell) + "\n")
    return 0
