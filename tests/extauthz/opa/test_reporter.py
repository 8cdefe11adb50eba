"""Status reports: where they go, what becomes of those that fail, and of news meanwhile."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
import structlog
from aiohttp import web

from extauthz.opa.client import ServiceClient
from extauthz.opa.reporter import Reporter
from extauthz.opa.settings import Service, Status
from tests.extauthz.opa.test_client import served

WITHIN = 10.0


class Told:
    """A service that takes reports with the statuses given, then with 200."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.reports: list[tuple[str, Mapping[str, Any]]] = []
        self._came = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.reports.append((request.path, json.loads(await request.read())))
        self._came.set()
        return web.Response(status=self._statuses.pop(0) if self._statuses else 200)

    async def next(self) -> None:
        await asyncio.wait_for(self._came.wait(), WITHIN)
        self._came.clear()


async def until(reporter: Reporter, sent: int, failed: int) -> None:
    async with asyncio.timeout(WITHIN):
        while (reporter.sent, reporter.failed) != (sent, failed):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


async def test_reports_go_to_their_partition_and_one_that_fails_is_followed_by_the_next() -> None:
    told = Told(503)
    runner, url = await served(told.take)
    client = ServiceClient(Service.model_validate({"url": f"{url}/v1"}))
    number = iter(range(10))
    reporter = Reporter(Status(partition_name="eu"), client, lambda: {"number": next(number)})
    running = asyncio.create_task(reporter.run())
    try:
        reporter.notify()
        reporter.notify()  # at once: one report
        await told.next()
        await until(reporter, sent=0, failed=1)
        reporter.notify()
        await told.next()
        await until(reporter, sent=1, failed=1)
    finally:
        running.cancel()
        await client.close()
        await runner.cleanup()

    assert told.reports == [("/v1/status/eu", {"number": 0}), ("/v1/status/eu", {"number": 1})]


@pytest.mark.parametrize("console", [True, False])
async def test_a_report_is_a_line_of_the_log_if_that_is_written(console: bool) -> None:
    reports = [{"labels": {"app": "shop"}}]
    reporter = Reporter(Status(console=console), None, reports.pop)
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(reporter.run())
        reporter.notify()
        async with asyncio.timeout(WITHIN):
            while reports or (console and not lines):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        running.cancel()

    kind = {"type": "openpolicyagent.org/status"}
    line = {"event": "status", "log_level": "info", "labels": {"app": "shop"}, **kind}
    assert lines == ([line] if console else [])


async def test_what_fails_while_a_report_is_made_ends_nothing() -> None:
    reports: list[dict[str, Any]] = [{"second": True}]
    made = 0

    def report() -> dict[str, Any]:
        nonlocal made
        made += 1
        if made == 1:
            raise RuntimeError("a bug")
        return reports.pop()

    reporter = Reporter(Status(), None, report)
    running = asyncio.create_task(reporter.run())
    async with asyncio.timeout(WITHIN):
        while reports:
            reporter.notify()
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
