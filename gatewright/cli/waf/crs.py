"""`gatewright waf crs COMMAND`: finds the command and runs it."""

import argparse

from gatewright.cli.command import Command, offer
from gatewright.cli.waf import crs_add

HELP = "the OWASP Core Rule Set that policies name `crs`"

COMMANDS: dict[str, Command] = {
    "add": crs_add,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its commands."""
    offer(parser, "crs_command", COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """The chosen one's exit status."""
    return COMMANDS[arguments.crs_command].run(arguments)
