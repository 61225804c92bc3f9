"""`rote completion`: a script that completes commands and flags in a shell."""

import argparse
import sys

import shtab

from rote.cli.parser import parser_of_commands


def run(arguments: argparse.Namespace) -> int:
    """Prints it."""
    sys.stdout.write(shtab.complete(parser_of_commands(), arguments.shell) + "\n")
    return 0
