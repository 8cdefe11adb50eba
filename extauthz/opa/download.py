"""When and how one bundle is asked for: OPA's polling, sans-io. Times are seconds."""

import random
from collections.abc import Callable, Mapping
from typing import Final

from extauthz.opa.settings import Polling

BUNDLES: Final = "application/vnd.openpolicyagent.bundles"
"""The content type by which a service says that it keeps requests until there is news."""
FIRST_RETRY: Final = 0.1
FACTOR: Final = 1.6
JITTER: Final = 0.2
"""OPA's: the share by which a delay after a failure varies."""
LEAST: Final = 0.1
"""Between two long polls, so that a service which answers at once is not asked without end."""
MOST_SUPERSEDED: Final = 8
"""ETags beside the current one, as in OPA."""


class Download:
    """The state of one bundle's download between two requests."""

    def __init__(self, polling: Polling, chance: Callable[[], float] = random.random) -> None:
        self._polling = polling
        self._chance = chance
        self._failures = 0
        self._etag = ""
        self._superseded: list[tuple[str, float]] = []
        self._long = polling.long_polling_timeout_seconds is not None

    @property
    def waits(self) -> int:
        """How long the service may keep the next request; 0: it should answer at once."""
        return (self._polling.long_polling_timeout_seconds or 0) if self._long else 0

    def headers(self, now: float) -> dict[str, str]:
        """What the next request says."""
        preferences = "modes=snapshot,delta"
        if self.waits:
            preferences += f";wait={self.waits}"
        headers = {"Prefer": preferences}
        if self._etag:
            lives = self._polling.superseded_etag_ttl_seconds
            self._superseded = [each for each in self._superseded if now - each[1] < lives]
            older = [etag for etag, _ in reversed(self._superseded)]
            headers["If-None-Match"] = ", ".join([self._etag, *older])
        return headers

    def activated(self, etag: str, headers: Mapping[str, str], now: float) -> float:
        """The service sent a bundle, and it is in use; how long to wait now."""
        before, self._etag = self._etag, etag
        if self._polling.superseded_etag_ttl_seconds and before and before != etag:
            rest = [each for each in self._superseded if each[0] not in (before, etag)]
            self._superseded = [*rest, (before, now)][-MOST_SUPERSEDED:]
        return self.answered(headers)

    def answered(self, headers: Mapping[str, str]) -> float:
        """The service sent something, and nothing is left to do; how long to wait now."""
        self._long = headers.get("Content-Type") == BUNDLES
        return self.unchanged()

    def unchanged(self) -> float:
        """The service has nothing new (304); how long to wait now."""
        self._failures = 0
        if self.waits:
            return LEAST
        least, most = self._polling.min_delay_seconds, self._polling.max_delay_seconds
        return least + (most - least) * self._chance()

    def failed(self) -> float:
        """The request failed, or what came is not used; how long to wait now.

        The next request asks again for what is newer than the bundle in use.
        """
        delay = min(
            FIRST_RETRY * FACTOR ** min(self._failures, 100), self._polling.max_delay_seconds
        )
        self._failures += 1
        return delay * (1 + JITTER * (2 * self._chance() - 1))
