"""Rules of several policies that differ in thresholds alone: loaded once, with a TX for each."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from waf.rules import RuleSet

OPEN: Final = b"0000001"
"""What rules are loaded with in place of a threshold that each policy has its own of. Nobody writes
a number so; should it ever stay where it is, it is 1, and refuses whatever scores."""


def view(rules: RuleSet, members: Mapping[bytes, bytes]) -> RuleSet | None:
    """The same rules, which share all that they are made of, with other members of TX.

    5 KB, where the rules of CRS take 10 MB.

    Args:
        rules: in whose files these members were given the value `OPEN`, before any rule.
        members: their names in lower case, and values.

    Returns:
        None: they must be loaded by themselves, as some rule was left out, or is only there,
        because of that value; or something else is written over it.
    """
    if any(rules.tx.get(name) != OPEN or name in rules.answered for name in members):
        return None
    return replace(rules, tx={**rules.tx, **members})
