"""`gatewright authz COMMAND`: finds the command and runs it."""

import argparse

from gatewright.cli.authz import evaluate, fmt, test
from gatewright.cli.command import Command

HELP = "for authors of policies: try a request, run tests, format"

COMMANDS: dict[str, Command] = {
    "eval": evaluate,
    "test": test,
    "fmt": fmt,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its commands."""
    subparsers = parser.add_subparsers(dest="authz_command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = subparsers.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)


def run(arguments: argparse.Namespace) -> int:
    """The chosen one's exit status."""
    return COMMANDS[arguments.authz_command].run(arguments)
