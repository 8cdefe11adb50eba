"""What `ratelimit try` says, as one JSON document; `told` makes lines of the same."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from callout.config.documents import Policy
from callout.config.snapshot import Snapshot
from callout.config.source import Mark
from gatewright.cli.ratelimit.looks import Look, Looked
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.answers import label
from ratelimit.counting import FIXED, KINDS
from ratelimit.domains import OWN_DOMAIN
from ratelimit.limits import Limit
from ratelimit.plan import Counted, Plan
from ratelimit.planner import SECTION
from ratelimit.policy_limits import PolicyLimit, PolicyLimits
from ratelimit.request import Request
from ratelimit.rules import Rule, Tree, match


class Tried(NamedTuple):
    """All that is known of one request."""

    request: Request
    plan: Plan
    looked: Looked


class Places:
    """Where limits are written."""

    def __init__(self, snapshot: Snapshot, documents: Sequence[Policy]) -> None:
        self._trees = snapshot.parts[SECTION]
        self._policies = {each.name: each.source for each in documents}
        self._writers = {
            limit: item.policy
            for effective in snapshot.policies.effective
            if isinstance(block := effective.block(SECTION), PolicyLimits)
            for item in block.limits
            for limit in _limits(item)
        }

    def of_policy(self, counted: Counted) -> Mark | None:
        """Of a limit of a policy: where its name stands in the policy that wrote its rate."""
        source = self._policies.get(self._writers.get(counted.limit, ""))
        listed = source.at("limits").value if source is not None else None
        if source is None or not isinstance(listed, list):
            return None
        for index, each in enumerate(listed):
            if isinstance(each, Mapping) and each.get("name") == counted.limit.name:
                return source.at("limits", index).mark
        return None

    def rule(self, request: Request, index: int) -> Rule | None:
        """Of a descriptor in a domain of files: the rule that it meets."""
        descriptor = request.descriptors[index]
        trees = self._trees
        tree = trees.get(request.domain) if isinstance(trees, Mapping) else None
        if not isinstance(tree, Tree) or descriptor.override is not None:
            return None
        found = match(tree, descriptor.entries)
        return found.rule if found is not None else None


def _limits(item: PolicyLimit) -> Iterator[Limit]:
    """All that may count for it."""
    yield item.limit
    for rate in item.overrides.rates if item.overrides is not None else ():
        yield from rate.limits


def report(tried: Tried, places: Places) -> dict[str, Any]:
    """The document; see docs/rate-limiting.md."""
    plan, request = tried.plan, tried.request
    answer, looks = tried.looked
    reason = "over_limit" if answer.limit is not None else "within_limit"
    descriptors = []
    place = 0
    for index, (group, verdict) in enumerate(zip(plan.groups, answer.verdicts, strict=True)):
        rule = places.rule(request, index) if request.domain != OWN_DOMAIN else None
        limits = []
        for counted in group.counted:
            mark = places.of_policy(counted) if request.domain == OWN_DOMAIN else _mark(rule)
            limits.append(_limit(counted, mark, looks[place]))
            place += 1
        descriptors.append(
            {
                "entries": [list(each) for each in request.descriptors[index].entries],
                "code": "OVER_LIMIT" if verdict.over else "OK",
                "rule": _place(_mark(rule)) if rule is not None else None,
                "unlimited": group.unlimited,
                "limits": limits,
            }
        )
    return {
        "code": "OVER_LIMIT" if answer.over else "OK",
        "reason": reason if plan.counted else plan.reason,
        "shadow": answer.shadow,
        "domain": request.domain,
        "policy": plan.policy,
        "note": plan.note,
        "descriptors": descriptors,
    }


def _mark(rule: Rule | None) -> Mark | None:
    return rule.mark if rule is not None else None


def _place(mark: Mark | None) -> dict[str, Any] | None:
    return {"file": mark.file, "line": mark.line} if mark is not None else None


def _limit(counted: Counted, mark: Mark | None, look: Look) -> dict[str, Any]:
    limit, algorithm = counted.limit, counted.algorithm
    return {
        "limit": label(limit),
        "rate": f"{limit.requests}/{limit.unit.name}",
        "algorithm": KINDS[algorithm.kind] if algorithm is not None else FIXED,
        "burst": algorithm.capacity if isinstance(algorithm, TokenBucket) else None,
        "mode": "shadow" if counted.shadow else "quota" if counted.quota else "enforce",
        "place": _place(mark),
        "counter": look.counter.decode(errors="backslashreplace"),
        "before": look.before,
        "hits": look.hits,
        "over": look.over,
        "counted": look.counted,
        "resets": look.resets,
    }


def exit_code(told: Mapping[str, Any]) -> int:
    """0: the request passes; 1: it is over a limit."""
    return 0 if told["code"] == "OK" else 1
