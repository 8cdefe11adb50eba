"""`POST /json`: requests and answers as envoyproxy/ratelimit writes them in JSON. Pure.

Protobuf's JSON (https://protobuf.dev/programming-guides/json) of `RateLimitRequest` and
`RateLimitResponse`; its NewJsonHandler in src/server/server_impl.go.
"""

import json
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import json_format

from callout.grpc.call import Reply, Status
from ratelimit.envoy import MOST_DESCRIPTORS, MOST_ENTRIES
from ratelimit.request import BadRequest

MOST_BYTES: Final = 16 * 1024
"""Of a request: 200 descriptors fit. Reading so many takes 5 ms, in which no other request of the
worker is answered."""

_BACK: Final = ("isNegativeHits", "is_negative_hits")
"""A field that Envoy's API has since 2026, and the messages that we are built with do not."""
_BACK_WIRE: Final = b"\x20\x01"
"""`bool is_negative_hits = 4`, true."""
_NOT_ONE: Final = BadRequest("not a RateLimitRequest in JSON")


class HttpAnswer(NamedTuple):
    """What the client is told."""

    status: int
    body: bytes
    """JSON, unless the status is that of an error."""


def message_of(body: bytes) -> bytes | BadRequest:
    """The serialized RateLimitRequest that a body says."""
    try:
        document = json.loads(body.decode(), object_pairs_hook=_once)
        if not isinstance(document, dict):
            return _NOT_ONE
        if _too_many(document):
            return BadRequest("too many descriptors, or entries of one")
        back = _taken_back(document)
        message = json_format.ParseDict(document, rls_pb2.RateLimitRequest())
        for index in back:
            message.descriptors[index].MergeFromString(_BACK_WIRE)
        serialized: bytes = message.SerializeToString()
    except (ValueError, json_format.ParseError, RecursionError):
        return _NOT_ONE
    return serialized


def answer_of(reply: Reply) -> HttpAnswer:
    """200, 429 when a limit refuses, and for every failure 400, as there."""
    if isinstance(reply, Status):
        return failure(HTTPStatus.BAD_REQUEST)
    response = rls_pb2.RateLimitResponse.FromString(reply)
    over = response.overall_code == rls_pb2.RateLimitResponse.OVER_LIMIT
    document = json_format.MessageToDict(response)
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return HttpAnswer(HTTPStatus.TOO_MANY_REQUESTS if over else HTTPStatus.OK, body)


def failure(status: HTTPStatus) -> HttpAnswer:
    """A failure, in the words of Go's net/http; nothing of the request is in it."""
    return HttpAnswer(status, f"{status.phrase}\n".encode())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _too_many(document: dict[str, Any]) -> bool:
    """More than would be decided about: making messages of `{},{},...` takes thrice as long."""
    descriptors = document.get("descriptors")
    if not isinstance(descriptors, list):
        return False
    entries = [each.get("entries") for each in descriptors if isinstance(each, dict)]
    most = max((len(each) for each in entries if isinstance(each, list)), default=0)
    return len(descriptors) > MOST_DESCRIPTORS or most > MOST_ENTRIES


def _taken_back(document: dict[str, Any]) -> list[int]:
    """Takes `is_negative_hits` out of the descriptors; the places of those that say true."""
    descriptors = document.get("descriptors")
    found = []
    for index, each in enumerate(descriptors if isinstance(descriptors, list) else ()):
        said = [each.pop(name) for name in _BACK if name in each] if isinstance(each, dict) else []
        if len(said) > 1 or not all(one is None or isinstance(one, bool) for one in said):
            raise ValueError("expected one boolean")
        if True in said:
            found.append(index)
    return found
