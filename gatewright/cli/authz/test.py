"""`gatewright authz test PATH...`: `opa test`, by OPA's own code, where no `opa` is installed."""

import argparse
import base64
import os
import sys
from typing import Any, Final

from extauthz.policy.compiler import program
from gatewright.cli.authz import files
from gatewright.cli.folders import cache_folder, say

HELP = "run the tests of Rego, as `opa test`; exit 0 all pass, 2 a test did not, 1 an error"
SECONDS: Final = 5.0
"""For one test, as in OPA."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags, named as those of `opa test`."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="Rego, its tests and data: files or folders"
    )
    parser.add_argument("-r", "--run", default="", metavar="REGEX", help="only tests of such names")
    parser.add_argument("-v", "--verbose", action="store_true", help="passed tests and traces, too")
    parser.add_argument("-f", "--format", choices=("pretty", "json"), default="pretty")
    parser.add_argument("-c", "--coverage", action="store_true", help="which lines they reach")
    parser.add_argument(
        "--threshold", type=_percent, default=0.0, metavar="PERCENT", help="least coverage"
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=SECONDS, metavar="SECONDS", help="for each test"
    )
    parser.add_argument(
        "-z", "--exit-zero-on-skipped", action="store_true", help="skipped tests end with 0"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints what `opa test` would print."""
    try:
        found = files.read(arguments.paths, files.rego_or_data)
        (answer,) = program.find(cache_folder(), say)([_request(arguments, found)])
    except (files.Unreadable, program.CompilerMissing) as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.write(answer["output"])
    if answer["error"]:
        print(answer["error"], file=sys.stderr)
    code: int = answer["code"]
    return code


def _request(arguments: argparse.Namespace, found: dict[str, bytes]) -> dict[str, Any]:
    return {
        "command": "test",
        "files": {name: base64.b64encode(data).decode() for name, data in found.items()},
        "paths": [os.path.normpath(each) for each in arguments.paths],
        "run": arguments.run,
        "format": arguments.format,
        "verbose": arguments.verbose,
        "coverage": arguments.coverage,
        "threshold": arguments.threshold,
        "seconds": arguments.timeout,
        "skips_pass": arguments.exit_zero_on_skipped,
    }


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise ValueError(text)
    return value


def _seconds(text: str) -> float:
    value = float(text.removesuffix("s"))
    if not 0 < value <= program.SECONDS:
        raise ValueError(text)
    return value
