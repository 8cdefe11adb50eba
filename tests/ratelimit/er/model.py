"""envoyproxy/ratelimit as a plain model: what its README says, with nothing done for speed.

Local cache off, one Redis, fixed windows aligned to the epoch. Where that service cannot be
followed (a limit of an unknown unit ends it; 2^63 hits make Redis refuse), the model is not asked.
"""

import copy
import datetime
import re
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SECONDS = {
    "SECOND": 1,
    "MINUTE": 60,
    "HOUR": 3600,
    "DAY": 86400,
    "WEEK": 604800,
    "MONTH": 2592000,
    "YEAR": 31536000,
}

Entries = tuple[tuple[str, str], ...]


class ConfigError(Exception):
    """The first thing that is wrong, in that service's words."""


@dataclass
class RateLimit:
    full_key: str
    requests_per_unit: int
    unit: str
    multiplier: int = 1
    unlimited: bool = False
    shadow_mode: bool = False
    quota_mode: bool = False
    detailed_metric: bool = False
    name: str = ""
    replaces: tuple[str, ...] = ()
    metadata: Any = None
    share_patterns: dict[int, str] = field(default_factory=dict)
    """By the place of the entry."""

    @property
    def divider(self) -> int:
        return SECONDS[self.unit] * self.multiplier


@dataclass
class Descriptor:
    limit: RateLimit | None
    share_threshold: bool
    value_to_metric: bool
    children: dict[str, "Descriptor"] = field(default_factory=dict)
    """By `key` or `key_value`."""
    wildcards: list[str] = field(default_factory=list)
    """Those of them that have a `*`, in the order of the file."""


def load_descriptors(parent: Descriptor, parent_key: str, written: list[dict[str, Any]]) -> None:
    for each in written:
        key, value = each.get("key", ""), each.get("value", "")
        if not key:
            raise ConfigError("descriptor has empty key")
        final = f"{key}_{value}" if value else key
        full = parent_key + final
        if final in parent.children:
            raise ConfigError(f"duplicate descriptor composite key '{full}'")
        limit = None
        if each.get("rate_limit") is not None:
            limit = load_limit(full, each, each["rate_limit"])
        if each.get("share_threshold") and "*" not in final:
            raise ConfigError("share_threshold can only be used with wildcard values")
        child = Descriptor(
            limit, each.get("share_threshold", False), each.get("value_to_metric", False)
        )
        load_descriptors(child, f"{full}.", each.get("descriptors") or [])
        parent.children[final] = child
        if "*" in final:
            parent.wildcards.append(final)


def load_limit(full: str, each: dict[str, Any], written: dict[str, Any]) -> RateLimit:
    unit = str(written.get("unit", "")).upper()
    unlimited = written.get("unlimited", False)
    if unlimited and unit in SECONDS:
        raise ConfigError("should not specify rate limit unit when unlimited")
    if not unlimited and unit not in SECONDS:
        raise ConfigError(f"invalid rate limit unit '{written.get('unit', '')}'")
    name = written.get("name") or ""
    replaces = tuple(one.get("name") or "" for one in written.get("replaces") or [])
    for one in replaces:
        if not one:
            raise ConfigError("should not have an empty replaces entry")
        if one == name:
            raise ConfigError("replaces should not contain name of same descriptor")
    return RateLimit(
        full,
        written.get("requests_per_unit", 0),
        unit,
        written.get("unit_multiplier", 1),
        unlimited,
        each.get("shadow_mode", False),
        each.get("quota_mode", False),
        each.get("detailed_metric", False),
        name,
        replaces,
        each.get("metadata"),
    )


class Asked(NamedTuple):
    """A descriptor of a request."""

    entries: Entries
    hits: int
    """0: only look."""
    override: tuple[int, str] | None = None
    """`requests_per_unit` and `unit`."""
    refund: bool = False
    """`is_negative_hits`: to give back."""


class Status(NamedTuple):
    code: str
    limit: tuple[int, str, str] | None = None
    """Requests, unit, name."""
    remaining: int = 0
    reset: int = 0


class Response(NamedTuple):
    code: str
    statuses: list[Status]
    metadata: dict[str, Any]


class Model:
    def __init__(
        self,
        files: list[dict[str, Any]],
        *,
        merge: bool = False,
        prefix: str = "",
        near: float = 0.8,
        shadow_mode: bool = False,
        quota_mode: bool = False,
        calendar: bool = False,
        stop: bool = False,
        jitter: Callable[[], int] = lambda: 0,
    ) -> None:
        self.domains: dict[str, Descriptor] = {}
        self.prefix, self.near = prefix, _float32(near)
        self.shadow_mode, self.quota_mode = shadow_mode, quota_mode
        self.calendar, self.stop = calendar, stop
        self.counters: dict[str, int] = {}
        self.ends: dict[str, int] = {}
        """When the window of a counter ends."""
        self.kept: dict[str, int] = {}
        """Seconds that a counter is kept, from its last hit on."""
        self.jitter = jitter
        self.stats: Counter[str] = Counter()
        for file in files:
            self._load(file, merge)

    def _load(self, file: dict[str, Any], merge: bool) -> None:
        domain = file.get("domain") or ""
        if not domain:
            raise ConfigError("config file cannot have empty domain")
        if domain in self.domains and not merge:
            raise ConfigError(f"duplicate domain '{domain}' in config file")
        root = self.domains.setdefault(domain, Descriptor(None, False, False))
        load_descriptors(root, f"{domain}.", file.get("descriptors") or [])

    def get_limit(self, domain: str, asked: Asked) -> RateLimit | None:
        entries = asked.entries
        here = self.domains.get(domain)
        if here is None:
            self.stats[f"{domain}.domain_not_found"] += 1
            return None
        if asked.override is not None:
            parts = [f"{key}_{value}" if value else key for key, value in entries]
            return RateLimit(f"{domain}.{'.'.join(parts)}", *asked.override)
        shared: dict[int, str] = {}
        detailed, named = domain, domain
        found = None
        for index, (key, value) in enumerate(entries):
            both = f"{key}_{value}"
            detailed += f".{both}"
            child = here.children.get(both)
            wildcard, by_value = "", child is not None
            if child is None:
                for each in here.wildcards:
                    if re.fullmatch(".*".join(map(re.escape, each.split("*"))), both, re.DOTALL):
                        child, wildcard, by_value = here.children[each], each, True
                        break
            if child is None:
                child = here.children.get(key)
            if child is None:
                return None
            pattern = wildcard.removeprefix(f"{key}_")
            if wildcard and child.share_threshold:
                shared[index] = pattern
            plain = f"{key}_{value}" if value else key
            if wildcard and (child.share_threshold or not child.value_to_metric):
                named += f".{key}_{pattern}"
            elif by_value or child.value_to_metric:
                named += f".{plain}"
            else:
                named += f".{key}"
            if index == len(entries) - 1:
                found = child.limit
            here = child
        if found is None:
            return None
        if found.detailed_metric and shared:
            parts = []
            for index, (key, value) in enumerate(entries):
                value = shared.get(index, value)
                parts.append(f"{key}_{value}" if value else key)
            full = f"{domain}.{'.'.join(parts)}"
        else:
            full = detailed if found.detailed_metric else named
        return RateLimit(**{**vars(found), "full_key": full, "share_patterns": shared})

    def window(self, limit: RateLimit, now: int) -> tuple[int, int]:
        """Its start and its end."""
        if self.calendar and limit.unit == "MONTH":
            first = datetime.datetime.fromtimestamp(now, datetime.UTC).date().replace(day=1)
            later = (first + datetime.timedelta(days=31)).replace(day=1)
            epoch = datetime.date(1970, 1, 1)
            return (first - epoch).days * 86400, (later - epoch).days * 86400
        start = now // limit.divider * limit.divider
        return start, start + limit.divider

    def cache_key(self, domain: str, entries: Entries, limit: RateLimit, now: int) -> str:
        key = f"{self.prefix}{domain}_"
        for index, (name, value) in enumerate(entries):
            key += f"{name}_{limit.share_patterns.get(index, value)}_"
        return f"{key}{self.window(limit, now)[0]}"

    def limits(self, domain: str, descriptors: list[Asked]) -> list[RateLimit | None]:
        """What applies to each, `replaces` done; unlimited ones are still there."""
        found = [self.get_limit(domain, each) for each in descriptors]
        replaced = {name for limit in found if limit is not None for name in limit.replaces}
        return [
            None if limit is not None and not limit.unlimited and limit.name in replaced else limit
            for limit in found
        ]

    def should_rate_limit(self, domain: str, descriptors: list[Asked], now: int) -> Response:
        limits = self.limits(domain, descriptors)
        statuses = []
        metadata: dict[str, Any] = {}
        refused, quotas, quotas_over = False, 0, 0
        over_now = [
            self._would_be_over(domain, asked, limit, now)
            for asked, limit in zip(descriptors, limits, strict=True)
        ]
        for asked, limit, near in zip(descriptors, limits, over_now, strict=True):
            spared = self.stop and any(over_now) and not near
            status = self._status(domain, asked, limit, now, spared=spared)
            statuses.append(status)
            over = status.code == "OVER_LIMIT"
            # In the global mode a descriptor without a limit is one of which something is left.
            mode = self.quota_mode or (limit is not None and limit.quota_mode)
            if mode and not (limit is not None and limit.unlimited):
                quotas += 1
                quotas_over += over
            elif over:
                refused = True
            if limit is not None and not limit.unlimited and not over and limit.metadata:
                merge(metadata, limit.metadata)
        code = "OVER_LIMIT" if refused or (quotas and quotas_over == quotas) else "OK"
        if code == "OVER_LIMIT" and self.shadow_mode:
            self.stats["global_shadow_mode"] += 1
            code = "OK"
        return Response(code, statuses, metadata)

    def _would_be_over(self, domain: str, asked: Asked, limit: RateLimit | None, now: int) -> bool:
        """By what the counter says before anything of the request is counted."""
        if limit is None or limit.unlimited or asked.refund:
            return False
        key = self.cache_key(domain, asked.entries, limit, now)
        return self.look(key) + asked.hits > limit.requests_per_unit

    def _status(
        self, domain: str, asked: Asked, limit: RateLimit | None, now: int, *, spared: bool
    ) -> Status:
        if limit is None:
            return Status("OK")
        if limit.unlimited:
            return Status("OK", remaining=2**32 - 1)
        key = self.cache_key(domain, asked.entries, limit, now)
        start, end = self.window(limit, now)
        self.ends[key] = end
        calendar = self.calendar and limit.unit == "MONTH"
        keep = (end - now if calendar else end - start) + self.jitter()
        most = limit.requests_per_unit
        told = (most, limit.unit, limit.name)
        reset = end - now
        if asked.refund:
            self.stats[f"{limit.full_key}.total_negative_hits"] += asked.hits
            left = self.give_back(key, asked.hits, keep)
            return Status("OK", told, max(most - left, 0), reset)
        after = self.count(key, 0 if spared else asked.hits, keep)
        before = max(after - asked.hits, 0)  # there a uint64, which statistics show now and then
        near = int(_float32(_float32(most) * self.near))
        count = {"total_hits": asked.hits}
        if after > most:
            count["over_limit"] = asked.hits if before >= most else after - most
            if before < most:
                count["near_limit"] = most - max(near, before)
            if limit.shadow_mode:
                count["shadow_mode"] = count["over_limit"]
        else:
            count["within_limit"] = asked.hits
            if after > near:
                count["near_limit"] = asked.hits if before >= near else after - near
        for name, number in count.items():
            self.stats[f"{limit.full_key}.{name}"] += number
        code = "OVER_LIMIT" if after > most and not limit.shadow_mode else "OK"
        return Status(code, told, max(most - after, 0), reset)

    def look(self, key: str) -> int:
        """GET."""
        return self.counters.get(key, 0)

    def count(self, key: str, hits: int, keep: int) -> int:
        """INCRBY and EXPIRE."""
        self.counters[key] = self.counters.get(key, 0) + hits
        self.kept[key] = keep
        return self.counters[key]

    def give_back(self, key: str, hits: int, keep: int) -> int:
        """Its script: nothing is made, and nothing is below 0."""
        if key not in self.counters:
            return 0
        self.counters[key] = max(self.counters[key] - hits, 0)
        self.kept[key] = keep
        return self.counters[key]


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """What is there stays; mappings are put together."""
    for key, value in more.items():
        if key not in into:
            into[key] = copy.deepcopy(value)
        elif isinstance(into[key], dict) and isinstance(value, dict):
            merge(into[key], value)


def _float32(number: float) -> float:
    """As Go's float32 has it."""
    rounded: float = struct.unpack("f", struct.pack("f", number))[0]
    return rounded
