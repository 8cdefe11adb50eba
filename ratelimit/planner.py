"""Finds the limits that a request meets: of an operator's domain, or of the policies."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from callout.config import identity
from callout.config.policies import Effective, UnknownPolicy
from callout.config.snapshot import Snapshot
from callout.http.host import canonical_host
from callout.http.path import RefusedPath
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.counting import algorithm
from ratelimit.direct import Direct, Place
from ratelimit.domain_plan import met
from ratelimit.domains import OWN_DOMAIN
from ratelimit.envoy import parse
from ratelimit.keys import policy_key
from ratelimit.limits import Limit
from ratelimit.modes import AS_WRITTEN, Modes
from ratelimit.plan import Counted, Group, Plan, Refusal
from ratelimit.policy_limits import Facts, PolicyLimits, values
from ratelimit.recent import Recent
from ratelimit.request import BadRequest, Descriptor, Request
from ratelimit.rules import Tree
from ratelimit.stores.states import MOST_USES

SECTION = "limits"
_LONGEST_REMEMBERED = 2048
"""Characters of a descriptor whose plan is kept; with their number this bounds the memory."""
_MOST_ALIKE = 4096
"""Plans by rules that are remembered: files have few rules, and requests few descriptors. When
there is no room, all are forgotten."""
_NEEDED = ("host", "path", "method")
STEP = "step"
"""Entry of a descriptor: what is done with its hits. Only route configuration writes it."""
SETTLE = "settle"
STEPS = ("check", SETTLE)
"""`check`, as without it: they are counted if they fit, and the request is refused if not.
`settle`: they were made already, as the tokens that an answer cost (`apply_on_stream_done`): they
count whether they fit or not, and nothing is refused."""

Planned: TypeAlias = Plan | Refusal | BadRequest


class Planner:
    """Makes plans under one snapshot."""

    def __init__(self, snapshot: Snapshot, remembered: int, modes: Modes = AS_WRITTEN) -> None:
        """Plan by `snapshot`, remembering so many plans of the policies' own limits."""
        self._quota = modes.quota
        self._modes = modes
        self._policies = snapshot.policies
        self._domains = cast("Mapping[str, Tree]", snapshot.parts[SECTION])
        self._direct = Direct(self._domains.values())
        self._alike: dict[tuple[Place, ...], Plan] = {}
        """By where descriptors end: a plan, the same for all such requests but for its keys."""
        self._by_facts: Recent[object, Plan | Refusal] = Recent(remembered)

    def directly(self, message: bytes) -> Plan | None:
        """What a request counts that meets rules as others did; None: `plan` has the word."""
        met = self._direct.met(message)
        if met is None:
            return None
        places, keys = met
        like = self._alike.get(places)
        if like is not None:
            return like.of(keys)
        request = parse(message)
        planned = self.plan(request) if isinstance(request, Request) else request
        if not isinstance(planned, Plan) or planned.keys != keys:
            return None
        if len(self._alike) >= _MOST_ALIKE:
            self._alike.clear()
        self._alike[places] = planned
        return planned

    def plan(self, request: Request) -> Planned:
        """What this request counts."""
        domain, descriptors = request
        if domain == OWN_DOMAIN:
            plans = []
            for each in descriptors:
                planned = self._by_policy(each)
                if not isinstance(planned, Plan):
                    return planned
                plans.append(planned)
            if len(plans) == 1:
                return plans[0]
            if len({(STEP, SETTLE) in each.entries for each in descriptors}) > 1:
                return BadRequest(f"expected the same {STEP} in all descriptors")
            return _together(plans)
        tree = self._domains.get(domain)
        if tree is None:
            return Plan((Group(),) * len(descriptors), reason="unknown_domain")
        found = met(tree, descriptors, self._quota, self._modes.without_store(domain))
        plan = Plan(found.groups, domain, keys=found.keys)
        plan.tells_shadow = tree.er is not None
        if self._quota:
            # Of a descriptor without a limit something is always left, as there.
            plan.quotas += sum(not each.counted and not each.unlimited for each in plan.groups)
        return plan

    def _by_policy(self, descriptor: Descriptor) -> Planned:
        """By host, path and method; a refused path counts under the host's policy for `/`."""
        if descriptor.override is not None:
            return BadRequest(f"the domain {OWN_DOMAIN} takes no limit in a descriptor")
        entries = dict(descriptor.entries)
        missing = [key for key in _NEEDED if key not in entries]
        if missing:
            return BadRequest(f"the descriptor of {OWN_DOMAIN} lacks {', '.join(missing)}")
        step = entries.get(STEP)
        if step is not None and step not in STEPS:
            return BadRequest(f"expected {STEP} to be one of {', '.join(STEPS)}")
        host, method = canonical_host(entries["host"]), entries["method"]
        effective, canonical = self._policies.find(host, entries["path"], method)
        if effective is None or isinstance(effective, UnknownPolicy):
            return _NO_POLICY
        if descriptor.refund and not descriptor.addend:
            # Else it would be taken for one that only asks, and might be refused.
            return Plan((Group(),), effective.name, "no_limit")
        path = "/" if isinstance(canonical, RefusedPath) else canonical.path
        limits = cast("PolicyLimits | None", effective.block(SECTION))
        # Paths differ from request to request, so whole messages rarely repeat here; what is
        # counted by does. Most limits are not by path: 15 us instead of 35 for such a request.
        known = (
            effective,
            host,
            method,
            path if limits is not None and limits.by_path else "",
            entries.get("remote_address"),
            entries.get("id"),
            entries.get("policy"),
            step,
            descriptor.addend,
        )
        planned = self._by_facts.get(known)
        if planned is None:
            planned = _plan(
                entries,
                Facts(host, path, method),
                effective,
                descriptor.addend,
                self._modes.shadow,
            )
            if sum(map(len, entries.values())) <= _LONGEST_REMEMBERED:
                self._by_facts.put(known, planned)
        return planned


_NO_POLICY = Plan((Group(),), reason="no_policy")


def _together(plans: list[Plan]) -> Plan | BadRequest:
    groups = tuple([group for each in plans for group in each.groups])
    keys = tuple([key for each in plans for key in each.keys])
    last = plans[-1]
    settles = any(each.settles for each in plans)
    undivided = _undivided(groups, settles)
    if undivided and sum(len(group.counted) for group in groups) > MOST_USES:
        # Else it would be answered as if the counters were away, which may let it pass.
        return BadRequest(f"more than {MOST_USES} windows to count all or nothing")
    return Plan(groups, last.policy, last.reason, last.note, undivided, settles, keys)


def _plan(
    entries: Mapping[str, str],
    request: Facts,
    effective: Effective,
    addend: int,
    all_in_shadow: bool,
) -> Plan | Refusal:
    name = effective.name
    if effective.invalid:
        return Refusal("policy_invalid", f"policy {name} is invalid with the others that apply")
    facts = request._replace(
        address=entries.get("remote_address"), identity=identity.decode(entries.get("id", ""))
    )
    block = cast("PolicyLimits | None", effective.block(SECTION))
    mode = effective.mode(SECTION)
    counted = []
    keys = []
    notes = []
    for item in block.limits if block is not None else ():
        applies = item.mode or mode
        if applies == "off" or not item.applies(facts):
            continue
        by = values(item.by, facts)
        if by is None:
            if item.on_error == "allow" or applies == "shadow":
                continue
            return Refusal(
                "gateway_stale", f"limit {item.limit.name}: the descriptor lacks remote_address"
            )
        limits: Sequence[Limit] = (item.limit,)
        burst, windows = item.burst, item.windows
        if item.overrides is not None:
            other = item.overrides.of(*by[0])
            if other is not None:
                # All windows of the limit are replaced: in the place of the first one.
                limits = other.rate.limits if item.first else ()
                burst = other.rate.burst
                if item.first:
                    notes.append(f"{item.limit.name} by {other.place}")
                windows = len(limits)
        for limit in limits:
            seconds = limit.unit.seconds
            keys.append(policy_key(item.policy, limit.name, seconds, by, windows > 1))
            counts = algorithm(item.kind, limit, burst)
            assert not isinstance(counts, str), "checked at load"  # noqa: S101
            counted.append(
                Counted(
                    limit,
                    addend,
                    applies == "shadow",
                    item.on_error,
                    algorithm=counts,
                    each=item.each or all_in_shadow,
                    strict=item.strict,
                )
            )
    # Only trusted route configuration names a policy, and only authz sees it: the two may differ.
    chosen = entries.get("policy", name)
    if chosen != name:
        notes.append(f"authz chose {chosen[:80]}")
    settles = entries.get(STEP) == SETTLE
    made = (Group(tuple(counted)),)
    undivided = _undivided(made, settles)
    note = "; ".join(notes)
    return Plan(made, name, "no_limit", note, undivided, settles, tuple(keys))


def _undivided(groups: Sequence[Group], settles: bool) -> bool:
    """Whether a plan of policies' limits needs more than plain counters.

    One limit of fixed windows that is asked for one hit does not: refused or not, nothing else
    changes with it. More hits may not fit although one would, and must not be counted then; none
    fit where one does not, if the limit is strict.
    """
    counted = [each for group in groups for each in group.counted]
    if settles:
        return bool(counted)
    return any(
        type(each.algorithm) is not NamedWindow
        or each.addend > 1
        or (each.strict and not each.addend)
        or (len(counted) > 1 and not each.each)
        for each in counted
    )
