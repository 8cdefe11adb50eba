import asyncio
from collections.abc import AsyncIterator

import pytest
from grpc_health.v1 import health_pb2

from callout.grpc import health
from callout.grpc.call import Call, Code, Face, Status, Streaming, Unary
from callout.grpc.health import HealthBoard

CALL = Call((), None, "test")


def board() -> HealthBoard:
    board = HealthBoard()
    board.add(Face("authz", "shop.Authz", ()))
    board.add(Face("limit", "shop.Limit", ()))
    return board


def test_everything_serves_until_it_is_said_otherwise() -> None:
    one = board()

    assert [one.serving(name) for name in ("", "authz", "shop.Authz", "limit")] == [True] * 4
    assert one.serving("other") is None


@pytest.mark.parametrize("name", ["authz", "shop.Authz"])
def test_a_face_goes_down_under_both_its_names_and_takes_the_whole_with_it(name: str) -> None:
    one = board()
    one.set(name, False)

    assert [one.serving(each) for each in ("authz", "shop.Authz", "limit", "")] == [
        False,
        False,
        True,
        False,
    ]

    one.set("authz", True)

    assert [one.serving(each) for each in ("authz", "shop.Authz", "")] == [True] * 3


def test_the_whole_takes_every_face_with_it() -> None:
    one = board()
    one.set("", False)

    assert [one.serving(name) for name in ("", "authz", "shop.Limit")] == [False] * 3


def test_a_face_may_be_down_before_the_server_knows_it() -> None:
    one = HealthBoard()
    one.set("authz", False)
    one.add(Face("authz", "shop.Authz", ()))

    assert one.serving("shop.Authz") is False


def test_draining_is_for_good() -> None:
    one = board()
    one.drain()
    one.set("", True)
    one.set("authz", True)

    assert one.serving("authz") is False


def methods(one: HealthBoard) -> tuple[Unary, Streaming]:
    check, watch = one.face().methods
    assert isinstance(check, Unary)
    assert isinstance(watch, Streaming)
    return check, watch


def request(name: str) -> bytes:
    message: bytes = health_pb2.HealthCheckRequest(service=name).SerializeToString()
    return message


def status(message: object) -> int:
    assert isinstance(message, bytes)
    value: int = health_pb2.HealthCheckResponse.FromString(message).status
    return value


def test_check_answers_from_the_board() -> None:
    one = board()
    check, _ = methods(one)
    one.set("limit", False)

    assert status(check.handler(request("authz"), CALL)) == 1
    assert status(check.handler(request("limit"), CALL)) == 2
    unknown = check.handler(request("other"), CALL)
    assert isinstance(unknown, Status)
    assert unknown.code is Code.NOT_FOUND
    malformed = check.handler(b"\xff", CALL)
    assert isinstance(malformed, Status)
    assert malformed.code is Code.INTERNAL


async def only(*messages: bytes) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


async def test_watch_tells_each_change_once_and_ends_when_the_server_drains() -> None:
    one = board()
    _, watch = methods(one)
    replies = watch.handler(only(request("authz")), CALL)

    assert status(await anext(replies)) == 1
    following = asyncio.ensure_future(anext(replies))
    await asyncio.sleep(0)
    one.set("limit", False)
    await asyncio.sleep(0)
    assert not following.done()
    one.set("authz", False)
    assert status(await following) == 2
    one.set("authz", True)
    assert status(await anext(replies)) == 1
    one.drain()
    assert status(await anext(replies)) == 2
    last = await anext(replies)
    assert isinstance(last, Status)
    assert last.code is Code.UNAVAILABLE
    with pytest.raises(StopAsyncIteration):
        await anext(replies)


async def test_watch_of_an_unknown_service_waits_for_it() -> None:
    one = board()
    _, watch = methods(one)
    replies = watch.handler(only(request("waf")), CALL)

    assert status(await anext(replies)) == 3
    following = asyncio.ensure_future(anext(replies))
    await asyncio.sleep(0)
    one.add(Face("waf", "shop.Waf", ()))
    one.set("waf", True)
    assert status(await following) == 1
    await replies.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_watches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MAX_WATCHERS", 1)
    one = board()
    _, watch = methods(one)
    first = watch.handler(only(request("")), CALL)
    await anext(first)

    refused = await anext(watch.handler(only(request("")), CALL))
    assert isinstance(refused, Status)
    assert refused.code is Code.RESOURCE_EXHAUSTED

    await first.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert status(await anext(watch.handler(only(request("")), CALL))) == 1


@pytest.mark.parametrize("messages", [[], [b"\xff"]])
async def test_a_watch_without_a_request_is_refused(messages: list[bytes]) -> None:
    _, watch = methods(board())

    refused = await anext(watch.handler(only(*messages), CALL))
    assert isinstance(refused, Status)
    assert refused.code is Code.INTERNAL
