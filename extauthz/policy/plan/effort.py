"""How long reading and translating one plan may take: untrusted plans can be made to be costly."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from callout.config.pace import also_at_breaths
from extauthz.policy.problems import refuse

SECONDS: Final = 60.0
"""Of the thread's own processor time. As many instructions as a plan may have take 10 as OPA's
planner writes them; what takes longer was made to."""


@contextlib.contextmanager
def bounded(
    seconds: float = SECONDS, clock: Callable[[], float] = time.thread_time
) -> Iterator[None]:
    """Work that says `breathe` raises `PlanError` in this block, once it took too long."""
    end = clock() + seconds

    def look() -> None:
        if clock() > end:
            raise refuse(f"translating the policy takes more than {seconds:g} s of processor time")

    with also_at_breaths(look):
        yield
