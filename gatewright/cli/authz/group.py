"""`gatewright authz COMMAND`: finds the command and runs it."""

import argparse

from gatewright.cli.authz import evaluate, fmt, test
from gatewright.cli.command import Command, offer

HELP = "for authors of policies: try a request, run tests, format"

COMMANDS: dict[str, Command] = {
    "eval": evaluate,
    "test": test,
    "fmt": fmt,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its commands."""
    offer(parser, "authz_command", COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """The chosen one's exit status."""
    return COMMANDS[arguments.authz_command].run(arguments)
