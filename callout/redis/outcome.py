"""What a caller gets instead of replies when Redis cannot be asked."""

from typing import NamedTuple


class Unavailable(NamedTuple):
    """Redis did not answer this request. It may have executed it: nothing is ever sent twice."""

    reason: str
    """A stable word for metrics: `disconnected`, `timeout`, `backlog`, `deadline`, `closed`; and
    `late`: not asked, because the last ones that were waited for longer than this one can."""
    detail: str = ""
    """For the log: what the system or the server said. Never holds credentials."""
