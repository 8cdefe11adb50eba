"""Finds the limits that a request meets: of an operator's domain, or of the policies."""

from collections.abc import Mapping
from typing import cast

from callout.config import identity
from callout.config.policies import Effective, UnknownPolicy
from callout.config.snapshot import Snapshot
from callout.http.host import canonical_host
from callout.http.path import RefusedPath
from ratelimit.domains import OWN_DOMAIN
from ratelimit.keys import descriptor_key, policy_key
from ratelimit.plan import Counted, Group, Plan, Planned, Refusal
from ratelimit.policy_limits import Facts, PolicyLimit, values
from ratelimit.request import BadRequest, Descriptor, Request
from ratelimit.rules import Node, Rule, find

SECTION = "limits"
_NEEDED = ("host", "path", "method")


def plan(request: Request, snapshot: Snapshot) -> Planned | BadRequest:
    """What this request counts under this snapshot."""
    if request.domain == OWN_DOMAIN:
        return _plan_by_policy(request, snapshot)
    domains = cast("Mapping[str, Node]", snapshot.parts.get(SECTION, {}))
    root = domains.get(request.domain)
    if root is None:
        return Plan(request, (Group(),) * len(request.descriptors), reason="unknown_domain")
    groups = tuple(_group(request.domain, descriptor, root) for descriptor in request.descriptors)
    return Plan(request, groups, request.domain)


def _group(domain: str, descriptor: Descriptor, root: Node) -> Group:
    entries = descriptor.entries
    # An override replaces whatever rule there is, its shadow mode and `unlimited` included.
    rule: Rule | None = (
        Rule(descriptor.override) if descriptor.override is not None else find(root, entries)
    )
    if rule is None:
        return Group()
    if rule.limit is None:
        return Group(unlimited=True)
    key = descriptor_key(domain, rule.limit.unit.seconds, entries)
    return Group((Counted(rule.limit, key, descriptor.addend, rule.shadow),))


def _plan_by_policy(request: Request, snapshot: Snapshot) -> Planned | BadRequest:
    groups = []
    name, reason, note = "", "no_policy", ""
    for descriptor in request.descriptors:
        if descriptor.override is not None:
            return BadRequest(f"the domain {OWN_DOMAIN} takes no limit in a descriptor")
        entries = dict(descriptor.entries)
        missing = [key for key in _NEEDED if key not in entries]
        if missing:
            return BadRequest(f"the descriptor of {OWN_DOMAIN} lacks {', '.join(missing)}")
        facts, effective = _effective(entries, snapshot)
        if effective is None or isinstance(effective, UnknownPolicy):
            groups.append(Group())
            continue
        name, reason = effective.name, "no_limit"
        if effective.invalid:
            return Refusal("policy_invalid", f"policy {name} is invalid with others that apply")
        group = _policy_group(descriptor.addend, facts, effective)
        if isinstance(group, Refusal):
            return group
        groups.append(group)
        chosen = entries.get("policy", "")
        if chosen and chosen != name:
            # Only trusted route configuration names a policy, and only authz sees it.
            note = f"authz chose {chosen[:80]}"
    return Plan(request, tuple(groups), name, reason, note)


def _effective(
    entries: Mapping[str, str], snapshot: Snapshot
) -> tuple[Facts, Effective | UnknownPolicy | None]:
    """The policy by host, path and method; a refused path counts under the host's for `/`."""
    host, method = canonical_host(entries["host"]), entries["method"]
    effective, path = snapshot.policies.find(host, entries["path"], method)
    facts = Facts(
        host,
        "/" if isinstance(path, RefusedPath) else path.path,
        method,
        entries.get("remote_address"),
        identity.decode(entries["id"]) if entries.get("id") else {},
    )
    return facts, effective


def _policy_group(addend: int, facts: Facts, effective: Effective) -> Group | Refusal:
    mode = effective.mode(SECTION)
    limits = cast("tuple[PolicyLimit, ...]", effective.block(SECTION) or ())
    counted = []
    for item in limits:
        applies = item.mode or mode
        if applies == "off":
            continue
        by = values(item.by, facts)
        if by is None:
            if item.allow_on_error or applies == "shadow":
                continue
            return Refusal(
                "gateway_stale", f"limit {item.limit.name}: the descriptor lacks remote_address"
            )
        key = policy_key(item.policy, item.limit.name, item.limit.unit.seconds, by)
        counted.append(Counted(item.limit, key, addend, applies == "shadow", item.allow_on_error))
    return Group(tuple(counted))
