"""`grpc.health.v1`: the board that says what serves, and the face that answers from it."""

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from callout.grpc.call import Call, Code, Face, Reply, Status, Streaming, Unary

SERVICE = "grpc.health.v1.Health"

MAX_WATCHERS = 1000
"""Watches at a time: each holds a stream for as long as its client likes."""

_UNKNOWN_SERVICE = Status(Code.NOT_FOUND, "unknown service")
_MALFORMED = Status(Code.INTERNAL, "malformed HealthCheckRequest")
_TOO_MANY = Status(Code.RESOURCE_EXHAUSTED, "too many watches")
_LEAVING = Status(Code.UNAVAILABLE, "the server is draining")

_SERVING: bytes = health_pb2.HealthCheckResponse(status=1).SerializeToString()
_NOT_SERVING: bytes = health_pb2.HealthCheckResponse(status=2).SerializeToString()
_SERVICE_UNKNOWN: bytes = health_pb2.HealthCheckResponse(status=3).SerializeToString()


class HealthBoard:
    """Which services serve. Everything does until it is said otherwise; draining is for good.

    A service is known by its full gRPC name and by its face's short name. The name "" is the
    whole process: it serves when it was not set to false itself and every service serves.
    """

    def __init__(self) -> None:
        self._down: set[str] = set()
        self._names: dict[str, str] = {"": ""}
        self._watchers: set[asyncio.Event] = set()
        self.draining = False
        """Whether `drain` was called."""
        self._succeeded = False

    def add(self, face: Face) -> None:
        """Make a face known by its service's name and by its own."""
        self._names[face.service] = face.service
        self._names[face.name] = face.service
        if face.name in self._down:
            self._down.add(face.service)

    def set(self, name: str, serving: bool) -> None:
        """Say whether a service, a face or ("") the whole process serves.

        May be said before the server starts, of faces that it will have.
        """
        service = self._names.get(name, name)
        if serving:
            self._down -= {name, service}
        else:
            self._down |= {name, service}
        self._changed()

    def drain(self, succeeded: bool = False) -> None:
        """Nothing serves any more, whatever is set later; watches are told, and then end.

        If another process has succeeded this one at its address, all serves as before, and watches
        only end: their clients ask there next.
        """
        self.draining = True
        self._succeeded = succeeded
        self._changed()

    def serving(self, name: str) -> bool | None:
        """Whether a service, a face or ("") the whole process serves; None: unknown."""
        service = self._names.get(name)
        if service is None:
            return None
        if (self.draining and not self._succeeded) or "" in self._down:
            return False
        if not service:
            return not any(each in self._down for each in self._names.values())
        return service not in self._down

    def _changed(self) -> None:
        for event in self._watchers:
            event.set()

    def face(self) -> Face:
        """The service itself."""
        return Face(
            "health",
            SERVICE,
            (Unary(f"/{SERVICE}/Check", self._check), Streaming(f"/{SERVICE}/Watch", self._watch)),
        )

    def _check(self, message: bytes, _call: Call) -> Reply:
        name = _service_of(message)
        if name is None:
            return _MALFORMED
        serving = self.serving(name)
        if serving is None:
            return _UNKNOWN_SERVICE
        return _SERVING if serving else _NOT_SERVING

    async def _watch(self, messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[Reply]:
        name: str | None = None
        async for message in messages:
            name = _service_of(message)
            break
        if name is None:
            yield _MALFORMED
            return
        if len(self._watchers) >= MAX_WATCHERS:
            yield _TOO_MANY
            return
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            told: bytes | None = None
            while True:
                changed.clear()
                draining = self.draining
                serving = self.serving(name)
                answer = _SERVING if serving else _NOT_SERVING
                if serving is None:
                    answer = _SERVICE_UNKNOWN
                if answer != told:
                    told = answer
                    yield answer
                if draining:
                    yield _LEAVING
                    return
                await changed.wait()
        finally:
            self._watchers.discard(changed)


def _service_of(message: bytes) -> str | None:
    try:
        name: str = health_pb2.HealthCheckRequest.FromString(message).service
    except DecodeError:
        return None
    return name
