"""From a request and a snapshot to what must be counted. Made once for equal requests."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from ratelimit.algorithms.contract import Algorithm
from ratelimit.algorithms.decision import Use
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.keys import window_key
from ratelimit.limits import Limit, window
from ratelimit.rules import Rule
from ratelimit.stores.contract import Hit

OnError: TypeAlias = Literal["allow", "deny", "share", "refuse"]
"""What becomes of a request when the counters cannot be asked: it passes this limit, or the gateway
gets an error, or it passes as long as this worker's part of the limit allows (`local/share.py`), or
it is answered as if it were over the limit."""


class Counted(NamedTuple):
    """One limit that a descriptor is counted by."""

    limit: Limit
    addend: int
    shadow: bool = False
    """Counted, but never refuses."""
    on_error: OnError = "deny"
    quota: bool = False
    """Refuses only when all limits of the request that are in quota mode are over."""
    statistic: str = ""
    """envoyproxy/ratelimit's name of the rule in statistics; empty: a policy's limit."""
    algorithm: Algorithm | None = None
    """None: fixed windows, counted by `Plan.hits` alone."""
    each: bool = True
    """Counts what fits it, whatever the other limits of the request say. False: only requests that
    pass."""
    strict: bool = False
    """0 hits only fit where 1 would."""


class Group(NamedTuple):
    """All that decides about one descriptor; its answer has one status for each group."""

    counted: tuple[Counted, ...] = ()
    unlimited: bool = False
    rule: Rule | None = None
    """Of an operator's domain, with a limit: where its `metadata` is."""


class Refusal(NamedTuple):
    """No answer can be planned: our failure, or the gateway's."""

    reason: str
    """A stable word for metrics: `policy_invalid`, `gateway_stale`."""
    message: str
    """For the gateway's log."""


_NOTHING_ASKED = b""
_NO_USES: tuple[tuple[Hit, ...], tuple[Use, ...]] = ((), ())
_bare = object.__new__
_new = tuple.__new__
"""Makes a named tuple in half the time: its own `__new__` is a function in Python."""


_MOST_LENGTHS = 1024
"""Of windows whose last one is remembered; when there is no room, all are forgotten."""
_lengths: dict[int, tuple[int, int, bytes]] = {}


def _window(now: float, seconds: int) -> tuple[int, int, bytes]:
    """The window that `now` is in: its start, its end, and how names of counters end in it.

    The last one of each length is remembered: hits of a new plan take 0.4 us less.
    """
    known = _lengths.get(seconds)
    if known is None or not known[0] <= now < known[1]:
        start, end = window(now, seconds)
        if len(_lengths) >= _MOST_LENGTHS:
            _lengths.clear()
        known = _lengths[seconds] = start, end, window_key(b"", start)
    return known


_Window: TypeAlias = tuple[bytes, int, int]
"""Of one limit, now: how names of counters end in it, what is added there, when it ends."""


class _Windows:
    """Those that hits of now are counted in, of all plans of the same limits."""

    __slots__ = ("_counted", "each", "ends", "starts")

    def __init__(self, counted: Sequence[Counted]) -> None:
        self._counted = counted
        self.each: tuple[_Window, ...] = ()
        """In order; the same object until one of them ends."""
        self.starts = self.ends = 0
        """When all of them have started, and the first of them ends."""

    def move(self, now: float) -> None:
        """To those that `now` is in."""
        each = []
        starts, ends = 0, 0
        for counted in self._counted:
            start, end, name = _window(now, counted.limit.unit.seconds)
            each.append((name, counted.addend, end))
            if start > starts:
                starts = start
            if end < ends or not ends:
                ends = end
        self.each = tuple(each)
        self.starts, self.ends = starts, ends


class Plan:
    """What to count for one request, and for every other that is equal to it."""

    __slots__ = (
        "_hits",
        "_hits_of",
        "_uses",
        "_windows",
        "asked",
        "counted",
        "groups",
        "keys",
        "note",
        "policy",
        "quotas",
        "reason",
        "settles",
        "tells_shadow",
        "undivided",
    )

    def __init__(
        self,
        groups: tuple[Group, ...],
        policy: str = "",
        reason: str = "no_limit",
        note: str = "",
        undivided: bool = False,
        settles: bool = False,
        keys: tuple[bytes, ...] = (),
    ) -> None:
        self.undivided = undivided
        """It must be counted by `uses`: plain counters are not enough. All have an algorithm."""
        self.settles = settles
        """Its hits were made already: they count, and nothing is refused."""
        self.groups = groups
        """One for each descriptor, in order."""
        self.counted = (
            groups[0].counted
            if len(groups) == 1
            else tuple([counted for group in groups for counted in group.counted])
        )
        self.keys = keys
        """Their counters' names, without the window: one for each of `counted`."""
        self.quotas = 0
        """How many of them are in quota mode."""
        self.policy = policy
        """For metrics: the domain, or the effective policy's name; empty: neither is known."""
        self.reason = reason
        """For metrics, when nothing is counted: why not."""
        self.note = note
        """For a reader of the log."""
        self.asked = _NOTHING_ASKED
        """What of the request Envoy is told again, encoded; see `rule_metadata.py`."""
        self.tells_shadow = False
        """Whether clients see a limit in shadow of which nothing is left."""
        self._windows = _Windows(self.counted)
        self._hits_of: tuple[_Window, ...] = ()
        self._hits: tuple[Hit, ...] = ()
        self._uses = _NO_USES
        for counted in self.counted:
            if counted.quota:
                self.quotas += 1

    def of(self, keys: tuple[bytes, ...]) -> "Plan":
        """The same with other counters, of a request that meets the same rules."""
        made = _bare(Plan)
        made.undivided = self.undivided
        made.settles = self.settles
        made.groups = self.groups
        made.counted = self.counted
        made.keys = keys
        made.quotas = self.quotas
        made.policy = self.policy
        made.reason = self.reason
        made.note = self.note
        made.asked = _NOTHING_ASKED
        made.tells_shadow = self.tells_shadow
        made._windows = self._windows
        made._hits_of = made._hits = ()
        made._uses = _NO_USES
        return made

    def hits(self, now: float) -> tuple[Hit, ...]:
        """What to count now. The same objects until the first of their windows ends."""
        windows = self._windows
        if not windows.starts <= now < windows.ends:
            windows.move(now)
        if self._hits_of is not windows.each:
            self._hits_of = each = windows.each
            hits = []
            for key, (name, addend, end) in zip(self.keys, each, strict=True):
                hits.append(_new(Hit, (key + name, addend, end)))
            self._hits = tuple(hits)
        return self._hits

    def uses(self, now: float) -> tuple[Use, ...]:
        """The same for a `StateStore`, and the same objects for as long as `hits` are."""
        hits = self.hits(now)
        made, uses = self._uses
        if made is not hits:
            each = zip(self.counted, self.keys, hits, strict=True)
            uses = tuple([self._use(*one) for one in each])
            self._uses = hits, uses
        return uses

    def _use(self, counted: Counted, key: bytes, hit: Hit) -> Use:
        algorithm = counted.algorithm
        if algorithm is None:
            raise ValueError("a limit without an algorithm")
        named = type(algorithm) is NamedWindow
        return Use(
            hit.key if named else key + algorithm.shape.encode(),
            algorithm,
            counted.addend,
            enforced=not counted.shadow,
            strict=counted.strict,
            each=counted.each,
            settles=self.settles,
        )
