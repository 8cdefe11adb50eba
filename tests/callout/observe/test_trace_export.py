"""The exporter beside a real collector."""

import asyncio
import time

import pytest

from callout.observe.traces.encode import Encoder, rejected
from callout.observe.traces.export import BATCH, Accepted, Exporter, Outcome, Sender
from callout.observe.traces.otlp_grpc import GrpcSender
from callout.observe.traces.span import INTERNAL, Span, Trace, new_trace
from tests.callout.observe.collector import Collector


def exporter(collector: Collector, most: int = 10_000) -> Exporter:
    sender = GrpcSender(collector.url.removeprefix("http://"), tls=False)
    return Exporter(sender, Encoder({"service.name": "gatewright"}), most)


def end(exporting: Exporter, count: int) -> None:
    trace = Trace(new_trace(), "", exporting.put)
    for number in range(count):
        Span(trace, b"", str(number), INTERNAL).end()


async def test_spans_arrive_once_each_and_in_bounded_messages() -> None:
    with Collector() as collector:
        exporting = exporter(collector)
        exporting.start()
        end(exporting, 3 * BATCH + 7)
        await exporting.close(10)
        assert sorted(int(each.name) for each in collector.spans) == list(range(3 * BATCH + 7))
        assert len(collector.received) == 4
        assert exporting.dropped_failed == exporting.dropped_full == 0


async def test_what_has_no_room_and_what_the_collector_rejects_is_counted() -> None:
    with Collector(rejects=5) as collector:
        exporting = exporter(collector, most=100)
        exporting.start()
        end(exporting, 130)
        assert exporting.dropped_full == 30
        await exporting.close(10)
        assert len(collector.spans) == 100
        assert exporting.dropped_failed == 5


async def test_a_collector_that_stalls_holds_up_the_end_no_longer_than_its_bound() -> None:
    with Collector(stalls=True) as collector:
        exporting = exporter(collector)
        exporting.start()
        end(exporting, 2 * BATCH)
        await asyncio.to_thread(collector.wait_for, BATCH)
        started = time.monotonic()
        await exporting.close(0.2)
        assert time.monotonic() - started < 2  # a try is given 5 s
        assert exporting.dropped_failed == 2 * BATCH


async def test_spans_for_a_collector_that_is_gone_are_counted_at_the_end() -> None:
    with Collector() as collector:
        target = collector.url.removeprefix("http://")
    # Closed now: nobody listens there.
    exporting = Exporter(GrpcSender(target, tls=False), Encoder({}), 100)
    exporting.start()
    end(exporting, 10)
    await exporting.close(5)
    assert exporting.dropped_failed == 10


class Rubbish(Sender):
    """A collector that answers what no collector would, then a sender that breaks."""

    def __init__(self) -> None:
        self.taken = 0

    async def send(self, message: bytes) -> Outcome:
        self.taken += 1
        if self.taken == 1:
            return Accepted(rejected(b"\xff rubbish"))
        if self.taken == 2:
            raise ValueError("a secret")
        return Accepted()

    async def close(self) -> None:
        pass


async def test_an_answer_of_rubbish_or_a_batch_that_breaks_is_not_the_end(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = Rubbish()
    exporting = Exporter(sender, Encoder({}), 10_000)
    exporting.start()
    end(exporting, 3 * BATCH)
    await exporting.close(10)
    assert sender.taken == 3
    assert exporting.dropped_failed == BATCH
    said = caplog.text + "".join(capsys.readouterr())
    assert "ValueError" in said
    assert "a secret" not in said
