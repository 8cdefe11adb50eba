"""What of a bundle its policies decide by: the Rego of each, with its data."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from callout.config import documents
from callout.config.bundle import Bundle, read_directory
from callout.config.problems import Rejected
from gatewright.bundle.sections import SECTIONS


class Tested(NamedTuple):
    """What is loaded together, as `serve` does: folders of Rego and a file of data."""

    files: Mapping[str, bytes]
    paths: tuple[str, ...]
    """Of those: what to load. A folder of a policy, and the file whose content is `data`."""


def of_bundle(path: str) -> list[Tested] | None:
    """The Rego that policies of the bundle in this folder name; None: there is none, or no bundle.

    A policy whose Rego is not there, or whose text cannot be read, is `check`'s to tell of.
    """
    if not os.path.isdir(path):
        return None
    bundle = read_directory(path)
    if isinstance(bundle, Rejected):
        return None
    found = documents.read(bundle, [each.key for each in SECTIONS])
    sources = [*(each.source for each in found.policies), *found.headless]
    decides = (source.at("auth", "decide").value for source in sources)
    named: dict[tuple[str, str | None], None] = {}
    for decide in decides:
        if isinstance(decide, dict) and isinstance(folder := decide.get("rego"), str):
            data = decide.get("data")
            named[folder, data if isinstance(data, str) else None] = None
    return [_tested(path, bundle, *each) for each in named] or None


def _tested(path: str, bundle: Bundle, folder: str, data: str | None) -> Tested:
    def outside(name: str) -> str:
        return os.path.normpath(Path(path) / name)

    files = {
        outside(name): content
        for name, content in bundle.under(folder).items()
        if name.endswith(".rego")
    }
    paths = [outside(folder)]
    if data is not None and (content := bundle.read(data)) is not None:
        files[outside(data)] = content
        paths.append(outside(data))
    return Tested(files, tuple(paths))
