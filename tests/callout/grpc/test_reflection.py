from collections.abc import AsyncIterator

import pytest

from callout.grpc.call import Call, Code, Status, Streaming
from callout.grpc.health import SERVICE
from callout.grpc.reflection import reflection_faces

CALL = Call((), None, "test")


async def only(*messages: bytes) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


def test_both_versions_are_answered() -> None:
    assert [face.service for face in reflection_faces([SERVICE])] == [
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]


@pytest.mark.parametrize("version", [0, 1])
async def test_a_malformed_request_ends_the_stream(version: int) -> None:
    (method,) = reflection_faces([SERVICE])[version].methods
    assert isinstance(method, Streaming)
    replies = [reply async for reply in method.handler(only(b"\xff", b""), CALL)]

    assert len(replies) == 1
    assert isinstance(replies[0], Status)
    assert replies[0].code is Code.INTERNAL
