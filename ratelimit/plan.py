"""From a request and a snapshot to what must be counted. Made once for equal requests."""

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


_MOST_LENGTHS = 1024
"""Of windows whose last one is remembered; when there is no room, all are forgotten."""
_windows: dict[int, tuple[int, int, bytes]] = {}
_new = tuple.__new__
"""Makes a named tuple in half the time: its own `__new__` is a function in Python."""


def _window(now: float, seconds: int) -> tuple[int, int, bytes]:
    """The window that `now` is in: its start, its end, and how names of counters end in it.

    The last one of each length is remembered: hits of a new plan take 0.7 us instead of 1.1.
    """
    known = _windows.get(seconds)
    if known is None or not known[0] <= now < known[1]:
        start, end = window(now, seconds)
        if len(_windows) >= _MOST_LENGTHS:
            _windows.clear()
        known = _windows[seconds] = start, end, window_key(b"", start)
    return known


class Plan:
    """What to count for one request, and for every other that is equal to it."""

    __slots__ = (
        "_ends",
        "_hits",
        "_starts",
        "_uses",
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
        self.asked = b""
        """What of the request Envoy is told again, encoded; see `rule_metadata.py`."""
        self.tells_shadow = False
        """Whether clients see a limit in shadow of which nothing is left."""
        self._hits: tuple[Hit, ...] = ()
        self._uses: tuple[tuple[Hit, ...], tuple[Use, ...]] = ((), ())
        self._starts = self._ends = 0.0
        for counted in self.counted:
            if counted.quota:
                self.quotas += 1

    def hits(self, now: float) -> tuple[Hit, ...]:
        """What to count now. The same objects until the first of their windows ends."""
        if not self._starts <= now < self._ends:
            hits = []
            starts, ends = 0, 0
            for counted, key in zip(self.counted, self.keys, strict=True):
                limit = counted.limit
                start, end, name = _window(now, limit.unit.seconds)
                hits.append(_new(Hit, (key + name, counted.addend, end)))
                if start > starts:
                    starts = start
                if end < ends or not ends:
                    ends = end
            self._hits = tuple(hits)
            self._starts, self._ends = starts, ends
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
