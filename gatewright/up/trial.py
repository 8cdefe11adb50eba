"""The requests that `gatewright up` offers to try on the sample shop."""

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing to try, and what should come of it."""

    name: str
    """`allowed`, `denied`, `attacked` or `limited`."""
    explains: str
    """What it shows, for the person who reads."""
    command: str
    """For a shell; prints the status of the last answer as its last line."""
    status: int
    """The HTTP status that it should end with."""


_STATUS = "-s -o /dev/null -w '%{http_code}\\n'"


def sample_trials(gateway: str, tokens: Path) -> tuple[Trial, ...]:
    """For the sample bundle behind `gateway`, an address such as `http://127.0.0.1:8080`."""
    alice = shlex.quote(str(tokens / "alice.jwt"))
    bearer = f'-H "authorization: Bearer $(cat {alice})"'
    return (
        Trial(
            "allowed",
            "a customer, named by her token, lists her orders",
            f"curl {_STATUS} {bearer} {gateway}/orders",
            200,
        ),
        Trial(
            "denied",
            "the same customer in the back office",
            f"curl {_STATUS} {bearer} {gateway}/admin/prices",
            403,
        ),
        Trial(
            "attacked",
            "anybody may look at products, but not at what else is in the database",
            f"curl {_STATUS} '{gateway}/products?id=1%27+union+select+password+from+users--'",
            403,
        ),
        Trial(
            "limited",
            "anybody may search five times a minute",
            # Eleven even if a minute ends in between.
            f"for i in 1 2 3 4 5 6 7 8 9 10 11; do curl {_STATUS} {gateway}/search?q=tea; done",
            429,
        ),
    )
