"""`gatewright version`."""

import argparse
import platform

import gatewright

HELP = "print the version"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001
    """Prints one line."""
    print(f"gatewright {gatewright.__version__} (Python {platform.python_version()})")
    return 0
