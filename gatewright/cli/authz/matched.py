"""Which policies a request has, and where each says that it is about such a request."""

from collections.abc import Sequence
from typing import NamedTuple

from callout.config.documents import Policy
from callout.config.merge import merge
from callout.config.patterns import Entry
from callout.config.policies import Effective, PolicyIndex
from callout.config.source import Mark, Source
from callout.config.table import MatchTable
from callout.http.host import canonical_host
from callout.http.path import CanonicalPath
from extauthz.check import CheckInput, NetworkCheck


class Matched(NamedTuple):
    """A policy that is about the request."""

    name: str
    mark: Mark
    """Of the entry of `on`; of the document, if it was named."""
    by: str
    """In words: `host *.shop.example`."""


def matched(
    check: CheckInput | NetworkCheck, index: PolicyIndex, policies: Sequence[Policy]
) -> tuple[Matched, ...]:
    """The policies of a request, from the least to the most specific."""
    host = canonical_host(check.host)
    method, path = "", ""
    if isinstance(check, CheckInput):
        effective, found = index.find(host, check.path, check.method, check.named)
        method = check.method.upper()
        path = found.path if isinstance(found, CanonicalPath) else "/"
    else:
        effective = index.choose(host, "", "", check.named)
    if not isinstance(effective, Effective):
        return ()
    by_name = {each.name: each for each in policies}
    return tuple(
        _one(by_name[name], host, path, method, name == check.named) for name in effective.names
    )


def of_name(name: str, index: PolicyIndex, policies: Sequence[Policy]) -> tuple[Matched, ...]:
    """The policies of a request that only a route's word leads to."""
    effective = index.choose("", "", "", name)
    if not isinstance(effective, Effective):
        return ()
    by_name = {each.name: each for each in policies}
    return tuple(_one(by_name[each], "", "", "", each == name) for each in effective.names)


def _one(policy: Policy, host: str, path: str, method: str, by_name: bool) -> Matched:
    if by_name:
        return Matched(policy.name, policy.source.mark, "the route names it")
    for number, entry in enumerate(policy.entries):
        if MatchTable([(entry, 0)]).match(host, path, method):
            return Matched(policy.name, policy.source.at("on", number).mark, _words(entry))
    return Matched(policy.name, policy.source.mark, "")


def _words(entry: Entry) -> str:
    host = {"any": "*", "suffix": f"*.{entry.host.text}", "exact": entry.host.text}
    found = [f"host {host[entry.host.kind]}"]
    if entry.path.kind != "prefix" or entry.path.text:
        found.append(f"path {entry.path.kind} {entry.path.text}")
    if entry.method is not None:
        found.append(f"method {entry.method}")
    return ", ".join(found)


def auth_of(names: Sequence[str], policies: Sequence[Policy]) -> Source:
    """The merged `auth` block of some policies, as it was written."""
    by_name = {each.name: each for each in policies}
    parts = [by_name[name].source.only(("auth",)) for name in names]
    return merge(parts, {("auth", "decide")}).at("auth")
