"""Sends status reports (an edge): the newest of them, one at a time."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from callout.observe.paced import Paced
from extauthz.opa.client import ServiceClient
from extauthz.opa.problems import BundleRefused
from extauthz.opa.settings import Status

_log = structlog.get_logger("gatewright.opa")

LEAST: Final = 0.05
"""Seconds between two reports: what happens at once is one."""


class Reporter:
    """Reports whenever something has happened; what happens meanwhile is in the next report."""

    def __init__(
        self,
        settings: Status,
        client: ServiceClient | None,
        report: Callable[[], Mapping[str, Any]],
    ) -> None:
        """Prepares; `report` gives what is to be said at the moment."""
        self._settings = settings
        self._client = client
        self._report = report
        self._news = asyncio.Event()
        self._failures = Paced()
        self.sent = 0
        """Reports that a service took."""
        self.failed = 0
        """Reports that it did not."""

    def notify(self) -> None:
        """Something has happened."""
        self._news.set()

    async def run(self) -> None:
        """Sends until it is cancelled. A failed report is not repeated: the next one says all."""
        while True:
            await self._news.wait()
            await asyncio.sleep(LEAST)
            self._news.clear()
            try:
                await self._send()
            except Exception:
                # Whatever it is, bundles must be followed all the same.
                _log.exception("a status report failed")

    async def _send(self) -> None:
        report = self._report()
        if self._settings.console:
            _log.info("status", **{"type": "openpolicyagent.org/status", **report})
        if self._client is None:
            return
        try:
            body = json.dumps(report).encode()
            path = f"status/{self._settings.partition_name}"
            reply = await self._client.post(path, {"Content-Type": "application/json"}, body)
            if not 200 <= reply.status < 300:
                raise BundleRefused(f"the service answered {reply.status}")
        except BundleRefused as refused:
            self.failed += 1
            left_out = self._failures.due("status", time.monotonic())
            if left_out is not None:
                _log.error("status update failed", problem=refused.message, left_out=left_out)
            return
        self.sent += 1
