"""How a worker comes by its next snapshot while it answers: received, built, swapped, torn down.

Each of these could hold up requests for a tenth of a second or more with 10,000 policies; see
"Reload under load" in docs/reliability.md for what was measured.

- The bundle comes in pieces, so that no message is long to read.
- It is built in a thread, without the garbage collector, in bursts of a millisecond: see
  `bursts.Bursts`.
- What was built is taken out of later collections without being collected first: looking for
  cycles, of which it has none, takes 0.2 s.
- The snapshot before is taken apart little by little: dropping its last reference would free all
  of it at once.
"""

import asyncio
import functools
from collections.abc import Callable, Sequence

import structlog

from callout.config import records
from callout.config.bundle import Bundle
from callout.config.pace import breathe, breathing
from callout.config.problems import Rejected
from callout.config.section import Section
from callout.config.snapshot import Snapshot, rebuilt
from callout.config.uncollected import uncollected
from gatewright.bundle.sections import SECTIONS
from gatewright.run import messages
from gatewright.run.aside import aside
from gatewright.run.bursts import Bursts
from gatewright.run.retiring import Retiring

_log = structlog.get_logger("gatewright.worker")


class _Coming:
    """A bundle as far as it has come."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.files: dict[str, list[bytes]] = {}
        self.records: list[bytes] = []


class Generation:
    """The snapshot of this moment, and how the next one takes its place."""

    def __init__(
        self,
        on_loaded: Callable[[str], None],
        on_refused: Callable[..., None],
        sections: Sequence[Section] = SECTIONS,
    ) -> None:
        """Prepares.

        Args:
            on_loaded: told the digest of each snapshot that decides from now on.
            on_refused: told the digest of a bundle that cannot be used, and why in sentences.
            sections: what the settings make of them.
        """
        self._sections = sections
        self._on_loaded = on_loaded
        self._on_refused = on_refused
        self.snapshot: Snapshot | None = None
        """What decides; None: there was none yet, and everything must be denied."""
        self._coming: _Coming | None = None
        self._next: _Coming | None = None
        self._building: asyncio.Task[None] | None = None
        self._retiring = Retiring()

    def hear(self, message: messages.OfBundle) -> None:
        """Takes a piece of a bundle; builds once it is whole.

        While one is built the next may come: the newest of those that wait is built after it.
        """
        match message:
            case messages.BundleComes():
                self._coming = _Coming(message.digest)
            case messages.BundleFile() if self._coming is not None:
                self._coming.files.setdefault(message.path, []).append(message.data)
            case messages.BundlePolicies() if self._coming is not None:
                self._coming.records.append(message.records)
            case messages.BundleEnds() if self._coming is not None:
                self._next, self._coming = self._coming, None
                if self._building is None:
                    self._building = asyncio.create_task(self._build())

    def stop(self) -> None:
        """Builds and takes apart no more."""
        if self._building is not None:
            self._building.cancel()
        self._retiring.stop()

    async def _build(self) -> None:
        while self._next is not None:
            coming, self._next = self._next, None
            try:
                bursts = Bursts(asyncio.get_running_loop())
                built = await aside(functools.partial(_built, coming, bursts, self._sections))
            except Exception as error:
                # Whatever it is, what decided goes on, and the supervising process must know.
                _log.exception("a bundle cannot be built")
                self._on_refused(coming.digest, [f"the worker failed: {type(error).__name__}"])
                continue
            if isinstance(built, Rejected):
                self._on_refused(coming.digest, [str(each) for each in built.problems])
                continue
            self._swap(built)
            del built, coming
        self._building = None

    def _swap(self, snapshot: Snapshot) -> None:
        before, self.snapshot = self.snapshot, snapshot
        self._on_loaded(snapshot.digest)
        if before is not None:
            self._retiring.retire(before)


def _built(coming: _Coming, bursts: Bursts, sections: Sequence[Section]) -> Snapshot | Rejected:
    with uncollected(), breathing(bursts.breathe):
        files = {}
        for path, pieces in coming.files.items():
            files[path] = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            breathe()
        bundle = Bundle(files)
        return rebuilt(bundle, list(records.policies(coming.records)), sections)
