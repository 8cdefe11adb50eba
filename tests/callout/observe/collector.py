"""A real OTLP collector over gRPC, in this process: it keeps what it is sent, or stalls."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import grpc

from callout.observe.traces.otlp import ExportTraceServiceRequest, ExportTraceServiceResponse
from tests.contract.certificates import Pair

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class Collector:
    """Use it as a context manager; `url` is where it listens."""

    def __init__(
        self,
        *,
        stalls: bool = False,
        keeps: bool = True,
        rejects: int = 0,
        tls: Pair | None = None,
    ) -> None:
        self.received: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self._rejects = rejects
        self._keeps = keeps
        self._go_on = threading.Event()
        if not stalls:
            self._go_on.set()
        self._server = grpc.server(ThreadPoolExecutor(4))
        export = grpc.unary_unary_rpc_method_handler(
            self._export,
            ExportTraceServiceRequest.FromString,
            ExportTraceServiceResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, {"Export": export}),)
        )
        if tls is None:
            self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        else:
            credentials = grpc.ssl_server_credentials([(tls.key_bytes, tls.cert_bytes)])
            port = self._server.add_secure_port("127.0.0.1:0", credentials)
            self.url = f"https://127.0.0.1:{port}"

    def _export(self, request: Any, context: grpc.ServicerContext) -> Any:
        if self._keeps:
            self.received.append(request)
            self.metadata.append(dict(context.invocation_metadata()))
        self._go_on.wait(30)
        response = ExportTraceServiceResponse()
        response.partial_success.rejected_spans = self._rejects
        return response

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in list(self.received)
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def resources(self) -> list[dict[str, Any]]:
        return [
            attributes(group.resource)
            for request in list(self.received)
            for group in request.resource_spans
        ]

    def wait_for(self, count: int, seconds: float = 20.0) -> list[Any]:
        """The spans, once there are so many."""
        end = time.monotonic() + seconds
        while len(self.spans) < count and time.monotonic() < end:
            time.sleep(0.02)
        assert len(self.spans) >= count, [each.name for each in self.spans]
        return self.spans

    def __enter__(self) -> "Collector":
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._go_on.set()
        self._server.stop(0).wait()


def attributes(holder: Any) -> dict[str, Any]:
    """Of a span, a resource or a link, as plain values."""
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in holder.attributes
    }
