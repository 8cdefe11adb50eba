"""A directory, and a management server that adds rate limit domains to it: one bundle of both.

What one of the two brings is used with the last good of the other: a policy with a mistake holds
up no limit of the server, and a limit that is refused holds up no policy.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog
from prometheus_client.registry import Collector

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.watch import Watcher
from gatewright.run.aside import aside
from gatewright.run.feed import Offer
from ratelimit.domains import load
from ratelimit.xds.client import XdsClient
from ratelimit.xds.files import FOLDER, Resource, files_of
from ratelimit.xds.metrics import XdsMetrics
from ratelimit.xds.options import XdsOptions

_log = structlog.get_logger("gatewright.xds")

NAME = "rate limits (xds)"
"""What readiness calls it while it is missing."""
NOTHING = Bundle({".xds.yaml": b"# All is the server's.\n"})
"""A directory that adds nothing. A bundle without any YAML would be refused as an empty mount, and
a server may well have no domain."""
MOST_TOLD = 10
"""Problems in the reason of a NACK; the log of a server is no place for all."""


class XdsFeed:
    """Offers them together; see `Feed`."""

    def __init__(
        self,
        directory: str | None,
        options: XdsOptions,
        initial_fetch_timeout: float,
        offer: Offer,
        on_failure: Callable[[], None],
        read: Callable[[Mapping[str, bytes]], object | Rejected] = load,
    ) -> None:
        """Prepares; `run` follows.

        Args:
            directory: the bundle's; None: the server has all.
            options: the management server.
            initial_fetch_timeout: seconds until the directory alone is offered; 0: never.
            offer: takes what is to be decided by.
            on_failure: told when the directory could not be read, or offered, by an exception.
            read: reads the server's files alone; see `ratelimit.domains.load`.
        """
        self._read = read
        self._initial_fetch_timeout = initial_fetch_timeout
        self._offer = offer
        self._watcher = None
        if directory is not None:
            self._watcher = Watcher(directory, self._of_directory, on_failure=on_failure)
        self._client = XdsClient(options, self._of_server)
        self._turn = asyncio.Lock()
        self._newest: Bundle | Rejected | None = None if directory is not None else NOTHING
        """What the directory brought last. None: nothing yet."""
        self._good: Bundle | None = None if directory is not None else NOTHING
        """What it brought last that is in use."""
        self._files: Mapping[str, bytes] | None = None
        """The server's files that are in use, or wait for the directory. None: nothing came."""
        self._refused: tuple[tuple[str, str], str] | None = None
        """What was refused last, and why: it may come every three seconds."""
        self.metrics: Collector | None = XdsMetrics(self._client.counts)

    @property
    def missing(self) -> tuple[str, ...]:
        """The server's, until it has answered or it was waited for long enough."""
        return (NAME,) if self._files is None else ()

    async def run(self) -> None:
        """See `Feed`."""
        async with asyncio.TaskGroup() as group:
            if self._watcher is not None:
                group.create_task(self._watcher.run())
            group.create_task(self._client.run())
            if self._initial_fetch_timeout:
                group.create_task(self._wait_for_server())

    def reload_now(self) -> None:
        """See `Feed`."""
        if self._watcher is not None:
            self._watcher.reload_now()

    async def _wait_for_server(self) -> None:
        await asyncio.sleep(self._initial_fetch_timeout)
        async with self._turn:
            if self._files is None:
                _log.error("no xDS response in time; the bundle decides without its domains")
                self._files = {}
                if self._newest is not None:
                    await self._use_directory(self._newest)

    # --- what the directory brings ---

    async def _of_directory(self, found: Bundle | Rejected) -> None:
        async with self._turn:
            self._newest = found
            await self._use_directory(found)

    async def _use_directory(self, found: Bundle | Rejected) -> None:
        if isinstance(found, Rejected):
            await self._offer(found)
        elif self._files is not None and not await self._offer(_together(found, self._files)):
            self._good = found

    # --- what the server brings ---

    async def _of_server(self, resources: Sequence[Resource]) -> str | None:
        files = await aside(lambda: files_of(resources))
        if isinstance(files, str):
            return files
        async with self._turn:
            if files == self._files and self._refused is None:
                return None  # each new stream begins with what there is
            newest = self._newest.digest if isinstance(self._newest, Bundle) else ""
            this = Bundle(files).digest, newest
            if self._refused is not None and self._refused[0] == this:
                return self._refused[1]
            problems = await self._use_files(files)
            self._refused = (this, _reason(problems)) if problems else None
            return _reason(problems) if problems else None

    async def _use_files(self, files: Mapping[str, bytes]) -> tuple[Problem, ...]:
        # Alone first: of a mistake in them nothing else has to be compiled to know.
        alone = await aside(lambda: self._read(files))
        if isinstance(alone, Rejected):
            return alone.problems
        newest = self._newest
        problems: tuple[Problem, ...] = ()
        if isinstance(newest, Bundle):
            problems = await self._offer(_together(newest, files))
            if not problems:
                self._good, self._files = newest, files
                return ()
        elif newest is not None:
            problems = newest.problems
        if self._good is None:
            # Good by themselves: they wait for a good directory.
            self._files = files
            return ()
        if self._good is newest:
            return problems
        refused = await self._offer(_together(self._good, files))
        if not refused:
            self._files = files
            # Of the directory it must still be told.
            await self._offer(Rejected(problems))
        return refused


def _together(directory: Bundle, files: Mapping[str, bytes]) -> Bundle:
    return Bundle({**directory.files, **files})


def _reason(problems: Sequence[Problem]) -> str:
    told = [str(each).removeprefix(FOLDER) for each in problems[:MOST_TOLD]]
    more = len(problems) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])])
