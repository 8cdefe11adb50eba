"""`gatewright waf crs add PATH`: a Core Rule Set, verified, put where policies find it."""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from callout.config.problems import Rejected
from gatewright.bundle import rule_sets
from gatewright.cli.folders import cache_folder, gateway_config
from gatewright.cli.given import Unreadable, read_bounded
from gatewright.cli.waf.rule_archive import MOST, Refused, of_archive, of_folder
from waf.load import load
from waf.matcher.cache import Cache
from waf.matcher.library import Library
from waf.rule_files import Levels, compose
from waf.rules import RuleSet

HELP = "take a Core Rule Set: a folder, or the zip or tar of a release; exit 1 if it is none"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a folder, a zip, a tar")
    parser.add_argument("--sha256", metavar="HEX", help="what the archive must have; else refused")


def run(arguments: argparse.Namespace) -> int:
    """Verifies it, and puts it in the place of the one that was there."""
    try:
        files = _files(arguments.path, arguments.sha256)
    except (Refused, Unreadable) as refused:
        return _no(str(refused))
    except OSError as error:
        return _no(f"{arguments.path}: {error.strerror}")
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".crs-", dir=cache) as folder:
            fresh = Path(folder) / "crs"
            _write(fresh, files)
            rules = _loaded(fresh)
            if isinstance(rules, Rejected):
                for each in rules.problems:
                    print(each, file=sys.stderr)
                return 1
            # Now, so that no start waits for it.
            Library(Cache(cache / "waf")).matcher(rules)
            _put(fresh, cache, files)
    except OSError as error:
        return _no(f"{cache}: {error.strerror}")
    version = rules.settings.signature.decode("utf-8", "replace") or "without a name"
    count = sum(rule.labels.file.startswith("crs:") for rule in rules.rules())
    print(f"{version}: {count} rules at the level that its setup says")
    return 0


def _no(reason: str) -> int:
    print(f"gatewright: {reason}", file=sys.stderr)
    return 1


def _files(path: Path, digest: str | None) -> dict[str, bytes]:
    if path.is_dir():
        if digest is not None:
            raise Refused("--sha256 is that of an archive: a folder has none")
        return of_folder(path)
    data = read_bounded(str(path), MOST)
    if digest is not None and hashlib.sha256(data).hexdigest() != digest.strip().lower():
        raise Refused(f"{path}: its SHA-256 is another")
    return of_archive(data)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _loaded(folder: Path) -> RuleSet | Rejected:
    found = rule_sets.tree(folder, "crs:")
    if found is None:
        raise FileNotFoundError(0, "expected crs-setup.conf and rules")
    return load(*compose(rule_sets.base(gateway_config() / "waf"), [found], Levels()))


def _put(fresh: Path, cache: Path, files: Mapping[str, bytes]) -> None:
    """Whoever reads `crs` meanwhile has the one or the other, never half of each."""
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(b"%d:%d:%b" % (len(name.encode()), len(data), name.encode()))
        digest.update(data)
    place = cache / f"crs-{digest.hexdigest()[:16]}"
    if not place.exists():
        fresh.rename(place)
    link = fresh.parent / "link"
    link.symlink_to(place.name)
    before = (cache / "crs").resolve()
    os.replace(link, cache / "crs")
    for old in cache.glob("crs-*"):
        # The one before stays: somebody may be reading it.
        if old not in (place, before):
            shutil.rmtree(old, ignore_errors=True)
