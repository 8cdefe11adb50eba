"""Resources as files of the bundle's folder `ratelimit/`: one language, and one loader, for both.

What a management server sends goes the way of every other change of the bundle: checked by the
same code, sent to all workers, swapped at once. JSON is YAML, so the loader reads it as it is.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from google.protobuf.message import DecodeError

from ratelimit.xds.config_proto import MESSAGE, RateLimitConfig, unit_name

FOLDER: Final = "ratelimit/.xds/"
"""A directory's names that begin with a dot are not read: no file of it can have one of ours."""
MOST_NAME: Final = 100
"""Characters of a resource's name in that of its file."""

_NOT_YAML: Final = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON may hold as it is, and YAML must not, or takes for the end of a line (1.2, 5.1)."""


class Resource(NamedTuple):
    """One `google.protobuf.Any` of a response."""

    type_url: str
    value: bytes


def files_of(resources: Iterable[Resource]) -> Mapping[str, bytes] | str:
    """Files by their paths in the bundle, or why there can be none. Pure.

    A server may send the same in another order at each time (Go's maps have none): the same
    resources give the same files, and change nothing.
    """
    found: list[tuple[str, bytes]] = []
    for index, each in enumerate(resources):
        if each.type_url.rpartition("/")[2] != MESSAGE:
            return f"resource {index}: expected {MESSAGE}, found {each.type_url[:MOST_NAME]!r}"
        try:
            config = RateLimitConfig.FromString(each.value)
        except DecodeError:
            return f"resource {index}: not a {MESSAGE}"
        found.append((_name(config), _written(_domain(config))))
    files: dict[str, bytes] = {}
    for name, content in sorted(found):
        path, again = f"{FOLDER}{name}.yaml", 1
        while path in files:
            # envoyproxy/ratelimit asks for no unique names; of two domains both count.
            again += 1
            path = f"{FOLDER}{name}~{again}.yaml"
        files[path] = content
    return files


def _name(config: Any) -> str:
    return quote((config.name or config.domain)[:MOST_NAME], safe="") or "unnamed"


def _written(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _domain(config: Any) -> dict[str, Any]:
    return {"domain": config.domain, "descriptors": _descriptors(config.descriptors)}


def _descriptors(descriptors: Iterable[Any]) -> list[dict[str, Any]]:
    """Of one level; protobuf itself refuses more than 100."""
    return [_descriptor(each) for each in descriptors]


def _descriptor(descriptor: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"key": descriptor.key}
    if descriptor.value:
        fields["value"] = descriptor.value
    if descriptor.HasField("rate_limit"):
        fields["rate_limit"] = _limit(descriptor.rate_limit)
    for flag in ("shadow_mode", "detailed_metric", "quota_mode"):
        if getattr(descriptor, flag):
            fields[flag] = True
    if descriptor.descriptors:
        fields["descriptors"] = _descriptors(descriptor.descriptors)
    return fields


def _limit(policy: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if policy.unlimited:
        fields["unlimited"] = True
    if policy.unit or not policy.unlimited:
        # UNKNOWN, too: the loader says what is wrong with it.
        fields["unit"] = unit_name(policy.unit)
        fields["requests_per_unit"] = policy.requests_per_unit
    if policy.name:
        fields["name"] = policy.name
    if policy.replaces:
        fields["replaces"] = [{"name": each.name} for each in policy.replaces]
    return fields
