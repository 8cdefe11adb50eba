"""What brings the supervising process its bundles: a directory, or OPA's services."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from prometheus_client.registry import Collector

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.watch import Watcher

Offer: TypeAlias = Callable[[Bundle | Rejected], Awaitable[tuple[Problem, ...]]]
"""Uses a bundle if it is good; says what is wrong with it, and what was in use stays."""


class Feed(Protocol):
    """Offers each new bundle, one after the other."""

    @property
    def missing(self) -> tuple[str, ...]:
        """What has not come yet and must, before we are ready, by name."""
        ...

    @property
    def metrics(self) -> Collector | None:
        """What is counted of it; None: nothing."""
        ...

    async def run(self) -> None:
        """Offers until it is cancelled."""
        ...

    def reload_now(self) -> None:
        """Looks again at once: SIGHUP."""
        ...


MakeFeed: TypeAlias = Callable[[Offer], Feed]


class DirectoryFeed:
    """A directory that is watched."""

    missing: tuple[str, ...] = ()
    metrics: Collector | None = None

    def __init__(self, directory: str, offer: Offer, on_failure: Callable[[], None]) -> None:
        """Prepares; see `Watcher`."""

        async def offered(bundle: Bundle | Rejected) -> None:
            await offer(bundle)

        self._watcher = Watcher(directory, offered, on_failure=on_failure)

    async def run(self) -> None:
        """See `Feed`."""
        await self._watcher.run()

    def reload_now(self) -> None:
        """See `Feed`."""
        self._watcher.reload_now()
