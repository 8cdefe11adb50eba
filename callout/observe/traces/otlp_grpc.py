"""OTLP over gRPC: serialized messages through a channel of grpcio, nothing of ours in its way."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Final

import grpc

from callout.observe.traces.encode import rejected
from callout.observe.traces.export import Accepted, NotSent, Outcome

_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TIMEOUT: Final = 5.0
"""Seconds for one message: a collector that stalls holds up one batch, and the queue meanwhile."""
_MOST_ANSWER: Final = 64 << 10
"""Bytes of an answer: a number and a sentence."""
_AGAIN: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Codes after which OTLP lets a client try again."""


class GrpcSender:
    """A `Sender`. grpcio works in its own threads; the event loop hears of the end only."""

    def __init__(self, target: str, *, tls: bool) -> None:
        """`target` is `host:port`; connects when there is something to send."""
        options = [
            # No proxy that the environment names, no reading of service configuration from DNS.
            ("grpc.enable_http_proxy", 0),
            ("grpc.service_config_disable_resolution", 1),
            ("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", _MOST_ANSWER),
            ("grpc.max_reconnect_backoff_ms", 5000),
        ]
        self._channel = (
            grpc.secure_channel(target, grpc.ssl_channel_credentials(_authorities()), options)
            if tls
            else grpc.insecure_channel(target, options)
        )
        # Without serializers, messages are bytes.
        self._export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            _METHOD
        )

    async def send(self, message: bytes) -> Outcome:
        """See `Sender.send`."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        call = self._export.future(message, timeout=TIMEOUT)

        def tell(_: object) -> None:
            # In a thread of grpcio; the loop may be closed by now.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(ended.set)

        call.add_done_callback(tell)
        try:
            await ended.wait()
        except asyncio.CancelledError:
            call.cancel()
            raise
        code = call.code()
        if code is grpc.StatusCode.OK:
            return Accepted(rejected(call.result()))
        # Never `details()`: a proxy may put what it likes there.
        return NotSent(code.name, code in _AGAIN)

    async def close(self) -> None:
        """See `Sender.close`."""
        self._channel.close()


def _authorities() -> bytes | None:
    """Those of this machine, as over HTTP: `SSL_CERT_FILE`, or where OpenSSL looks by itself.

    grpcio has a list of its own, on which no operator's authority is. It is used where there is no
    file.
    """
    file = ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file else None
