"""`gatewright build DIR`: compiles ahead what is slow, into the bundle itself."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from callout.config.bundle import COMPILED, Bundle, read_directory
from callout.config.problems import Problem, Rejected
from gatewright.bundle.load import check, plans_of
from gatewright.cli.folders import cache_folder, say

HELP = "compile the Rego of a bundle into DIR/.compiled, so that no server needs a compiler"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="the bundle")


def run(arguments: argparse.Namespace) -> int:
    """Writes the plans of the bundle's Rego, and removes those of Rego that it no longer has."""
    directory: Path = arguments.directory
    bundle = read_directory(directory)
    if isinstance(bundle, Rejected):
        return _told(bundle.problems)
    plans = plans_of(bundle, cache_folder(), say)
    if isinstance(plans, Rejected):
        return _told(plans.problems)
    if refused := _refused(Bundle({**bundle.files, **plans})):
        return _told(refused)
    folder = directory / COMPILED
    for path, content in plans.items():
        target = directory / path
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(exist_ok=True)
            fresh = target.with_name(f".{target.name}")
            fresh.write_bytes(content)
            fresh.replace(target)
    stale = [each for each in folder.glob("*.json") if COMPILED + each.name not in plans]
    for each in stale:
        each.unlink()
    print(f"{folder}: {len(plans)} compiled, {len(stale)} removed")
    return 0


def _refused(bundle: Bundle) -> list[Problem]:
    """Why a server would not take these plans: a builtin that we lack, mostly.

    What else is wrong with a policy is no matter of its Rego: a file of keys may come later.
    """
    checked = check(bundle, cache_folder(), say)
    problems = checked.problems if isinstance(checked, Rejected) else ()
    return [
        each
        for each in problems
        if each.severity == "error"
        and (each.file.endswith(".rego") or each.path.endswith("decide.rego"))
    ]


def _told(problems: Sequence[Problem]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1
