"""`rote retry`: as `rote resume`, and what failed is tried once more."""

import argparse

from rote.cli.resume import carry_on


def run(arguments: argparse.Namespace) -> int:
    """A run that fails again is listed again."""
    return carry_on(arguments, mode="retry")
