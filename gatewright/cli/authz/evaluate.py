"""`gatewright authz eval DIR`: what a served request would be answered, and why."""

import argparse
from pathlib import Path

HELP = "decide about one request as `serve` would; exit 0 allowed, 1 denied, 2 it cannot be asked"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="the bundle")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Prints the decision."""
    raise NotImplementedError(arguments.directory)
