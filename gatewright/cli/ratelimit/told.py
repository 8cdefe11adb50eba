"""The report of `ratelimit try` in lines for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from ratelimit.counting import FIXED


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """All of it."""
    shadow = ", but the limit is in shadow" if told["shadow"] else ""
    yield f"{told['code']} ({told['reason']}{shadow})"
    if told["policy"] and told["policy"] != told["domain"]:
        yield f"  policy   {told['policy']}"
    if told["note"]:
        yield f"  note     {told['note']}"
    for descriptor in told["descriptors"]:
        yield f"  {_entries(descriptor['entries'])}"
        if not descriptor["limits"]:
            yield f"    {_unlimited(descriptor)}"
        for limit in descriptor["limits"]:
            yield from _limit(limit)


def _entries(entries: list[list[str]]) -> str:
    return ", ".join(f"{key}={value}" if value else key for key, value in entries)


def _unlimited(descriptor: Mapping[str, Any]) -> str:
    rule = descriptor["rule"]
    where = f", {rule['file']}:{rule['line']}" if rule is not None else ""
    return f"unlimited{where}" if descriptor["unlimited"] else f"no limit counts{where}"


def _limit(limit: Mapping[str, Any]) -> Iterator[str]:
    place = limit["place"]
    where = f", {place['file']}:{place['line']}" if place is not None else ""
    name = f"{limit['limit']}: " if limit["limit"] != limit["rate"] else ""
    how = [limit["mode"]] if limit["mode"] != "enforce" else []
    how += [limit["algorithm"]] if limit["algorithm"] != FIXED else []
    how += [f"burst {limit['burst']}"] if limit["burst"] is not None else []
    mode = f" ({', '.join(how)})" if how else ""
    yield f"    {name}{limit['rate']}{mode}{where}"
    after = f"{limit['before'] + limit['hits']} after"
    if not limit["counted"]:
        after = f"{limit['hits']} do not fit" if limit["over"] else "not counted"
    yield f"      {'over' if limit['over'] else 'within'}: {limit['before']} before, {after}"
    yield f"      counter {limit['counter']}"
