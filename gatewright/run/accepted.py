"""A bundle that was checked and taken: what the supervising process keeps of it."""

import gc
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.section import Section
from callout.config.snapshot import Snapshot
from gatewright.bundle.load import check
from gatewright.bundle.sections import SECTIONS
from gatewright.run import messages

NICE = 10
"""How far behind workers the check of a bundle stands when it competes for a core: with 10,000
policies it is seconds of work, and on a single core workers answered 50 ms late meanwhile."""


def collect() -> None:
    """Begins to collect garbage in the supervising process, whose snapshot is gone.

    Requests at the admin port leave cycles, and those of this moment were frozen with the snapshot.
    It takes some 60 ms, in which the admin port waits; in a thread of its own, because a worker on
    the same core must not wait as well.
    """

    def run() -> None:
        _stand_back()
        gc.unfreeze()
        gc.collect()

    threading.Thread(target=run, name="collect", daemon=True).start()


def _stand_back() -> None:
    """Lets workers on the same core go first; for the thread that calls it, until that ends."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice + NICE)


@dataclass(frozen=True)
class Accepted:
    """A good bundle. Its snapshot is not kept: of 10,000 policies it is 600 MB."""

    digest: str
    policies: tuple[str, ...]
    """Their names, sorted."""
    warnings: tuple[Problem, ...]
    messages: tuple[bytes, ...]
    """What a worker is told to decide by it."""


class Acceptance:
    """Checks bundles; the work of one is done in a thread beside the event loop."""

    def __init__(
        self,
        cache: Path,
        progress: Callable[[str], None],
        answering: bool = False,
        sections: Sequence[Section] = SECTIONS,
    ) -> None:
        """Prepares.

        Args:
            cache: where compiled plans are kept.
            progress: told of what takes long.
            answering: whether workers answer already: those of a process that we take over from.
            sections: what the settings make of them.
        """
        self._sections = sections
        self._cache = cache
        self._progress = progress
        self._answering = answering
        self._snapshot: Snapshot | None = None

    def build(self, bundle: Bundle) -> Accepted | Rejected:
        """Reads, compiles and checks, in a thread that ends with it."""
        if self._answering:
            # Before the first good bundle no worker answers, and others of the machine must not
            # hold up the start.
            _stand_back()
        checked = check(bundle, self._cache, self._progress, self._sections)
        if isinstance(checked, Rejected):
            return checked
        self._answering = True
        self._snapshot = snapshot = checked.snapshot
        told = map(messages.encode, messages.of_bundle(checked.bundle, checked.documents))
        return Accepted(snapshot.digest, snapshot.policies.names, snapshot.warnings, tuple(told))

    def take_snapshot(self) -> Snapshot | None:
        """The snapshot of the bundle that was accepted last, once."""
        snapshot, self._snapshot = self._snapshot, None
        return snapshot
