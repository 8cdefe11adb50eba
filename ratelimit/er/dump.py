"""The rules in use as envoyproxy/ratelimit's `/rlconfig` writes them. Pure.

`dump` of its src/config/config_impl.go: a line for each rule, of those that are nested, too.
"""

from collections.abc import Iterator, Mapping

from ratelimit.rules import JoinedNode, Node, Rule, Tree


def dump(domains: Mapping[str, Tree]) -> str:
    """All rules of all domains, `domain.key_value: unit=MINUTE requests_per_unit=5, ...`.

    In an order that a reader can follow, where that service has the one of a Go map.
    """
    return "".join(_line(rule) for _, tree in sorted(domains.items()) for rule in _rules(tree.root))


def _rules(node: Node) -> Iterator[Rule]:
    below = [node]
    while below:
        each = below.pop()
        if each.rule is not None:
            yield each.rule
        # Of a wildcard there is a second way to the same node.
        keyed = () if isinstance(each, JoinedNode) else each.exact.values()
        below += reversed([*keyed, *each.any_value.values()])


def _line(rule: Rule) -> str:
    limit = rule.limit
    unit = limit.unit.name.upper() if limit is not None else "UNKNOWN"
    requests = limit.requests if limit is not None else 0
    shadow = "true" if rule.shadow else "false"
    return f"{rule.key}: unit={unit} requests_per_unit={requests}, shadow_mode: {shadow}\n"
