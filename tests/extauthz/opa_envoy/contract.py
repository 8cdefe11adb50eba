"""What a CheckResponse must be: opa-envoy-plugin's contract, read a second time.

Written from the plugin's documentation and from what its source does, field by field, on purpose
in another form than `extauthz.result` and without any of its code. Each place where we differ from
the plugin is marked `Differs:` and stands in docs/rego.md.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote_from_bytes

UNDEFINED: Final = object()
"""The server's answer had no `result`."""
ERROR: Final = object()
"""The server's answer was status 500: the evaluation failed."""


@dataclass
class Sent:
    """A CheckResponse, or what must be one, in the words of the contract."""

    code: int = 7
    """google.rpc.Code: 0 OK, 7 PERMISSION_DENIED."""
    status: int = 0
    """HTTP, of a denial."""
    headers: dict[str, list[str]] = field(default_factory=dict)
    """Of the request if allowed, of the answer if denied; values in the order in which they are
    sent."""
    remove: set[str] = field(default_factory=set)
    answer_headers: dict[str, list[str]] = field(default_factory=dict)
    query: dict[str, list[str]] = field(default_factory=dict)
    query_remove: set[str] = field(default_factory=set)
    body: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Without `decision_id`, which is always there."""


class Broken(Exception):
    """The plugin would answer with a gRPC error."""


NOT_DECIDED: Final = 403
"""Differs: the plugin answers with a gRPC error, of which Envoy makes 403 unless told otherwise,
or lets the request pass with `failure_mode_allow`. We deny."""

_CODES: Final = {code.value for code in HTTPStatus} - {103, 425, 451, 418, 102, 101}
"""Go knows 425, 451 and 418 too, Envoy's list does not; 509 is in neither, 306 nowhere."""


@dataclass
class Reading:
    """The contract; tests change one part of it to see that the comparison would find that."""

    default_status: int = 403
    undecided: int = NOT_DECIDED

    def of(self, result: Any) -> Sent:
        """What must be answered when OPA gave `result`."""
        try:
            return self.decided(result)
        except Broken:
            return Sent(7, self.undecided)

    def decided(self, result: Any) -> Sent:
        if result is True:
            return Sent(0)
        if result is False:
            return Sent(7, self.default_status)
        if result is UNDEFINED or result is ERROR or not isinstance(result, dict):
            raise Broken
        match result.get("allowed"):
            case True:
                return self.allowance(result)
            case False:
                return self.denial(result)
        raise Broken

    def allowance(self, result: dict[str, Any]) -> Sent:
        sent = Sent(0)
        sent.headers = self.headers(result, "headers", rewrites=True)
        sent.metadata = self.metadata(result)
        for name in self.texts(result, "request_headers_to_remove"):
            if _NAME.fullmatch(name):  # Envoy passes over all else
                sent.remove.add(self.header_name(name))
        for name in sent.remove:  # Envoy removes after it sets
            sent.headers.pop(name, None)
        sent.answer_headers = self.headers(result, "response_headers_to_add")
        sent.query = self.query(result)
        sent.query_remove = {
            self.pasted(name) for name in self.texts(result, "query_parameters_to_remove")
        }
        return sent

    def denial(self, result: dict[str, Any]) -> Sent:
        sent = Sent(7, self.status(result))
        sent.headers = self.headers(result, "headers")
        sent.metadata = self.metadata(result)
        sent.body = result.get("body", "")
        if type(sent.body) is not str:
            raise Broken
        return sent

    def status(self, result: dict[str, Any]) -> int:
        if "http_status" not in result:
            return self.default_status
        status = result["http_status"]
        # Go's json.Number.Int64 takes what is written as a whole number; Differs: not 100, which
        # is no answer, though Envoy's list has it
        if type(status) is not int or status not in _CODES or status < 200:
            raise Broken
        return status

    def headers(
        self, result: dict[str, Any], name: str, rewrites: bool = False
    ) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        if name not in result:
            return found
        groups = result[name] if isinstance(result[name], list) else [result[name]]
        for group in groups:
            if not isinstance(group, dict):
                raise Broken
            for key, value in group.items():
                self.header(found, self.header_name(key), value, rewrites)
        return found

    def header(self, found: dict[str, list[str]], key: str, value: Any, rewrites: bool) -> None:
        # Differs: the plugin hands on what is no header at all, and Envoy answers 500 or 503
        if not (_NAME.fullmatch(key) or (rewrites and key in _PSEUDO)):
            raise Broken
        for each in self.values(value):
            if type(each) is not str or _CONTROL.search(each):
                raise Broken
            if key not in _FRAMING:  # Differs: the plugin sets them, and Envoy breaks the message
                found.setdefault(key, []).append(each)

    def values(self, value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    def header_name(self, name: str) -> str:
        return name.lower()

    def texts(self, result: dict[str, Any], name: str) -> list[str]:
        found = result.get(name, [])
        if not isinstance(found, list) or any(type(each) is not str for each in found):
            raise Broken
        return found

    def query(self, result: dict[str, Any]) -> dict[str, list[str]]:
        given = result.get("query_parameters_to_set", {})
        if not isinstance(given, dict):
            raise Broken
        found: dict[str, list[str]] = {}
        for name, value in given.items():
            values = self.values(value)
            if any(type(each) is not str for each in values):
                raise Broken
            if values:
                found[self.pasted(name)] = [self.pasted(each) for each in values]
        return found

    def pasted(self, text: str) -> str:
        # Differs: the plugin encodes nothing at all, also what no request line can hold
        return "".join(
            each if "!" <= each <= "~" else quote_from_bytes(each.encode()) for each in text
        )

    def metadata(self, result: dict[str, Any]) -> dict[str, Any]:
        found = result.get("dynamic_metadata", {})
        if not isinstance(found, dict):
            raise Broken
        return {name: _number(each) for name, each in found.items() if name != "decision_id"}


def _number(value: Any) -> Any:
    """A Struct has doubles only."""
    if type(value) in (int, Decimal):
        double = float(Decimal(value))
        if double in (float("inf"), float("-inf")):
            raise Broken  # Go's json.Number.Float64 fails, too
        return double
    if isinstance(value, list):
        return [_number(each) for each in value]
    if isinstance(value, dict):
        return {name: _number(each) for name, each in value.items()}
    return value


_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PSEUDO = {":path", ":method", ":authority", ":scheme"}
_FRAMING = {
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
