"""What a request counts by an operator's rules of its domain."""

from collections.abc import Sequence

from ratelimit.keys import descriptor_key
from ratelimit.limits import CALENDAR_MONTH, MONTH, Limit
from ratelimit.plan import Counted, Group, OnError
from ratelimit.request import Descriptor
from ratelimit.rules import Match, Rule, Tree, match, override_key

_NOT_LIMITED = Group()
_UNLIMITED = Group(unlimited=True)
_new = tuple.__new__


def groups(
    tree: Tree, descriptors: Sequence[Descriptor], quota: bool = False, on_error: OnError = "deny"
) -> tuple[Group, ...]:
    """What each descriptor counts, in order; with `quota` every limit is in quota mode."""
    domain, er = tree.domain, tree.er
    made = []
    replaced: set[str] = set()
    for entries, override, addend, refund in descriptors:
        if override is None:
            met = match(tree, entries)
            if met is None:
                made.append(_NOT_LIMITED)
                continue
        else:
            # It replaces whatever rule there is, its shadow mode and `unlimited` included.
            if tree.calendar and override.unit is MONTH:
                override = Limit(override.requests, CALENDAR_MONTH)
            met = Match(Rule(override), entries, override_key(domain, entries))
        rule, entries, name = met
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
            key = er.descriptor_key(domain, entries)
        else:
            key = descriptor_key(domain, limit.unit.seconds, entries)
        # Their own `__new__` is a function in Python: 0.4 us more for the two.
        refuses_last = quota or rule.quota
        counted = _new(
            Counted,
            (limit, key, addend, rule.shadow, on_error, refuses_last, name, None, True, False),
        )
        made.append(_new(Group, ((counted,), False, rule)))
    if replaced:
        made = [
            _NOT_LIMITED if each.counted and each.counted[0].limit.name in replaced else each
            for each in made
        ]
    return tuple(made)
