"""The one reload rule: parse, validate, swap; or keep the last good and say why."""

from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected

Outcome: TypeAlias = Literal["loaded", "unchanged", "rejected"]


class HasDigest(Protocol):
    """What a loader makes of a bundle: a `Snapshot`, or what its caller keeps of one."""

    @property
    def digest(self) -> str:
        """Of the bundle that it was made from."""
        ...


S = TypeVar("S", bound=HasDigest)


class Reloader(Generic[S]):
    """Holds the snapshot of this moment. Pure: whoever watches files offers what it read."""

    def __init__(self, build: Callable[[Bundle], S | Rejected]) -> None:
        """Takes the loader, such as `snapshot.build` with its sections."""
        self._build = build
        self.snapshot: S | None = None
        """The last good one; None: there was none yet, and everything must be denied."""
        self.problems: tuple[Problem, ...] = ()
        """Why the last offer was rejected; empty when what was offered last is in use."""
        self.loaded = 0
        """Offers that were taken."""
        self.rejected = 0
        """Offers that were not."""

    @property
    def digest(self) -> str:
        """Of the snapshot in use; empty without one."""
        return self.snapshot.digest if self.snapshot is not None else ""

    def offer(self, bundle: Bundle | Rejected) -> Outcome:
        """Uses a bundle from now on if it is good.

        The snapshot in use offered again is `unchanged`, and ends an error: the author went back.
        """
        if isinstance(bundle, Bundle) and self.snapshot and bundle.digest == self.digest:
            self.problems = ()
            return "unchanged"
        built = self._build(bundle) if isinstance(bundle, Bundle) else bundle
        if isinstance(built, Rejected):
            self.problems = built.problems
            self.rejected += 1
            return "rejected"
        self.snapshot = built
        self.problems = ()
        self.loaded += 1
        return "loaded"
