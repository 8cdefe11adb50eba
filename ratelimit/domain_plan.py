"""What a request counts by an operator's rules of its domain."""

from collections.abc import Sequence
from typing import NamedTuple

from ratelimit.keys import descriptor_key
from ratelimit.limits import CALENDAR_MONTH, MONTH, Limit
from ratelimit.plan import Counted, Group, OnError
from ratelimit.request import Descriptor
from ratelimit.rules import Match, Rule, Tree, match, override_key

_NOT_LIMITED = Group()
_UNLIMITED = Group(unlimited=True)
_new = tuple.__new__


class Met(NamedTuple):
    """What a request's descriptors count."""

    groups: tuple[Group, ...]
    """One for each, in order."""
    keys: tuple[bytes, ...]
    """Of the limits in them, in order: what their counters are called."""


def met(
    tree: Tree, descriptors: Sequence[Descriptor], quota: bool = False, on_error: OnError = "deny"
) -> Met:
    """What each descriptor counts; with `quota` every limit is in quota mode."""
    domain, er = tree.domain, tree.er
    made = []
    keys = []
    replaced: set[str] = set()
    for entries, override, addend, refund in descriptors:
        if override is None:
            found = match(tree, entries)
            if found is None:
                made.append(_NOT_LIMITED)
                continue
        else:
            # It replaces whatever rule there is, its shadow mode and `unlimited` included.
            if tree.calendar and override.unit is MONTH:
                override = Limit(override.requests, CALENDAR_MONTH)
            found = Match(Rule(override), entries, override_key(domain, entries))
        rule, entries, name = found
        if rule.replaces:
            replaced |= rule.replaces
        limit = rule.limit
        if limit is None:
            made.append(_UNLIMITED)
            continue
        if refund and not addend:
            made.append(_NOT_LIMITED)
            continue
        if er is not None:
            keys.append(er.descriptor_key(domain, entries))
        else:
            keys.append(descriptor_key(domain, limit.unit.seconds, entries))
        # Their own `__new__` is a function in Python: 0.4 us more for the two.
        refuses_last = quota or rule.quota
        counted = _new(
            Counted,
            (limit, addend, rule.shadow, on_error, refuses_last, name, None, True, False),
        )
        made.append(_new(Group, ((counted,), False, rule)))
    if replaced:
        return _without(replaced, made, keys)
    return Met(tuple(made), tuple(keys))


def _without(replaced: set[str], made: Sequence[Group], keys: Sequence[bytes]) -> Met:
    """Groups of limits that others replace count nothing."""
    left, names = [], []
    rest = iter(keys)
    for group in made:
        key = next(rest) if group.counted else b""
        if group.counted and group.counted[0].limit.name in replaced:
            left.append(_NOT_LIMITED)
            continue
        left.append(group)
        if group.counted:
            names.append(key)
    return Met(tuple(left), tuple(names))
