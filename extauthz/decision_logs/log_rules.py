"""The policies about decision logs that a folder of Rego has: `data.system.log`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from callout.config.bundle import Bundle
from extauthz.policy.compiler.plans import RegoSource, rego_sources
from extauthz.policy.engine import Engine

MASK: Final = "system/log/mask"
"""The rule that says what is masked in an event."""
DROP: Final = "system/log/drop"
"""The rule that says whether an event is dropped."""

_PACKAGE: Final = re.compile(rb"^package[ \t]+system\.log[ \t\r]*(?:#.*)?$", re.M)
_HEADS: Final = {
    MASK: re.compile(rb"^(?:default[ \t]+)?mask\b", re.M),
    DROP: re.compile(rb"^(?:default[ \t]+)?drop\b", re.M),
}


@dataclass(frozen=True, slots=True)
class LogRules:
    """What a policy's Rego says of the events of its decisions."""

    mask: Engine | None = None
    drop: Engine | None = None


def entrypoints(sources: Mapping[str, bytes]) -> list[str]:
    """Which of the two rules these Rego files have, in package `system.log`.

    Seen in the text, since an entrypoint that does not exist is an error of the compiler: the
    package and the rules' heads must begin their lines, as `opa fmt` writes them.
    """
    files = [text for text in sources.values() if _PACKAGE.search(text)]
    return [rule for rule, head in _HEADS.items() if any(map(head.search, files))]


def log_rules_wanted(bundle: Bundle, wanted: Sequence[RegoSource]) -> list[RegoSource]:
    """What must be compiled beside the decisions of these folders."""
    folders = dict.fromkeys(each.folder for each in wanted)
    return [
        RegoSource(folder, rule)
        for folder in folders
        for rule in entrypoints(rego_sources(bundle, folder))
    ]
