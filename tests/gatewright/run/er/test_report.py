"""A worker tells what it has counted, over a real channel."""

import asyncio
import socket

import pytest

from callout.serve.control import Control
from gatewright.run import messages
from gatewright.run.er import report as reporting
from gatewright.run.er.report import ErReport
from ratelimit.er.stats import REQUESTS, STATISTICS, ErStats
from ratelimit.er.sums import ErSums


async def test_all_is_told_when_it_closes_and_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporting, "EVERY", 0.01)
    monkeypatch.setattr(reporting, "AT_ONCE", 10)
    ours, theirs = socket.socketpair()
    worker, supervisor = await Control.over(ours), await Control.over(theirs)
    stats, sums = ErStats(), ErSums()
    report = ErReport(stats, worker)
    report.start()
    for number in range(100):
        stats.rows[f"edge.tenant_{number}"] = [1] * len(STATISTICS)
        stats.answered(0.001)
        await asyncio.sleep(0.001)
    await report.close()
    await worker.close()
    async for data in supervisor.messages():
        message = messages.from_worker(data)
        assert isinstance(message, messages.Counted)
        assert len(message.grown.rules) <= 10
        sums.add(message.grown)
    await supervisor.close()

    assert len(sums.rules) == 100
    assert all(row == [1] * len(STATISTICS) for row in sums.rules.values())
    assert sums.others[REQUESTS] == sum(sums.times) == 100


async def test_what_nobody_reads_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "EVERY", 0.001)
    ours, theirs = socket.socketpair()
    worker = await Control.over(ours)
    stats = ErStats()
    report = ErReport(stats, worker)
    report.start()
    for number in range(300):
        # Each is a kilobyte, and the channel takes some hundred of them.
        stats.rows[f"edge.{number}{'x' * 1000}"] = [1] * len(STATISTICS)
        stats.rows[f"edge.{'y' * 100_000}"] = [number] * len(STATISTICS)
        await asyncio.sleep(0.002)

    assert worker.waiting < 10
    theirs.close()
    await report.close()
    await worker.close()
