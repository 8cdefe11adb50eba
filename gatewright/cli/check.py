"""`gatewright check DIR`: what `serve` would say of this bundle, without serving."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from callout.config.problems import Problem, Rejected, in_order
from gatewright.bundle.doubts import doubts
from gatewright.bundle.load import load
from gatewright.bundle.sections import sections
from gatewright.bundle.unmatched import unmatched
from gatewright.cli.folders import cache_folder, say
from gatewright.cli.settings import read_settings

HELP = "check a bundle offline, by the server's own loader; exit 1 if it would be refused"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="the bundle")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings of `serve`")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    parser.add_argument("--strict", action="store_true", help="exit 1 for warnings, too")


def run(arguments: argparse.Namespace) -> int:
    """Prints every problem with its place."""
    settings = read_settings(arguments.settings, {})
    if isinstance(settings, Rejected):
        _print(settings.problems, None, as_json=arguments.json)
        return 1
    loaded = load(arguments.directory, cache_folder(), say, sections(settings.limits))
    if isinstance(loaded, Rejected):
        _print(loaded.problems, None, as_json=arguments.json)
        return 1
    snapshot = loaded.snapshot
    found = in_order([*doubts(loaded), *unmatched(settings, snapshot)])
    _print(found, snapshot.digest, as_json=arguments.json)
    if found and arguments.strict:
        return 1
    if not arguments.json:
        print(f"{arguments.directory}: good: {_counted(len(snapshot.policies.names))}")
    return 0


def _counted(policies: int) -> str:
    return "1 policy" if policies == 1 else f"{policies} policies"


def _print(problems: Sequence[Problem], digest: str | None, *, as_json: bool) -> None:
    if as_json:
        report = {
            "ok": digest is not None,
            "digest": digest,
            "problems": [asdict(each) for each in problems],
        }
        print(json.dumps(report, indent=2))
        return
    for each in problems:
        print(each, file=sys.stderr)
