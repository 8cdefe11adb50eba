"""`gatewright ratelimit COMMAND`: finds the command and runs it."""

import argparse

from gatewright.cli.command import Command, offer
from gatewright.cli.ratelimit import keys, trial

HELP = "for authors of limits: try a request, look at counters"

COMMANDS: dict[str, Command] = {
    "try": trial,
    "keys": keys,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its commands."""
    offer(parser, "ratelimit_command", COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """The chosen one's exit status."""
    return COMMANDS[arguments.ratelimit_command].run(arguments)
