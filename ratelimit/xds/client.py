"""Asks a management server over gRPC (an edge): the session's requests out, its responses in."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import grpc
import structlog
from envoy.service.discovery.v3 import discovery_pb2

from callout.observe.paced import Paced
from ratelimit.xds.config_proto import TYPE_URL
from ratelimit.xds.files import Resource
from ratelimit.xds.metrics import XdsCounts
from ratelimit.xds.options import XdsOptions, XdsTls
from ratelimit.xds.session import Request, Response, Session

_log = structlog.get_logger("gatewright.xds")

METHOD: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
KEEPALIVE: Final = 330
"""Seconds of silence until the connection is tried. A server in Go ends connections that try more
often than every five minutes (grpc-go's default MinTime)."""
KEEPALIVE_ANSWER: Final = 20
"""Seconds until a server that does not answer that is given up."""
MOST_SAID: Final = 200
"""Characters of a server's words in a line of the log."""

Apply: TypeAlias = Callable[[Sequence[Resource]], Awaitable[str | None]]
"""Uses the resources of one response, all of them or none; says why not."""


class XdsClient:
    """Follows one server. Use it in one event loop."""

    def __init__(
        self,
        options: XdsOptions,
        apply: Apply,
        chance: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepares; `run` follows.

        Args:
            options: whom to ask, and how.
            apply: takes what comes.
            chance: for the times between attempts.
            now: seconds since the epoch, for metrics.
        """
        self._options = options
        self._apply = apply
        self._chance = chance
        self._now = now
        self._session = Session()
        self._lines = Paced()
        self.counts = XdsCounts()

    async def run(self) -> None:
        """Follows until it is cancelled: whatever ends a stream, there is a next one."""
        failures = 0
        while True:
            said = "the server ended the stream"
            try:
                await self._follow()
            except grpc.aio.AioRpcError as error:
                said = f"{error.code().name}: {(error.details() or '')[:MOST_SAID]}"
            except asyncio.InvalidStateError:
                said = "the stream ended before the answer was written"
            except OSError as error:
                said = f"TLS files: {error}"
            except Exception as error:
                # Memory that is lacking, or a bug: what was accepted stays, the next may work.
                _log.exception("following the xDS server failed")
                said = type(error).__name__
            failures = 1 if self.counts.connected else failures + 1
            self.counts.connected = False
            self.counts.streams_ended += 1
            delay = self._options.backoff.delay(failures, self._chance())
            self._tell("ended", _log.warning, "no xDS stream", why=said, next=round(delay, 1))
            await asyncio.sleep(delay)

    async def _follow(self) -> None:
        channel = self._channel()
        try:
            call = channel.stream_stream(
                METHOD,
                request_serializer=discovery_pb2.DiscoveryRequest.SerializeToString,
                response_deserializer=discovery_pb2.DiscoveryResponse.FromString,
            )(metadata=self._options.headers)
            await call.write(self._message(self._session.begin()))
            while (message := await call.read()) is not grpc.aio.EOF:
                if not self.counts.connected:
                    self.counts.connected = True
                    self._tell("open", _log.info, "xDS stream", server=self._options.server)
                if (answer := await self._answer(message)) is not None:
                    await call.write(self._message(answer))
        finally:
            await channel.close()

    async def _answer(self, message: Any) -> Request | None:
        resources = tuple(Resource(each.type_url, each.value) for each in message.resources)
        response = Response(message.version_info, message.nonce, message.type_url, resources)
        if not self._session.take(response):
            self.counts.foreign += 1
            found = message.type_url[:MOST_SAID]
            self._tell("foreign", _log.warning, "xDS response of another type", type_url=found)
            return None
        if self._session.again:
            await asyncio.sleep(self._options.hold)
        reason = await self._apply(resources)
        if reason is None:
            self.counts.accepted += 1
            self.counts.last_accepted = self._now()
            version = message.version_info[:MOST_SAID]
            self._tell("accepted", _log.info, "xDS response accepted", version=version)
            return self._session.accept()
        self.counts.refused += 1
        event = "xDS response refused; the last good one decides"
        self._tell("refused", _log.warning, event, reason=reason[: 5 * MOST_SAID])
        return self._session.refuse(reason)

    def _tell(self, kind: str, log: Callable[..., None], event: str, **fields: object) -> None:
        if (silent := self._lines.due(kind, time.monotonic())) is not None:
            log(event, silent=silent, **fields)

    def _message(self, request: Request) -> Any:
        message = discovery_pb2.DiscoveryRequest(
            version_info=request.version, response_nonce=request.nonce, type_url=TYPE_URL
        )
        message.node.id = self._options.node
        message.node.user_agent_name = "gatewright"
        if self._options.metadata:
            message.node.metadata.update(self._options.metadata)
        if request.reason is not None:
            message.error_detail.code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
            message.error_detail.message = request.reason
        return message

    def _channel(self) -> grpc.aio.Channel:
        """A new one for each stream: files are read again, and grpc adds no waits to ours."""
        tls = self._options.tls
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", self._options.max_message),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.keepalive_time_ms", KEEPALIVE * 1000),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_ANSWER * 1000),
            # Management servers are beside us: a proxy for the world must not read what they say.
            ("grpc.enable_http_proxy", 0),
        ]
        if tls is None:
            return grpc.aio.insecure_channel(self._options.server, options=options)
        if tls.server_name:
            options.append(("grpc.ssl_target_name_override", tls.server_name))
        return grpc.aio.secure_channel(self._options.server, _credentials(tls), options=options)


def _credentials(tls: XdsTls) -> grpc.ChannelCredentials:
    ca, cert, key = (each.read_bytes() if each else None for each in (tls.ca, tls.cert, tls.key))
    return grpc.ssl_channel_credentials(ca, key, cert)
