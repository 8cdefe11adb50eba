"""Rego's `input`: opa-envoy-plugin's document, and beside it what `OURS` names.

With `compat: opa-envoy` it is that plugin's and nothing else. An engine that knows what its policy
reads gets just that: the whole document costs 20 us, what a usual policy reads 2 us.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from callout.http.path import CanonicalPath
from extauthz.bodies import opa_envoy, ours
from extauthz.bodies.contract import BodyRules
from extauthz.check import ABSENT, Attributes, CheckInput, NetworkCheck, Unreadable
from extauthz.go_url import check_query, path_segments, query_values

_VERSION = {"ext_authz": "v3", "encoding": "protojson"}

_HTTP = ("attributes", "request", "http")
_HEADERS = (*_HTTP, "headers")
_METHOD = (*_HTTP, "method")
_WITH_LISTS = frozenset({"headerMap", "filterMetadata", "typedFilterMetadata"})
"""Below these a path may go into a list: the part is given as a whole."""

OURS: Final = frozenset({"body_state", "identity", "path", "path_flags"})
"""What opa-envoy-plugin does not have."""
_EMPTY_REQUEST: Final[Mapping[str, Any]] = {
    "parsed_body": None,
    "parsed_path": [""],
    "parsed_query": {},
    "truncated_body": False,
}
_BODY: Final = frozenset({"body_state", "parsed_body", "truncated_body"})
_EVERYTHING: Final = frozenset(
    (name,)
    for name in (
        "attributes",
        "body_state",
        "identity",
        "parsed_body",
        "parsed_path",
        "parsed_query",
        "path",
        "path_flags",
        "source_principal",
        "truncated_body",
        "version",
    )
)


class BadInput(NamedTuple):
    """A request of which no honest document can be made."""

    reason: str
    """A stable word: `query`, `body`, `path_escape`."""
    status: int = 400
    """HTTP status of the denial."""


@dataclass(frozen=True, slots=True)
class InputRules:
    """What a policy's `auth` says about its input."""

    compat: bool = False
    """`compat: opa-envoy`."""
    body: BodyRules = field(default_factory=BodyRules)
    """`auth.body`."""


class InputBuilder:
    """Builds the documents of one policy."""

    __slots__ = (
        "_body",
        "_compat",
        "_headers",
        "_http",
        "_others",
        "_read_body",
        "_rules",
        "_source_principal",
        "_top",
        "rules",
    )

    def __init__(
        self, reads: Iterable[tuple[str, ...]] | None = None, rules: InputRules | None = None
    ) -> None:
        """Plan it.

        Args:
            reads: paths of the input that the policy may read; a path stands for all below it.
                None: it may read anything.
            rules: default: `InputRules()`.
        """
        self.rules = rules = rules or InputRules()
        """As given."""
        self._rules = rules.body
        self._compat = rules.compat
        self._read_body = opa_envoy.read_body if rules.compat else ours.read_body
        paths = _EVERYTHING if reads is None else _outermost(reads)
        top = frozenset(path[0] for path in paths)
        if not rules.body.parse:
            top -= _BODY
        self._top = top - OURS if rules.compat else top
        # the plugin refuses a body that it cannot read also for a policy that does not look at it
        self._body = bool(self._top & _BODY) or (rules.compat and rules.body.parse)
        self._source_principal = "source_principal" in self._top
        inside = [path for path in paths if path[0] == "attributes"]
        by_name = [path[4] for path in inside if path[:4] == _HEADERS and len(path) > 4]
        self._headers = tuple(sorted(set(by_name)))
        self._http = bool(by_name) or _METHOD in paths
        others = {
            _static(path[1:])
            for path in inside
            if path != _METHOD and not (path[:4] == _HEADERS and len(path) > 4)
        }
        self._others = tuple(sorted(others))

    def build(
        self, check: CheckInput, path: CanonicalPath, claims: Mapping[str, Any] | None
    ) -> dict[str, Any] | BadInput:
        """Build the document of one request.

        Args:
            check: the request.
            path: its canonical path.
            claims: of the verified caller; None: anonymous.

        Returns:
            The document, or why the request is refused: never depending on what is read, except
            for the body, which is only parsed for a policy that reads it (opa#5081); with
            `compat` it is parsed for every policy.
        """
        document: dict[str, Any] = {}
        top = self._top
        try:
            if path.query is not None:
                if "parsed_query" in top:
                    document["parsed_query"] = query_values(path.query)
                else:
                    check_query(path.query)
            elif "parsed_query" in top:
                document["parsed_query"] = {}
            if self._compat or "parsed_path" in top:
                document["parsed_path"] = path_segments(check.path)
            if self._body:
                body = self._read_body(self._rules, check)
                document["parsed_body"] = body.value
                document["truncated_body"] = body.truncated
                if "body_state" in top:
                    document["body_state"] = body.state
            attributes, headers = check.attributes, check.headers
            if self._compat:
                attributes = attributes.as_sent()
                headers = attributes.headers
            if self._http:
                document["attributes"] = {
                    "request": {"http": self._read_http(check.method, headers)}
                }
            if self._others or self._source_principal:
                self._read_others(document, attributes)
        except Unreadable as unreadable:
            return BadInput(unreadable.reason, unreadable.status)
        except ValueError:  # a number in Envoy's metadata that JSON cannot write
            return BadInput("attributes")
        if "identity" in top:
            document["identity"] = claims
        if "path" in top:
            document["path"] = path.path
        if "path_flags" in top:
            document["path_flags"] = list(path.flags)
        if "version" in top:
            document["version"] = _VERSION
        return document

    def build_of_connection(
        self, check: NetworkCheck, claims: Mapping[str, Any] | None
    ) -> dict[str, Any] | BadInput:
        """Build the document of one connection: nothing in it comes from a request."""
        document: dict[str, Any] = {}
        if "identity" in self._top:
            document["identity"] = claims
        if "version" in self._top:
            document["version"] = _VERSION
        if self._compat:
            # what the plugin makes of a request without anything
            document |= {name: value for name, value in _EMPTY_REQUEST.items() if name in self._top}
        if self._http:
            way, last = check.attributes.above(_HTTP[1:])
            _put_way(document, ("attributes", *way), last)
        try:
            self._read_others(document, check.attributes)
        except ValueError:
            return BadInput("attributes")
        return document

    def _read_others(self, document: dict[str, Any], attributes: Attributes) -> None:
        for part in self._others:
            found = attributes.at(part)
            if found is not ABSENT:
                _put(document, ("attributes", *part), found)
            else:
                # `s := input.attributes.source; not s.principal` asks for `source`, too
                way, last = attributes.above(part)
                _put_way(document, ("attributes", *way), last)
        if self._source_principal:
            principal = attributes.at(("source", "principal"))
            if principal is not ABSENT:
                document["source_principal"] = principal

    def _read_http(self, method: str, sent: Mapping[str, str]) -> dict[str, Any]:
        http: dict[str, Any] = {"method": method} if method else {}
        if self._headers and sent:
            headers = {}
            get = sent.get
            for name in self._headers:
                value = get(name)
                if value is not None:
                    headers[name] = value
            http["headers"] = headers
        return http


def _outermost(paths: Iterable[tuple[str, ...]]) -> frozenset[tuple[str, ...]]:
    """Without those that another one stands for."""
    all_paths = frozenset(paths)
    if () in all_paths:
        return _EVERYTHING
    return frozenset(
        path
        for path in all_paths
        if not any(path[:depth] in all_paths for depth in range(1, len(path)))
    )


def _static(path: tuple[str, ...]) -> tuple[str, ...]:
    for depth, name in enumerate(path):
        if name in _WITH_LISTS:
            return path[: depth + 1]
    return path


def _put(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
    document[path[-1]] = value


def _put_way(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """As `_put`, but what is there already stays: it holds more."""
    for name in path[:-1]:
        document = document.setdefault(name, {})
    document.setdefault(path[-1], value)
