"""Bodies through a real Envoy: the upstream gets byte for byte what was sent, in every mode."""

import hashlib
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from callout.ext_proc.filter import Need
from callout.testing import tools
from tests.end_to_end.process_clients import Answer, chunks, http1, http2
from tests.end_to_end.process_gateway import Gateway, Looking, Seen, door, plan

MIB = 1 << 20
DOORS = {
    "none, overridden": door(override=True),
    "buffered": door("BUFFERED", "BUFFERED", trailers="SEND"),
    "buffered, overridden": door("BUFFERED", "BUFFERED", override=True),
    "streamed": door("STREAMED", "STREAMED", trailers="SEND"),
    "streamed, overridden": door("STREAMED", "STREAMED", override=True),
    "duplex": door("FULL_DUPLEX_STREAMED", "FULL_DUPLEX_STREAMED"),
    "duplex, then streamed": door("FULL_DUPLEX_STREAMED", "STREAMED", trailers="SEND"),
}
NEEDS = {"nobody": None, "none": Need.NONE, "pieces": Need.STREAM, "whole": Need.WHOLE}
SIZES = (0, 1, 5, 1000, 65_536, 300_000)
GRID = list(itertools.product(DOORS, NEEDS))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    tools.require("envoy")
    made = Gateway(Path(tmp_path_factory.mktemp("process")), DOORS)
    for name, need in NEEDS.items():
        if need is not None:
            made.plans[name.encode()] = lambda need=need: plan(Looking(need), most=32 * MIB)
            made.plans[f"upper {name}".encode()] = lambda need=need: plan(
                Looking(need, change=bytes.upper), most=32 * MIB
            )
    made.plans[b"longer"] = lambda: plan(
        Looking(Need.WHOLE, change=lambda body: b"<" + body + b">" if body else body)
    )
    made.plans[b"shorter"] = lambda: plan(Looking(Need.WHOLE, change=lambda body: body[:1]))
    made.plans[b"empty"] = lambda: plan(Looking(Need.WHOLE, change=lambda body: b""))
    yield made
    made.close()


def _text(size: int) -> bytes:
    return random.Random(size).randbytes(size // 2 + 1).hex().encode()[:size]


def _fields(name: str) -> list[tuple[str, str]]:
    return [] if name == "nobody" else [("x-plan", name)]


def _one(gateway: Gateway) -> Seen:
    assert len(gateway.seen) == 1
    return gateway.seen.popleft()


def _is(answer: Answer, body: bytes) -> None:
    assert answer.status == 200
    assert answer.whole
    assert len(answer.body) == len(body)
    assert answer.body == body


@pytest.mark.parametrize(("door_", "need"), GRID)
def test_a_body_with_a_length_arrives_as_it_was_sent(
    gateway: Gateway, door_: str, need: str
) -> None:
    for size in SIZES:
        body = _text(size)
        answer = http1(gateway.door(door_), "/echo", body, fields=_fields(need))
        assert _one(gateway).body == body
        _is(answer, body)


@pytest.mark.parametrize(("door_", "need"), GRID)
@pytest.mark.parametrize("cut", [1, 7, 40_000])
def test_a_body_in_chunks_arrives_as_it_was_sent(
    gateway: Gateway, door_: str, need: str, cut: int
) -> None:
    body = _text(min(40 * cut, 200_000))
    answer = http1(gateway.door(door_), f"/chunked/{cut}", chunks(body, cut), fields=_fields(need))
    assert _one(gateway).body == body
    _is(answer, body)


@pytest.mark.parametrize(("door_", "need"), GRID)
def test_http2_and_its_trailers_arrive_as_they_were_sent(
    gateway: Gateway, door_: str, need: str
) -> None:
    for cut in (1, 500, 100_000):
        body = _text(3 * cut)
        answer = http2(gateway.door(door_), "/echo", chunks(body, cut), fields=_fields(need))
        assert _one(gateway).body == body
        _is(answer, body)

    if need != "whole" or "streamed" not in door_:
        body = b"hello world"
        trailers = [("x-sum", "7")]
        for path in ("/trailers/3", "/echo"):
            answer = http2(
                gateway.door(door_),
                path,
                [b"hello ", b"world"],
                fields=[*_fields(need), ("trailer", "x-sum")],
                trailers=trailers,
            )
            seen = _one(gateway)
            assert seen.body == body
            assert seen.trailers == [b"x-sum: 7"]
            _is(answer, body)
            if path != "/echo":
                assert answer.trailers == {b"x-sum": b"42"}


@pytest.mark.parametrize("door_", ["streamed", "streamed, overridden"])
def test_a_kept_body_that_ends_in_trailers_never_arrives_in_part_where_it_is_streamed(
    gateway: Gateway, door_: str
) -> None:
    answer = http2(
        gateway.door(door_),
        "/echo",
        [b"hello ", b"world"],
        fields=_fields("whole"),
        trailers=[("x-sum", "7")],
    )

    assert answer.status == 500
    assert not gateway.seen
    assert gateway.notes.pop() == ("request", "tail")


@pytest.mark.parametrize("door_", DOORS)
def test_what_a_filter_changes_arrives_changed(gateway: Gateway, door_: str) -> None:
    for size, name in itertools.product((5, 1000, 100_000), ("upper pieces", "upper whole")):
        body = _text(size)
        answer = http1(gateway.door(door_), "/echo", body, fields=_fields(name))
        assert _one(gateway).body == body.upper()
        _is(answer, body.upper())
    for size, (name, upstream, client) in itertools.product(
        (5, 1000, 100_000),
        (
            ("longer", lambda b: b"<" + b + b">", lambda b: b"<<" + b + b">>"),
            ("shorter", lambda b: b[:1], lambda b: b[:1]),
            ("empty", lambda b: b"", lambda b: b""),
        ),
    ):
        body = _text(size)
        answer = http1(gateway.door(door_), "/echo", body, fields=_fields(name))
        assert _one(gateway).body == upstream(body)
        _is(answer, client(body))


@pytest.mark.parametrize(
    ("door_", "need"),
    [("none, overridden", "whole"), ("streamed", "pieces"), ("duplex", "whole")],
)
def test_20_mib_arrive_as_they_were_sent(gateway: Gateway, door_: str, need: str) -> None:
    body = _text(20 * MIB)
    answer = http1(gateway.door(door_), "/echo", body, fields=_fields(need))
    assert hashlib.sha256(_one(gateway).body).digest() == hashlib.sha256(body).digest()
    _is(answer, body)
    assert gateway.budget.held == 0


@pytest.mark.parametrize("door_", DOORS)
def test_messages_without_a_body_stay_without(gateway: Gateway, door_: str) -> None:
    for method, path, status in (
        ("GET", "/echo", 200),
        ("HEAD", "/echo", 200),
        ("GET", "/status/204", 204),
        ("GET", "/status/304", 304),
        ("POST", "/echo", 200),
    ):
        answer = http1(gateway.door(door_), path, method=method, fields=_fields("whole"))
        assert (answer.status, answer.body) == (status, b"")
        assert _one(gateway).body == b""
