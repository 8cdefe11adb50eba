"""`gatewright COMMAND`: finds the command and runs it.

Exit status: 0 done, 1 the command's own "no" (problems found, nothing serves), 2 wrong arguments.
"""

import argparse
import sys
from collections.abc import Sequence

from gatewright.cli import build, check, serve, up, version
from gatewright.cli.authz import group as authz
from gatewright.cli.command import Command
from gatewright.cli.ratelimit import group as ratelimit

COMMANDS: dict[str, Command] = {
    "up": up,
    "serve": serve,
    "check": check,
    "build": build,
    "authz": authz,
    "ratelimit": ratelimit,
    "version": version,
}


def main(argv: Sequence[str] | None = None) -> int:
    """The console script."""
    parser = argparse.ArgumentParser(
        prog="gatewright", description="External authorization and rate limiting for Envoy."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = subparsers.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)
    arguments = parser.parse_args(argv)
    return COMMANDS[arguments.command].run(arguments)


if __name__ == "__main__":
    sys.exit(main())
