"""Watches a bundle's directory and hands over what is in it, once for each change (an edge)."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

import watchfiles

from callout.config.bundle import Bundle, read_directory
from callout.config.problems import Problem, Rejected

Seen: TypeAlias = str | tuple[Problem, ...] | None

SETTLE: Final = 0.2
"""Seconds in which nothing may change before a change counts as complete: writers are not atomic,
and a tool that copies a folder takes a while."""
MOST_READS: Final = 20
"""Reads in a row for one change; a file that is written without end must not stop reloading."""
CHECK: Final = 1.0
"""Seconds between looks at whether the directory is still the same one: a folder that is deleted
and made again, or a link that is turned, tells nobody."""


class Watcher:
    """Hands over each new content of a directory, good or bad."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        on_bundle: Callable[[Bundle | Rejected], Awaitable[None]],
        seen: str | None = None,
    ) -> None:
        """Prepares; `run` watches.

        Args:
            directory: need not exist yet.
            on_bundle: told of each new content, one after the other.
            seen: the digest of what was read already; None: the first content is news.
        """
        self._directory = Path(directory)
        self._on_bundle = on_bundle
        self._seen: Seen = seen
        self._changed = asyncio.Event()
        self._forced = False

    def reload_now(self) -> None:
        """Hands over what is there, changed or not; for SIGHUP. Not from another thread."""
        self._forced = True
        self._changed.set()

    async def run(self) -> None:
        """Watches until it is cancelled."""
        watching = asyncio.create_task(self._watch())
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                forced, self._forced = self._forced, False
                bundle = await self._settled()
                if forced or _seen(bundle) != self._seen:
                    self._seen = _seen(bundle)
                    await self._on_bundle(bundle)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _settled(self) -> Bundle | Rejected:
        """What is there once two reads in a row are the same.

        A ConfigMap's swap of `..data`, which is several events, is one change; so is a file that
        is half written when it is read first.
        """
        found = await asyncio.to_thread(read_directory, self._directory)
        for _ in range(MOST_READS):
            if _seen(found) == self._seen:
                break
            await asyncio.sleep(SETTLE)
            before, found = found, await asyncio.to_thread(read_directory, self._directory)
            if _seen(found) == _seen(before):
                break
        return found

    async def _watch(self) -> None:
        """Sets `_changed` whenever something may have changed."""
        while True:
            identity = _identity(self._directory)
            self._changed.set()
            if identity is None:
                await asyncio.sleep(CHECK)
                continue
            with contextlib.suppress(FileNotFoundError):
                await self._watch_one(identity)

    async def _watch_one(self, identity: tuple[int, int]) -> None:
        quiet = False
        async for changes in watchfiles.awatch(
            self._directory,
            watch_filter=None,
            debounce=200,
            step=50,
            rust_timeout=int(CHECK * 1000),
            yield_on_timeout=True,
        ):
            # The first quiet second: what happened before the watch stood may be news too.
            if changes or not quiet:
                self._changed.set()
            quiet = quiet or not changes
            if _identity(self._directory) != identity:
                return


def _seen(bundle: Bundle | Rejected) -> Seen:
    return bundle.digest if isinstance(bundle, Bundle) else bundle.problems


def _identity(directory: Path) -> tuple[int, int] | None:
    """Of the directory itself, wherever links lead; None if there is none."""
    try:
        state = directory.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
