"""Bytes that no Envoy would send: an answer that says no, and a process that lives."""

from collections.abc import Iterator
from contextlib import closing

import grpc
import pytest
from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2

from callout.testing.grpc_client import Client
from callout.testing.requests import check_request, rate_limit_request
from tests.end_to_end.serve import CHECK, EVERYBODY, LIMIT, OPEN, Serve, policy, write_bundle

MAX_MESSAGE = 4 << 20
LONG = 3 << 20
TRANSPORTS = ("own", "grpcio")
DOMAIN = """domain: edge
descriptors:
  - {key: user, rate_limit: {unit: year, requests_per_unit: 1000}}
"""


@pytest.fixture(scope="module", params=TRANSPORTS)
def serve(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serve]:
    """Everybody may: whatever is denied here, is denied for its form."""
    folder = tmp_path_factory.mktemp("bad")
    limits = "limits: [{name: all, by: [path], rate: 1000/year}]"
    files = {
        "all.yaml": policy("all", f"{OPEN}\n{limits}"),
        "ratelimit/edge.yaml": DOMAIN,
        **EVERYBODY,
    }
    bundle = write_bundle(folder / "bundle", files)
    with closing(Serve(folder, bundle, "--transport", request.param)) as running:
        yield running


@pytest.fixture
def client(serve: Serve) -> Iterator[Client]:
    """And the same process answers well afterwards."""
    workers = serve.workers()
    with serve.client() as connection:
        yield connection
    with serve.client() as connection:
        assert connection.check(check_request()).status.code == 0
    assert serve.workers() == workers
    assert not serve.said("check_failed")
    assert "Traceback" not in serve.log


def call(client: Client, method: str, message: bytes) -> bytes | grpc.RpcError:
    """The raw answer, or the gRPC error."""
    try:
        answer: bytes = client.channel.unary_unary(method)(message, timeout=10)
    except grpc.RpcError as error:
        return error
    return answer


def with_headers(count: int) -> bytes:
    headers = {f"x-header-{index}": "value" for index in range(count)}
    data: bytes = check_request(headers=headers).SerializeToString()
    return data


def good(**fields: str) -> bytes:
    data: bytes = check_request(**fields).SerializeToString()  # type: ignore[arg-type]  # of text
    return data


def long(path: str) -> bytes:
    """A path that is in the message once only, to fit into it."""
    request = check_request(path=path)
    del request.attributes.request.http.headers[":path"]
    data: bytes = request.SerializeToString()
    return data


def not_utf8(data: bytes) -> bytes:
    assert b"REPLACED" in data
    return data.replace(b"REPLACED", b"\xff\xfe\xc0\xaf\xed\xa0\x80\xf8")


CHECKS = {
    "cut-off": (good()[:-3], 400),
    "noise": (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 400),
    "nested": (b"\x0a\x7f" * 2000, 400),
    "empty": (b"", 400),
    "headers": (with_headers(5000), 431),
    "long-path": (long("/" + "a" * LONG), 400),
    "slashes": (long("/" * LONG), 400),
    "utf8-path": (not_utf8(good(path="/REPLACED")), 400),
    "utf8-host": (not_utf8(good(host="REPLACED")), 400),
    "utf8-header": (not_utf8(check_request(headers={"x": "REPLACED"}).SerializeToString()), 400),
    "no-path": (good(path=""), 400),
    "relative-path": (good(path="products"), 400),
    "control": (good(path="/a\x00b"), 400),
    "unknown-policy": (
        check_request(context_extensions={"policy": "none"}).SerializeToString(),
        None,
    ),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_that_makes_no_sense_is_denied(client: Client, name: str) -> None:
    message, status = CHECKS[name]
    answer = call(client, CHECK, message)
    assert isinstance(answer, bytes), answer
    response = external_auth_pb2.CheckResponse.FromString(answer)
    assert response.status.code == 7
    assert response.HasField("denied_response")
    if status is not None:
        assert response.denied_response.status.code == status
    else:
        assert response.denied_response.status.code >= 400


@pytest.mark.parametrize("method", [CHECK, LIMIT])
def test_a_message_above_the_limit_is_refused_with_the_reason(client: Client, method: str) -> None:
    answer = call(client, method, good(path="/" + "a" * MAX_MESSAGE))
    assert isinstance(answer, grpc.RpcError)
    assert answer.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than" in answer.details()


def override(unit: int, requests: int = 5) -> bytes:
    request = rate_limit_request("edge", {"user": "override"})
    request.descriptors[0].limit.unit = unit
    request.descriptors[0].limit.requests_per_unit = requests
    data: bytes = request.SerializeToString()
    return data


OWN = {"host": "shop.example", "path": "/", "method": "GET", "remote_address": "192.0.2.1"}
LIMITS = {
    "empty": (b"", "domain"),
    "no-descriptors": (rls_pb2.RateLimitRequest(domain="edge").SerializeToString(), "descriptor"),
    "no-domain": (rate_limit_request("", {"user": "a"}).SerializeToString(), "domain"),
    "cut-off": (rate_limit_request("edge", {"user": "a"}).SerializeToString()[:-1], "RateLimit"),
    "noise": (b"\xff" * 64, "RateLimit"),
    "utf8": (
        not_utf8(rate_limit_request("edge", {"user": "REPLACED"}).SerializeToString()),
        "RateLimit",
    ),
    "ten-thousand": (
        rate_limit_request(
            "edge", *[{"user": str(each)} for each in range(10_000)]
        ).SerializeToString(),
        "descriptors",
    ),
    "many-entries": (
        rate_limit_request("edge", {str(each): "x" for each in range(10_000)}).SerializeToString(),
        "entries",
    ),
    "override-unit-0": (override(0), "unit"),
    "override-unit-99": (override(99), "unit"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_request_that_makes_no_sense_is_an_error_that_says_why(
    client: Client, name: str
) -> None:
    message, word = LIMITS[name]
    answer = call(client, LIMIT, message)
    assert isinstance(answer, grpc.RpcError), answer
    assert answer.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert word in answer.details()


def test_the_most_hits_there_can_be_are_over_the_limit_and_stay_so(client: Client) -> None:
    for _ in range(2):
        request = rate_limit_request("edge", {"user": "greedy"})
        request.descriptors[0].hits_addend.value = 2**64 - 1
        assert client.should_rate_limit(request).overall_code == 2
    assert (
        client.should_rate_limit(rate_limit_request("edge", {"user": "greedy"})).overall_code == 2
    )
    assert (
        client.should_rate_limit(
            rate_limit_request("gatewright", {**OWN, "path": "/greedy"}, hits_addend=2**32 - 1)
        ).overall_code
        == 2
    )


@pytest.mark.parametrize("path", ["/" + "a" * LONG, "relative", "", "/../x", "/a%2fb"])
def test_a_path_that_cannot_be_read_is_counted_all_the_same(client: Client, path: str) -> None:
    answer = call(
        client, LIMIT, rate_limit_request("gatewright", {**OWN, "path": path}).SerializeToString()
    )
    if isinstance(answer, grpc.RpcError):
        assert answer.code() is grpc.StatusCode.INVALID_ARGUMENT
    else:
        response = rls_pb2.RateLimitResponse.FromString(answer)
        assert response.statuses[0].current_limit.requests_per_unit == 1000


def test_what_is_served_nowhere_is_unimplemented(client: Client) -> None:
    for method in ("/nothing/here", CHECK + "s", "/envoy.service.auth.v2.Authorization/Check"):
        answer = call(client, method, good())
        assert isinstance(answer, grpc.RpcError)
        assert answer.code() is grpc.StatusCode.UNIMPLEMENTED


def test_rows() -> None:
    assert (len(CHECKS), len(LIMITS)) == (14, 10)
