"""What a command of `gatewright` is: a module of this folder, or of one below it."""

import argparse
from collections.abc import Mapping
from typing import Protocol


class Command(Protocol):
    """One module."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declares its flags."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Does it; the result is the exit status."""
        ...


def offer(parser: argparse.ArgumentParser, dest: str, commands: Mapping[str, Command]) -> None:
    """One of these commands must be named; `dest` is the argument that says which was."""
    subparsers = parser.add_subparsers(dest=dest, required=True, metavar="COMMAND")
    for name, command in commands.items():
        sub = subparsers.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)
