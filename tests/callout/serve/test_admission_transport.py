"""Refusals on our own transport: which method, with which bytes, counted how."""

import time

import pytest

from callout.grpc.call import Call, Code, Face, Reply, Status, Unary
from callout.grpc.framing import frame as message
from callout.grpc.methods import Methods
from callout.serve import own
from callout.serve.admission import AdmissionOptions
from callout.serve.options import ServeOptions
from callout.serve.protocol import GrpcProtocol
from tests.callout.http2 import wire
from tests.callout.serve.raw import call
from tests.callout.serve.test_own import Recorder

ANSWER, REFUSAL = b"decided", b"no time"


def handler(_message: bytes, _call: Call) -> Reply:
    return ANSWER


async def answers(
    *calls: bytes, admission: AdmissionOptions | None, monkeypatch: pytest.MonkeyPatch
) -> tuple[bytes, ServeOptions]:
    """What a loop writes that has been behind for ten seconds, without a rest."""
    methods = (
        Unary("/raw.Test/Echo", handler, REFUSAL),
        Unary("/raw.Test/Failing", handler, Status(Code.UNAVAILABLE, "no time")),
        Unary("/raw.Test/Health", handler),
    )
    options = ServeOptions(admission=admission)
    core = own.Core(Methods([Face("raw", "raw.Test", methods)]), options)
    protocol, transport = GrpcProtocol(core), Recorder()
    protocol.connection_made(transport)
    protocol.data_received(wire.GREETING)
    transport.writes.clear()
    load, now = core.admission, time.monotonic()
    if load is not None:
        load.behind(now)
        monkeypatch.setattr(load, "_switches", lambda: load._base)
        load.busy_since = now - 10
    protocol.data_received(b"".join(calls))
    return b"".join(transport.writes), options


ON = AdmissionOptions(target=0.005, interval=0.1)


async def test_a_refused_call_gets_the_methods_own_answer_and_no_handler_sees_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, options = await answers(call(1), admission=ON, monkeypatch=monkeypatch)
    assert message(REFUSAL) in written
    assert ANSWER not in written
    assert options.counters.requests == 0
    assert options.counters.refused == {"overload": 1}
    assert options.counters.overloaded == {"/raw.Test/Echo": 1}


async def test_a_status_may_be_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, options = await answers(
        call(1, path="/raw.Test/Failing"), admission=ON, monkeypatch=monkeypatch
    )
    assert b"14" in written
    assert ANSWER not in written
    assert options.counters.overloaded == {"/raw.Test/Failing": 1}


async def test_a_method_without_such_an_answer_is_never_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, options = await answers(
        call(1, path="/raw.Test/Health"), admission=ON, monkeypatch=monkeypatch
    )
    assert message(ANSWER) in written
    assert not options.counters.refused


async def test_without_admission_control_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, options = await answers(call(1), admission=None, monkeypatch=monkeypatch)
    assert message(ANSWER) in written
    assert not options.counters.refused
