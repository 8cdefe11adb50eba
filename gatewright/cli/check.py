"""`gatewright check DIR`: what `serve` would say of this bundle, without serving.

With `--er-config DIR` the same of a folder of envoyproxy/ratelimit files.
"""

import argparse
import json
import sys
from collections.abc import Sequence, Sized
from dataclasses import asdict
from pathlib import Path
from typing import cast

from callout.config.problems import Problem, Rejected, in_order
from gatewright.bundle.doubts import doubts
from gatewright.bundle.load import load
from gatewright.bundle.sections import sections
from gatewright.bundle.unmatched import unmatched
from gatewright.cli.er_config import load_er, read_er_settings
from gatewright.cli.folders import cache_folder, say
from gatewright.cli.settings import read_settings
from ratelimit.planner import SECTION

HELP = "check a bundle offline, by the server's own loader; exit 1 if it would be refused"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    checked = parser.add_mutually_exclusive_group(required=True)
    checked.add_argument("directory", type=Path, nargs="?", metavar="DIR", help="the bundle")
    checked.add_argument(
        "--er-config",
        type=Path,
        metavar="DIR",
        help="instead of a bundle: a folder of envoyproxy/ratelimit files",
    )
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings of `serve`")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    parser.add_argument("--strict", action="store_true", help="exit 1 for warnings, too")


def run(arguments: argparse.Namespace) -> int:
    """Prints every problem with its place."""
    of_er = arguments.er_config is not None
    settings = (read_er_settings if of_er else read_settings)(arguments.settings, {})
    if isinstance(settings, Rejected):
        _print(settings.problems, None, as_json=arguments.json)
        return 1
    if of_er:
        loaded = load_er(arguments.er_config, settings.limits)
    else:
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
        if of_er:
            domains = _counted(cast("Sized", snapshot.parts[SECTION]), "domain", "domains")
            print(f"{arguments.er_config}: good: {domains}")
        else:
            policies = _counted(snapshot.policies.names, "policy", "policies")
            print(f"{arguments.directory}: good: {policies}")
    return 0


def _counted(found: Sized, one: str, several: str) -> str:
    return f"1 {one}" if len(found) == 1 else f"{len(found)} {several}"


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
