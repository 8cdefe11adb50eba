"""The metrics of a process that decides, for Prometheus."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics import exposition as openmetrics

from callout.observe.tallies import BOUNDS, DEFAULT_LIMITS, DecisionTally, LabelLimits, Names

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
"""Of what `exposition` gives."""
LAG_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5)
"""Seconds."""

Across: TypeAlias = Literal["sum", "max"]
"""How a gauge of several workers becomes one number."""
_ACROSS: Mapping[Across, Literal["livesum", "livemax"]] = {"sum": "livesum", "max": "livemax"}
_EOF = b"# EOF\n"
_WORDS = 64
"""Distinct values of a followed counter's label; the rest count as `other`."""


def exposition(*registries: CollectorRegistry) -> bytes:
    """What Prometheus reads: the text format, of type `CONTENT_TYPE`."""
    return b"".join(prometheus_client.generate_latest(each) for each in registries)


def plain(accept: str, *registries: CollectorRegistry) -> tuple[bytes, str]:  # noqa: ARG001
    """The exposition with its type: the text format, whatever is accepted."""
    return exposition(*registries), CONTENT_TYPE


def negotiated(accept: str, *registries: CollectorRegistry) -> tuple[bytes, str]:
    """The exposition with its type: OpenMetrics for who accepts it, which alone has exemplars.

    Args:
        accept: the header of the scrape.
        registries: no family may be in two of them.
    """
    if "application/openmetrics-text" not in accept:
        return plain(accept, *registries)
    # Each ends with a mark of which there may be only one.
    body = b"".join(
        openmetrics.generate_latest(each).removesuffix(_EOF)  # type: ignore[no-untyped-call]  # theirs
        for each in registries
    )
    return body + _EOF, openmetrics.CONTENT_TYPE_LATEST


class Metrics:
    """Counts and times; `flush` brings what was counted to where it is scraped.

    Hot paths count in plain integers; they are written to prometheus-client's objects by `flush`
    only, which is called at a scrape of this process, or twice a second when the scrape is
    answered by another one (`shared.join` before this object is made).
    """

    def __init__(self, limits: LabelLimits = DEFAULT_LIMITS) -> None:
        # Every counter would come with a second series that says since when it counts.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs
        self.registry = CollectorRegistry()
        self.tally = DecisionTally(limits)
        """Counts decisions."""
        self._followed: list[Callable[[], None]] = []
        self._decisions = Counter(
            "gatewright_decisions",
            "Decisions made; `error` is our own failure, whatever the caller was told.",
            ["face", "policy", "verdict", "reason", "shadow"],
            registry=self.registry,
        )
        self._seconds = TalliedHistogram(
            "gatewright_decision_seconds",
            "How long a decision took, from the parsed frame to the answer.",
            ["face", "policy"],
            buckets=BOUNDS,
            registry=self.registry,
        )
        self.lag = Histogram(
            "gatewright_event_loop_lag_seconds",
            "How late the event loop runs a timer: what every request waits on top.",
            buckets=LAG_BOUNDS,
            registry=self.registry,
        )
        """Observed by `LoopMonitor`."""

    def follow_counter(self, name: str, help_text: str, read: Callable[[], int]) -> None:
        """Exports a number that only grows and lives elsewhere.

        Args:
            name: without `_total`.
            help_text: what it counts.
            read: gives the number; asked at each flush.
        """
        self._follow(Counter(name, help_text, registry=self.registry), read)

    def follow_counters(
        self, name: str, help_text: str, label: str, read: Callable[[], Mapping[str, int]]
    ) -> None:
        """Exports a dictionary of such numbers, by the value of `label`; 64 values at most."""
        counter = Counter(name, help_text, [label], registry=self.registry)
        last: dict[str, int] = {}
        words = Names(_WORDS)

        def flush() -> None:
            for word, now in read().items():
                before = last.get(word, 0)
                # Alerts need the zero of a word that is there from the beginning.
                if now != before or word not in last:
                    last[word] = now
                    counter.labels(words.admit(word)).inc(_grown(now, before))

        self._followed.append(flush)

    def follow_errors(self, face: str, reason: str, read: Callable[[], int]) -> None:
        """Exports a number as decisions of verdict `error`, by no policy and without durations."""
        self._follow(self._decisions.labels(face, "", "error", reason, "false"), read)

    def follow_gauge(
        self, name: str, help_text: str, read: Callable[[], float], across: Across
    ) -> None:
        """Exports a number that goes up and down; `across` says what several workers make."""
        gauge = Gauge(name, help_text, multiprocess_mode=_ACROSS[across], registry=self.registry)
        self._followed.append(lambda: gauge.set(read()))

    def follow_gauges(
        self,
        name: str,
        help_text: str,
        label: str,
        read: Callable[[], Mapping[str, float]],
        across: Across,
    ) -> None:
        """Exports a dictionary of such numbers, by the value of `label`; 64 values at most."""
        mode = _ACROSS[across]
        gauge = Gauge(name, help_text, [label], multiprocess_mode=mode, registry=self.registry)
        words = Names(_WORDS)

        def flush() -> None:
            for word, now in read().items():
                gauge.labels(words.admit(word)).set(now)

        self._followed.append(flush)

    def also_flush(self, flush: Callable[[], None]) -> None:
        """Calls this at each flush."""
        self._followed.append(flush)

    def _follow(self, counter: Counter, read: Callable[[], int]) -> None:
        last = 0

        def flush() -> None:
            nonlocal last
            now = read()
            counter.inc(_grown(now, last))
            last = now

        self._followed.append(flush)

    def flush(self) -> None:
        """Writes what was counted since the last time."""
        for labels, buckets, seconds in self.tally.take():
            self._decisions.labels(
                labels.face,
                labels.policy,
                labels.verdict,
                labels.reason,
                "true" if labels.shadow else "false",
            ).inc(sum(buckets))
            self._seconds.labels(labels.face, labels.policy).add(buckets, seconds)
        for flush in self._followed:
            flush()

    def render(self) -> bytes:
        """Flushes, and gives the exposition of this process alone."""
        self.flush()
        return exposition(self.registry)


class TalliedHistogram(Histogram):
    """A histogram that takes many observations at once.

    prometheus-client has no such method, and observing each costs what `DecisionTally` saves; its
    buckets are plain values that take any amount, and a test holds this to what they show.
    """

    def add(self, buckets: list[int], total: float) -> None:
        """Adds so many observations to each bucket, longest last, whose values sum to `total`."""
        for value, count in zip(self._buckets, buckets, strict=True):
            if count:
                value.inc(count)
        self._sum.inc(total)


def _grown(now: int, before: int) -> int:
    # A source that was made anew begins at nothing; a counter never goes down.
    return now - before if now >= before else now
