"""TIME and its parts, in UTC, and DURATION."""

from collections.abc import Callable
from datetime import UTC, datetime

from waf.state import State


def duration(state: State) -> bytes:
    """DURATION: milliseconds since the request came."""
    return b"%d" % int(state.elapsed() * 1000)


def epoch(state: State) -> bytes:
    """TIME_EPOCH: seconds since 1970."""
    return b"%d" % int(state.now)


def part(pattern: str) -> Callable[[State], bytes]:
    """TIME, TIME_DAY, TIME_HOUR and the others: a pattern of `strftime`."""

    def read(state: State) -> bytes:
        return datetime.fromtimestamp(state.now, UTC).strftime(pattern).encode()

    return read


def month(state: State) -> bytes:
    """TIME_MON: 0 to 11, as ModSecurity has it."""
    return b"%d" % (datetime.fromtimestamp(state.now, UTC).month - 1)


def week_day(state: State) -> bytes:
    """TIME_WDAY: 0 is Sunday."""
    return b"%d" % (datetime.fromtimestamp(state.now, UTC).isoweekday() % 7)
