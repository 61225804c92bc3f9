"""`rote repair`: as `rote resume`, and finished runs that are damaged are trained anew."""

import argparse

from rote.cli.resume import carry_on


def run(arguments: argparse.Namespace) -> int:
    """Their old folders are moved aside; raises ValueError as `rote resume` does."""
    return carry_on(arguments, mode="repair")
