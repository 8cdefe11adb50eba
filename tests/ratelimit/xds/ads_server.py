"""A small management server: state of the world over ADS, as go-control-plane answers it.

A request whose version is not the server's is answered at once, a NACK too; otherwise the stream
waits for news. Versions count from 1.
"""

import queue
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any, NamedTuple

import grpc
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.json_format import MessageToDict

from callout.testing.ports import free_port
from ratelimit.xds.client import METHOD
from ratelimit.xds.config_proto import TYPE_URL
from ratelimit.xds.files import Resource


class Heard(NamedTuple):
    """What a client said."""

    node: str
    version: str
    nonce: str
    error: str
    metadata: dict[str, Any]
    """Of the node."""
    headers: dict[str, str]


class AdsServer:
    """Runs in threads of its own; `start` again after `stop` is a restarted server."""

    def __init__(
        self, credentials: grpc.ServerCredentials | None = None, port: int | None = None
    ) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.heard: list[Heard] = []
        self.streams = 0
        self.type_url = TYPE_URL
        self._credentials = credentials
        self._changed = threading.Condition()
        self._version = 0
        self._resources: tuple[Resource, ...] | None = None
        self._broken = 0
        self._server: grpc.Server | None = None

    def start(self) -> "AdsServer":
        server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        service, _, method = METHOD[1:].partition("/")
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=discovery_pb2.DiscoveryRequest.FromString,
            response_serializer=discovery_pb2.DiscoveryResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        if self._credentials is None:
            bound = server.add_insecure_port(self.address)
        else:
            bound = server.add_secure_port(self.address, self._credentials)
        assert bound == self.port
        server.start()
        self._server = server
        return self

    def stop(self) -> None:
        if self._server is not None:
            self.break_streams()
            self._server.stop(0).wait(10)
            self._server = None

    def restart(self) -> None:
        """Versions count from 1 again, whatever it has."""
        self.stop()
        self._version = 1
        self.start()

    def put(self, *resources: Resource) -> None:
        with self._changed:
            self._version += 1
            self._resources = resources
            self._changed.notify_all()

    def break_streams(self) -> None:
        """All streams end with an error."""
        with self._changed:
            self._broken += 1
            self._changed.notify_all()

    def acked(self) -> bool:
        """Whether the last word of a client is the ACK of what there is."""
        last = self.heard[-1] if self.heard else None
        return last is not None and last.nonce != "" and last.version == str(self._version)

    def nacks(self) -> list[str]:
        return [each.error for each in self.heard if each.error]

    def _stream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        self.streams += 1
        asked: queue.Queue[Heard] = queue.Queue()
        broken = self._broken

        headers = {str(key): str(value) for key, value in context.invocation_metadata()}

        def read() -> None:
            try:
                for each in requests:
                    said = Heard(
                        each.node.id, each.version_info, each.response_nonce,
                        each.error_detail.message, MessageToDict(each.node.metadata), headers,
                    )  # fmt: skip
                    self.heard.append(said)
                    asked.put(said)
                    with self._changed:
                        self._changed.notify_all()
            except grpc.RpcError:
                pass
            with self._changed:
                self._changed.notify_all()

        threading.Thread(target=read, daemon=True).start()
        waiting: Heard | None = None
        nonce = 0
        while True:
            with self._changed:
                while not (
                    self._broken != broken
                    or not context.is_active()
                    or not asked.empty()
                    or self._has_news(waiting)
                ):
                    self._changed.wait(0.5)  # is_active changes without a word
                if self._broken != broken:
                    context.abort(grpc.StatusCode.INTERNAL, "the stream breaks")
                if not context.is_active():
                    return
                while not asked.empty():
                    waiting = asked.get()
                if not self._has_news(waiting):
                    continue
                waiting, nonce = None, nonce + 1
                answer = self._response(nonce)
            yield answer

    def _has_news(self, waiting: Heard | None) -> bool:
        if waiting is None or self._resources is None:
            return False
        return waiting.version != str(self._version)

    def _response(self, nonce: int) -> Any:
        response = discovery_pb2.DiscoveryResponse(
            version_info=str(self._version), nonce=str(nonce), type_url=self.type_url
        )
        for each in self._resources or ():
            response.resources.add(type_url=each.type_url, value=each.value)
        return response
