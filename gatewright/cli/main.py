"""`gatewright COMMAND`: finds the command and runs it.

Exit status: 0 done, 1 the command's own "no" (problems found, nothing serves), 2 wrong arguments.
"""

import argparse
import sys
from collections.abc import Sequence

from gatewright.cli import build, check, serve, up, version
from gatewright.cli.authz import group as authz
from gatewright.cli.command import Command, offer
from gatewright.cli.ratelimit import group as ratelimit
from gatewright.cli.waf import group as waf

COMMANDS: dict[str, Command] = {
    "up": up,
    "serve": serve,
    "check": check,
    "build": build,
    "authz": authz,
    "ratelimit": ratelimit,
    "waf": waf,
    "version": version,
}


def main(argv: Sequence[str] | None = None) -> int:
    """The console script."""
    parser = argparse.ArgumentParser(
        prog="gatewright", description="External authorization and rate limiting for Envoy."
    )
    offer(parser, "command", COMMANDS)
    arguments = parser.parse_args(argv)
    return COMMANDS[arguments.command].run(arguments)


if __name__ == "__main__":
    sys.exit(main())
