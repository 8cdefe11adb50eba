"""A service over a bundle that is written in the test."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from envoy.service.ratelimit.v3 import rls_pb2

from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot, build
from callout.grpc.call import Call, Reply, Status
from callout.observe.decision import Decision
from callout.testing.clock import Clock
from callout.testing.requests import rate_limit_request
from ratelimit.config import LimitsSection
from ratelimit.service import RateLimitService
from ratelimit.stores.contract import Store, StoreUnavailable
from ratelimit.stores.memory import MemoryStore

T = TypeVar("T")


def built(files: Mapping[str, str], section: LimitsSection | None = None) -> Snapshot | Rejected:
    bundle = Bundle({path: text.encode() for path, text in files.items()})
    return build(bundle, [section or LimitsSection()])


def snapshot(files: Mapping[str, str], section: LimitsSection | None = None) -> Snapshot:
    made = built(files, section)
    assert isinstance(made, Snapshot), made
    return made


def policy(name: str, body: str, on: str = '{host: "*"}') -> str:
    return f"apiVersion: bundle/v1\nkind: Policy\nname: {name}\non: [{on}]\n{body}\n"


class Away:
    """A store that nobody reaches."""

    def add(self, hits: object, now: float, deadline: float | None, then: Callable[..., T]) -> T:
        return then(StoreUnavailable("disconnected"))


class Seen:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.wants_text = True

    def sample(self, *_: object) -> float:
        return 1.0

    def decided(self, decision: Decision) -> None:
        self.decisions.append(decision)

    @property
    def last(self) -> Decision:
        return self.decisions[-1]


class World:
    """What a test talks to."""

    def __init__(
        self,
        files: Mapping[str, str],
        store: Store | None = None,
        section: LimitsSection | None = None,
        **options: Any,
    ) -> None:
        self.clock = Clock()
        self.seen = Seen()
        self.snapshot: Snapshot | None = snapshot(files, section)
        self.service = RateLimitService(
            lambda: self.snapshot,
            MemoryStore() if store is None else store,
            self.seen,
            self.clock,
            **options,
        )

    def load(self, files: Mapping[str, str]) -> None:
        self.snapshot = snapshot(files)

    def reply(self, message: bytes, deadline: float | None = None) -> Any:
        return self.service.should_rate_limit(message, Call((), deadline, "test"))

    async def asked(
        self, request: "rls_pb2.RateLimitRequest | bytes", deadline: float | None = None
    ) -> "rls_pb2.RateLimitResponse | Status":
        message = request if isinstance(request, bytes) else request.SerializeToString()
        reply: Reply = self.reply(message, deadline)
        if isinstance(reply, asyncio.Future):
            reply = await reply
        return reply if isinstance(reply, Status) else rls_pb2.RateLimitResponse.FromString(reply)

    async def ask(self, domain: str, *descriptors: Mapping[str, str], hits: int = 0) -> Any:
        return await self.asked(rate_limit_request(domain, *descriptors, hits_addend=hits))

    async def visit(self, path: str = "/", host: str = "shop.example", **entries: str) -> Any:
        """One request as the rendered Envoy describes it; `address=None` leaves it out."""
        found = {"host": host, "path": path, "method": "GET", "remote_address": "10.0.0.1"}
        return await self.ask("gatewright", found | entries)


def code(response: Any) -> str:
    """`OK`, `OVER_LIMIT`, or the gRPC status of a refusal."""
    if isinstance(response, Status):
        return response.code.name
    name: str = rls_pb2.RateLimitResponse.Code.Name(response.overall_code)
    return name
