"""What a command of `gatewright` is: a module of this folder, or of one below it."""

import argparse
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
