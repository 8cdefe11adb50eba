"""A stock gRPC client for the services under test.

Synchronous; in a test that runs the server on its own event loop, call it by `asyncio.to_thread`.
"""

from types import TracebackType

import grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT = 10.0
"""Seconds that a call may take before the test fails with DEADLINE_EXCEEDED."""


class Client:
    """One connection; use it as a context manager.

    Every call raises `grpc.RpcError` when the answer is a gRPC error.
    """

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        """`address` is `host:port` or `unix:/path`; without credentials there is no TLS."""
        # A connection of our own: gRPC would share one with other clients of this process.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        self.channel = (
            grpc.insecure_channel(address, options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options)
        )
        """For calls that have no helper here."""
        self._authorization = external_auth_pb2_grpc.AuthorizationStub(self.channel)
        self._limits = rls_pb2_grpc.RateLimitServiceStub(self.channel)
        self._health = health_pb2_grpc.HealthStub(self.channel)

    def check(
        self, request: "external_auth_pb2.CheckRequest", timeout: float = TIMEOUT
    ) -> "external_auth_pb2.CheckResponse":
        """`envoy.service.auth.v3.Authorization/Check`."""
        return self._authorization.Check(request, timeout=timeout)

    def should_rate_limit(
        self, request: "rls_pb2.RateLimitRequest", timeout: float = TIMEOUT
    ) -> "rls_pb2.RateLimitResponse":
        """`envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`."""
        return self._limits.ShouldRateLimit(request, timeout=timeout)

    def health(self, service: str = "", timeout: float = TIMEOUT) -> str:
        """`grpc.health.v1.Health/Check`: `SERVING`, `NOT_SERVING` or `UNKNOWN`."""
        answer = self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def close(self) -> None:
        """Ends the connection."""
        self.channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
