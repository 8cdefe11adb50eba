"""The server that is fuzzed: both faces over the small bundle beside this file, all in memory.

Every OK of the authorization face is noted with its message, and the reference below says whether
it may be one: the policy in plain Python, over the message as protobuf reads it.
"""

import asyncio
from collections.abc import Awaitable

from envoy.service.auth.v3 import external_auth_pb2

from callout.config.snapshot import Snapshot
from callout.grpc.call import Call, Face, Reply, Unary
from callout.grpc.methods import Methods
from callout.grpc.reflection import reflection_faces
from callout.serve.options import ServeOptions
from extauthz.identity.jwks_fetch import JwksFetcher
from extauthz.service import AuthorizationService
from gatewright.bundle.load import Loaded, load
from gatewright.cli.folders import cache_folder
from ratelimit.service import RateLimitService
from ratelimit.stores.memory import MemoryStore
from tests.fuzz.conversation import HERE

CHECK = "/envoy.service.auth.v3.Authorization/Check"
LIMIT = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
HOST = "shop.example"
USER = "alice"


class Silent:
    """An observer that wants nothing."""

    wants_text = False

    def sample(self, *_: object) -> float:
        return 0.0

    def decided(self, _decision: object) -> None:
        pass


def snapshot() -> Snapshot:
    """The bundle, with the plan of its Rego that lies beside it."""
    loaded = load(HERE / "bundle", cache_folder(), print)
    assert isinstance(loaded, Loaded), loaded
    return loaded.snapshot


def may_pass(message: bytes) -> bool:
    """Whether the bundle lets this CheckRequest pass.

    Where a field is missing, the service takes the pseudo-header of that name, and so does this.
    """
    http = external_auth_pb2.CheckRequest.FromString(message).attributes.request.http
    host = (http.host or http.headers.get(":authority", "")).lower()
    host = host.rpartition(":")[0] if ":" in host else host
    return host.rstrip(".") == HOST and http.method == "GET" and http.headers.get("x-user") == USER


def is_allowed(reply: bytes) -> bool:
    """Whether Envoy would take these bytes for an OK: an empty CheckResponse is one."""
    response = external_auth_pb2.CheckResponse.FromString(reply)
    return response.status.code == 0


class Services:
    """Both faces and health, with what the authorization face has allowed since `forget`."""

    def __init__(self, world: Snapshot) -> None:
        self.allowed: dict[bytes, bytes] = {}
        """Messages by the replies that allow them; replies differ by their decision's id."""
        keys = JwksFetcher()
        self._check = AuthorizationService(lambda: world, Silent(), keys).check
        self.late = 0
        """Turns of the loop that an answer of the rate limit face takes; 0: it comes at once."""
        self.hours = 500_000
        """What the clock of the limits says. An input may count as many hits as it likes; the
        next one, an hour later, must not see them."""
        self._limit = RateLimitService(
            lambda: world, MemoryStore(), Silent(), now=lambda: 3600.0 * self.hours
        ).should_rate_limit
        self._faces = (
            Face("authz", "envoy.service.auth.v3.Authorization", (Unary(CHECK, self._noted),)),
            Face(
                "limit",
                "envoy.service.ratelimit.v3.RateLimitService",
                (Unary(LIMIT, self._perhaps_later),),
            ),
        )

    def _noted(self, message: bytes, call: Call) -> Reply:
        reply = self._check(message, call)
        assert isinstance(reply, bytes), "nothing in this bundle waits"
        if is_allowed(reply):
            self.allowed[reply] = message
        return reply

    def _perhaps_later(self, message: bytes, call: Call) -> Reply | Awaitable[Reply]:
        reply = self._limit(message, call)
        return self._later(reply) if self.late and isinstance(reply, bytes) else reply

    async def _later(self, reply: bytes) -> Reply:
        for _ in range(self.late):
            await asyncio.sleep(0)
        return reply

    def methods(self, options: ServeOptions) -> Methods:
        """As `callout.serve.server.serve` puts them together."""
        served = [*self._faces, options.health.face()]
        for face in self._faces:
            options.health.add(face)
        return Methods([*served, *reflection_faces([each.service for each in served])])

    @property
    def faces(self) -> tuple[Face, ...]:
        """The two."""
        return self._faces
