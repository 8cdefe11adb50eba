"""Watches a bundle's directory and hands over what is in it, once for each change (an edge)."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

import structlog
import watchfiles

from callout.config.bundle import Bundle, DirectoryLimits, read_directory
from callout.config.problems import Problem, Rejected

_log = structlog.get_logger("callout.config")

Seen: TypeAlias = str | tuple[Problem, ...] | None

SETTLE: Final = 0.2
"""Seconds in which nothing may change before a change counts as complete: writers are not atomic,
and a tool that copies a folder takes a while."""
MOST_READS: Final = 20
"""Reads in a row for one change; a file that is written without end must not stop reloading."""
RETRY: Final = 5.0
"""Seconds until what failed for another reason than its content is tried again."""
POLL: Final = 2.0
"""Seconds between looks at all files while the system cannot tell us of changes: its inotify
watches are used up (`fs.inotify.max_user_watches`), or the file system has none."""
CHECK_WATCH: Final = 60.0
"""Seconds of looking at the files until the system is asked again."""
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
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepares; `run` watches.

        Args:
            directory: need not exist yet.
            on_bundle: told of each new content, one after the other.
            seen: the digest of what was read already; None: the first content is news.
            on_failure: told each time that `on_bundle` or reading failed with an exception, which
                is logged, and tried again.
        """
        self._directory = Path(directory)
        self._on_bundle = on_bundle
        self._seen: Seen = seen
        self._on_failure = on_failure
        self._changed = asyncio.Event()
        self._forced = False
        self._polling = False

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
                try:
                    await self._look(forced)
                except Exception:
                    # Memory, a thread, a descriptor that is lacking just now, or a bug: whatever
                    # it is, the next good bundle must be taken.
                    _log.exception("reading the bundle failed; trying again", seconds=RETRY)
                    self._on_failure()
                    self._seen = None
                    asyncio.get_running_loop().call_later(RETRY, self._changed.set)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _look(self, forced: bool) -> None:
        bundle = await self._settled()
        if forced or _seen(bundle) != self._seen:
            self._seen = _seen(bundle)
            await self._on_bundle(bundle)

    async def _settled(self) -> Bundle | Rejected:
        """What is there once two reads in a row are the same.

        A ConfigMap's swap of `..data`, which is several events, is one change; so is a file that
        is half written when it is read first.
        """
        found, states = await asyncio.to_thread(_read, self._directory)
        for _ in range(MOST_READS):
            if _seen(found) == self._seen:
                break
            await asyncio.sleep(SETTLE)
            before = _seen(found), states
            found, states = await asyncio.to_thread(_read, self._directory)
            if (_seen(found), states) == before:
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
            try:
                await self._watch_one(identity)
            except FileNotFoundError:
                continue
            except Exception as error:
                # watchfiles raises OSError, and a RustNotify error of its own.
                if not self._polling:
                    _log.warning(
                        "changes are not told by the system; looking at the files instead",
                        error=str(error),
                        seconds=POLL,
                    )
                self._polling = True
                await self._poll_for(CHECK_WATCH)

    async def _poll_for(self, seconds: float) -> None:
        """Looks at the files, then returns: the system may have watches again."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        before = await asyncio.to_thread(_states, self._directory)
        while loop.time() < end:
            await asyncio.sleep(POLL)
            now = await asyncio.to_thread(_states, self._directory)
            if now != before:
                before = now
                self._changed.set()

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
            if self._polling:
                self._polling = False
                _log.info("changes are told by the system again")
            # The first quiet second: what happened before the watch stood may be news too.
            if changes or not quiet:
                self._changed.set()
            quiet = quiet or not changes
            if _identity(self._directory) != identity:
                return


def _seen(bundle: Bundle | Rejected) -> Seen:
    return bundle.digest if isinstance(bundle, Bundle) else bundle.problems


def _read(directory: Path) -> tuple[Bundle | Rejected, frozenset[tuple[str, int, int, int]]]:
    """What is there, and the states of the files before that.

    A file that is written again and again may be empty at two reads in a row, but not as old.
    """
    states = _states(directory)
    return read_directory(directory), states


def _states(directory: Path) -> frozenset[tuple[str, int, int, int]]:
    """What changes when a file does, of all files that a bundle may be made of."""
    found: set[tuple[str, int, int, int]] = set()
    for folder, folders, names in os.walk(directory, followlinks=True):
        if folder.removeprefix(str(directory)).count(os.sep) >= DirectoryLimits().depth:
            folders.clear()
        for name in names:
            with contextlib.suppress(OSError):
                path = f"{folder}/{name}"
                state = Path(path).stat()
                found.add((path, state.st_ino, state.st_mtime_ns, state.st_size))
        if len(found) > DirectoryLimits().files:
            break
    return frozenset(found)


def _identity(directory: Path) -> tuple[int, int] | None:
    """Of the directory itself, wherever links lead; None if there is none."""
    try:
        state = directory.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
