"""Is the answer right? A benchmark of errors is worthless.

Each guard sends the request that will be measured, and a variant that must be refused, and tells
how many bytes of body one right answer has: h2load counts bodies, so a run in which some answers
were gRPC errors (no body), denials (another size) or cut short is found.
"""

import http.client
import json
from collections.abc import Mapping

import grpc
from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2

from tests.load import payloads

SECONDS = 10.0
PREFIX = 5
"""Bytes that gRPC puts before each message."""
OVER_LIMIT = 2
"""Requests that certainly use up the limit `1/hour`, unless an hour ends between them."""


class WrongAnswer(Exception):
    """The service does not decide as it must; the message says what it did."""


def check(address: str, exchange: payloads.Exchange) -> int:
    """Authorization/Check: allowed and denied. Raises WrongAnswer."""
    allowed, size = _call(address, exchange.path, exchange.allowed)
    denied, other = _call(address, exchange.path, exchange.denied)
    answers = [external_auth_pb2.CheckResponse.FromString(each) for each in (allowed, denied)]
    if not answers[0].HasField("ok_response") or answers[0].status.code:
        raise WrongAnswer(f"the request that must be allowed was answered {answers[0]}")
    if answers[1].HasField("ok_response") or not answers[1].status.code:
        raise WrongAnswer(f"the request that must be denied was answered {answers[1]}")
    if size == other:
        raise WrongAnswer("an allowed answer is as long as a denied one: h2load cannot tell")
    return size


def limit(address: str, exchange: payloads.Exchange) -> int:
    """RateLimitService/ShouldRateLimit: within and over the limit. Raises WrongAnswer."""
    within, size = _call(address, exchange.path, exchange.allowed)
    over, _ = _call(address, exchange.path, exchange.denied)
    answers = [rls_pb2.RateLimitResponse.FromString(each) for each in (within, over)]
    codes = [answer.overall_code for answer in answers]
    if codes != [rls_pb2.RateLimitResponse.OK, rls_pb2.RateLimitResponse.OVER_LIMIT]:
        raise WrongAnswer(f"the limits were answered {answers[0]} and {answers[1]}")
    if not all(status.limit_remaining for status in answers[0].statuses):
        raise WrongAnswer(f"a descriptor was not counted: {answers[0]}")
    return size


def opa(address: str, path: str) -> int:
    """OPA's REST API: true and false. Raises WrongAnswer."""
    sizes = {}
    for user, expected in ((payloads.ALLOWED_USER, True), (payloads.DENIED_USER, False)):
        body = payloads.opa_input(user)
        status, answer = _http(address, "POST", path, {"content-type": "application/json"}, body)
        if status != 200 or json.loads(answer).get("result") is not expected:
            raise WrongAnswer(f"OPA answered {status} {answer!r} for {user}")
        sizes[user] = len(answer)
    return sizes[payloads.ALLOWED_USER]


def gateway(address: str, authorizes: bool, limits: bool) -> int:
    """Through Envoy: 200, and 403 and 429 where the filter is there. Raises WrongAnswer."""

    def get(host: str, user: str) -> tuple[int, bytes]:
        return _http(address, "GET", payloads.PATH, {"host": host, "x-user": user})

    status, answer = get(payloads.ENVOY_HOST, payloads.ALLOWED_USER)
    if status != 200:
        raise WrongAnswer(f"the gateway answered {status} {answer!r}, expected 200")
    status, _ = get(payloads.ENVOY_HOST, payloads.DENIED_USER)
    if (status == 403) is not authorizes:
        raise WrongAnswer(f"the gateway answered {status} to the user who must be denied")
    for _ in range(OVER_LIMIT):
        status, _ = get(payloads.FULL_HOST, payloads.ALLOWED_USER)
    if (status == 429) is not limits:
        raise WrongAnswer(f"the gateway answered {status} to the request over the limit")
    return len(answer)


def _call(address: str, path: str, message: bytes) -> tuple[bytes, int]:
    with grpc.insecure_channel(address) as channel:
        try:
            answer: bytes = channel.unary_unary(path)(message, timeout=SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            raise WrongAnswer(f"{path}: {error.code().name} {error.details()}") from error
    return answer, PREFIX + len(answer)


def _http(
    address: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
