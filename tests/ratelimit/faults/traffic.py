"""Limits that are asked again and again while something breaks, and every answer."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from callout.testing.requests import rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import policy
from tests.faults.load import Load, Outcome, limit
from tests.ratelimit.faults.judge import Answer, Fault, Judged, Limit, judge

PROPERTY = "limits under a fault"
"""Of a test's report: see `tests.reliability.limit_faults`."""
Figures: TypeAlias = tuple[str, int, int, float, float]
"""A fault, how many answers, how many of them failed or did without counters, the most that passed
in one window, and its bound, both in limits."""
WINDOW = 2
"""Seconds: a test meets several."""
REQUESTS = 13
"""Of the limits that refuse: a sixth of what is asked, so that a machine that is busy with other
tests asks for more, too; and odd, so that it divides badly."""
WORKERS = 2
RATE = 300.0
BACK: float = 1.0
"""Seconds from when the counters can be asked again until all are."""
PATIENT: float = 15.0
"""Seconds in which a test gives up waiting for the end of a fault."""
QUIET = 0.5
"""Seconds without a failure after which none comes any more."""


def limits(requests: int = REQUESTS) -> dict[str, Limit]:
    """What the bundle says, by name."""
    return {
        "deny": Limit(requests, WINDOW),
        "share": Limit(requests, WINDOW, "share"),
        "allow": Limit(requests, WINDOW, "allow"),
        "log": Limit(requests, WINDOW, algorithm="sliding-log"),
        "parts": Limit(requests, WINDOW, algorithm="sub-buckets"),
        "bucket": Limit(requests, WINDOW, algorithm="token-bucket"),
        "sliding": Limit(requests, WINDOW, algorithm="sliding-window"),
        "wide": Limit(1_000_000, WINDOW),
    }


def bundle(requests: int = REQUESTS) -> dict[str, str]:
    """One policy for each of them."""
    return {
        "all.yaml": "".join(
            policy(
                name,
                f"limits: [{{name: {name}, rate: {each.requests}/{each.window}s,"
                f" onError: {'deny(503)' if each.on_error == 'deny' else each.on_error},"
                f" algorithm: {each.algorithm}}}]",
                f'{{host: "*", path: /{name}}}',
            )
            for name, each in limits(requests).items()
        )
    }


QUESTIONS = tuple(
    limit(
        name,
        rate_limit_request(
            "gatewright",
            {"host": "shop.example", "path": f"/{name}", "method": "GET", "remote_address": "::1"},
        ),
        True,
    )
    for name in limits()
)


def traffic(address: str, connections: int = 8, rate: float = RATE) -> Load:
    """Not yet begun: a context manager."""
    return Load(address, QUESTIONS, rate, connections)


def until_counted(load: Load, windows: int = 1) -> None:
    """Waits until so many whole windows have passed in which the counters answered."""
    until_back(load, PATIENT)
    time.sleep((windows + 1) * WINDOW)


def until_back(load: Load, seconds: float) -> float:
    """Waits until no answer fails any more; how long it took until the last one that did."""
    started = time.monotonic()

    def last() -> float:
        return max((each.at for each in load.outcomes(started) if failed(each)), default=started)

    def quiet() -> bool:
        newest = max((each.at for each in load.outcomes(started)), default=started)
        return newest - last() > QUIET

    until(quiet, seconds + QUIET)
    return last() - started


def failed(outcome: Outcome) -> bool:
    """It was not answered by the counters."""
    return outcome.passed is None or outcome.degraded


def wall(monotonic: float) -> float:
    """The same moment by the wall clock."""
    return time.time() - time.monotonic() + monotonic


def answers(load: Load, clock: float = 0.0) -> list[Answer]:
    """What came of all requests; `clock`: how far that of the service is ahead."""
    words: dict[bool | None, str] = {True: "ok", False: "over", None: "error"}
    shift = wall(0.0)
    return [
        Answer(
            each.name,
            shift + each.at,
            shift + each.at + each.seconds,
            words[each.passed],  # type: ignore[arg-type]  # one of three
            each.degraded,
            clock,
        )
        for each in load.outcomes()
    ]


def explained(
    history: Sequence[Answer],
    faults: Sequence[Fault],
    keep: Callable[[str, object], None],
    fault: str,
    bound: float,
    by: Mapping[str, Limit] | None = None,
) -> Judged:
    """Asserts that the limits and the faults explain every answer, and keeps the figures.

    Args:
        history: what was asked and answered.
        faults: what was broken.
        keep: `record_property` of the test.
        fault: its name in the table.
        bound: of what may pass in a window, in limits.
        by: the limits; None: those of `bundle()`.
    """
    judged = judge(history, limits() if by is None else by, faults, WORKERS)
    assert not judged.unexplained, "\n".join(judged.unexplained[:20])
    # The limits refused and let pass, and there were windows in which that was exact.
    assert {each.verdict for each in history} >= {"ok", "over"}
    assert judged.exact > 0
    assert judged.worst <= bound
    failures = sum(each.verdict == "error" or each.degraded for each in history)
    figures: Figures = (fault, len(history), failures, judged.worst, bound)
    keep(PROPERTY, figures)
    return judged
