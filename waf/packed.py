"""Rule sets within a bundle: the supervising process reads them once, and all workers have those.

They stand beside compiled Rego in the folder that no operator writes.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from callout.config.bundle import COMPILED, Bundle
from callout.config.source import Source
from waf.rule_files import RuleFiles

PACKED: Final = f"{COMPILED}waf/"
"""The folder."""
ENGINE: Final = "engine"
"""The name of what every engine begins with."""


class _Order(msgspec.Struct):
    setup: tuple[str, ...]
    rules: tuple[str, ...]


def packed(name: str, found: RuleFiles) -> dict[str, bytes]:
    """A rule set as files of a bundle."""
    order = msgspec.json.encode(_Order(found.setup, found.rules))
    files = {f"{PACKED}{name}/{path}": data for path, data in found.files.items()}
    return {f"{PACKED}{name}.json": order, **files}


def unpacked(name: str, bundle: Bundle) -> RuleFiles | None:
    """A rule set of a bundle; None: it is not there."""
    data = bundle.read(f"{PACKED}{name}.json")
    if data is None:
        return None
    order = msgspec.json.decode(data, type=_Order)
    prefix = f"{PACKED}{name}/"
    files = {path.removeprefix(prefix): data for path, data in bundle.under(prefix).items()}
    return RuleFiles(files, order.setup, order.rules)


def named(policies: Iterable[Source]) -> frozenset[str]:
    """The names of rule sets that documents of policies ask for, written well or not."""
    found: set[str] = set()
    for each in policies:
        rules = each.at("inspect", "request", "waf", "rules").value
        if isinstance(rules, list):
            found.update(name for name in rules if isinstance(name, str) and is_name(name))
    return frozenset(found)


def is_name(entry: str) -> bool:
    """Whether an entry of `rules` names a rule set, and no file."""
    return entry.isidentifier()
