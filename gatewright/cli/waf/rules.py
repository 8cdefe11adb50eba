"""The rules that a command of `gatewright waf` asks: its flags, and what they name."""

import argparse
from pathlib import Path
from typing import Final

from callout.config.problems import Problem, Rejected
from gatewright.bundle import rule_sets
from gatewright.cli.folders import cache_folder, gateway_config, say
from waf.load import load
from waf.rule_files import Levels, RuleFiles, compose
from waf.rules import RuleSet

_KINDS: Final = (".conf", ".data", ".txt", ".load")
_MOST: Final = 64 * 1024 * 1024
"""Bytes of all rule files below the folder of one."""
_MOST_FILES: Final = 10_000
"""Files of any kind: a rule file that stands where everything does."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which rules, and how strictly they are meant."""
    parser.add_argument(
        "--rules",
        action="append",
        metavar="RULES",
        help="`starter`, `crs`, the folder of a CRS, or a rule file; may be given several times; "
        "default: starter",
    )
    parser.add_argument(
        "--paranoia", type=int, choices=range(1, 5), metavar="N", help="1 to 4: how strict"
    )
    parser.add_argument("--threshold", type=int, metavar="N", help="score that is too much")


def rules_of(arguments: argparse.Namespace) -> RuleSet | Rejected:
    """The rules, ready to run; what was hardly meant in them is told."""
    shipped = gateway_config() / "waf"
    sets: list[RuleFiles] = []
    for name in arguments.rules or ["starter"]:
        found = _named(name, shipped)
        if isinstance(found, Problem):
            return Rejected((found,))
        sets.append(found)
    levels = Levels(arguments.paranoia, arguments.threshold, arguments.threshold)
    loaded = load(*compose(rule_sets.base(shipped), sets, levels))
    if isinstance(loaded, RuleSet):
        for each in loaded.warnings:
            say(str(each))
    return loaded


def _named(name: str, shipped: Path) -> RuleFiles | Problem:
    if name == "starter":
        return rule_sets.starter(shipped)
    if name == "crs":
        return rule_sets.crs(cache_folder()) or Problem("crs", 0, 0, "", rule_sets.NO_CRS)
    path = Path(name)
    try:
        if path.is_dir():
            found = rule_sets.tree(path, _path(path) + "/")
            return found or Problem(name, 0, 0, "", "expected crs-setup.conf and rules in it")
        files = _beside(path)
    except OSError as error:
        return Problem(name, 0, 0, "", f"expected a rule file: {error.strerror}")
    if files is None:
        message = f"expected at most {_MOST_FILES} files of {_MOST} bytes in and below its folder"
        return Problem(name, 0, 0, "", message)
    return RuleFiles(files, (), (_path(path),))


def _beside(path: Path) -> dict[str, bytes] | None:
    """The file, and all below its folder that it might include; None: they are too large."""
    files = {_path(path): path.read_bytes()}
    size = len(files[_path(path)])
    for count, each in enumerate(path.parent.rglob("*")):
        if each.suffix in _KINDS and each.is_file() and _path(each) not in files:
            files[_path(each)] = each.read_bytes()
            size += len(files[_path(each)])
        if size > _MOST or count >= _MOST_FILES:
            return None
    return files


def _path(path: Path) -> str:
    return path.as_posix()
