"""`gatewright waf COMMAND`: finds the command and runs it."""

import argparse

from gatewright.cli.command import Command, offer
from gatewright.cli.waf import crs, explain, scan

HELP = "for authors of rules: judge recorded requests, explain one, add rules"

COMMANDS: dict[str, Command] = {
    "scan": scan,
    "explain": explain,
    "crs": crs,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its commands."""
    offer(parser, "waf_command", COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """The chosen one's exit status."""
    return COMMANDS[arguments.waf_command].run(arguments)
