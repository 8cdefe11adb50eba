"""`gatewright authz test PATH...`: `opa test`, by OPA's own code, where no `opa` is installed.

A bundle is tested as it is served: the Rego of each policy with the data that the policy names.
"""

import argparse
import base64
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

from extauthz.policy.compiler import program
from gatewright.cli.authz import files
from gatewright.cli.authz.of_bundle import Tested, of_bundle
from gatewright.cli.folders import cache_folder, say

HELP = "run the tests of Rego, as `opa test`; exit 0 all pass, 2 a test did not, 1 an error"
SECONDS: Final = 5.0
"""For one test, as in OPA."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags, named as those of `opa test`."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a bundle; or Rego, its tests and data"
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
        tested = _tested(arguments.paths)
        if len(tested) > 1 and arguments.coverage:
            folders = ", ".join(each.paths[0] for each in tested)
            say(f"coverage is of one policy's Rego at a time; name one: {folders}")
            return 1
        answers = program.find(cache_folder(), say)([_request(arguments, each) for each in tested])
    except (files.Unreadable, program.CompilerMissing) as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.write(_output(arguments.format, tested, [each["output"] for each in answers]))
    for answer in answers:
        if answer["error"]:
            print(answer["error"], file=sys.stderr)
    codes = {answer["code"] for answer in answers}
    return 1 if 1 in codes else max(codes, default=0)


def _tested(paths: Sequence[str]) -> list[Tested]:
    """What is loaded together: the Rego and data of each policy of a bundle, or all that is named.

    Raises:
        Unreadable: a path is not there or cannot be read.
    """
    found: list[Tested] = []
    others = []
    for path in paths:
        bundle = of_bundle(path)
        if bundle is None:
            others.append(path)
        else:
            found += bundle
            _tell_of_others(path, bundle)
    if others:
        named = files.read(others, files.rego_or_data)
        found.insert(0, Tested(named, tuple(os.path.normpath(each) for each in others)))
    return found


def _tell_of_others(path: str, bundle: Sequence[Tested]) -> None:
    tests = files.read([path], lambda name: name.endswith("_test.rego"))
    for name in tests.keys() - {name for each in bundle for name in each.files}:
        say(f"{name} is not tested with this bundle: no policy's Rego is in its folder")


def _output(form: str, tested: Sequence[Tested], outputs: Sequence[str]) -> str:
    if len(tested) == 1:
        return outputs[0]
    if form == "json":
        results = [result for each in outputs for result in json.loads(each or "null") or ()]
        return json.dumps(results, indent=2) + "\n"
    return "".join(
        f"{each.paths[0]}:\n{output}" for each, output in zip(tested, outputs, strict=True)
    )


def _request(arguments: argparse.Namespace, tested: Tested) -> dict[str, Any]:
    return {
        "command": "test",
        "files": {name: base64.b64encode(data).decode() for name, data in tested.files.items()},
        "paths": tested.paths,
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
