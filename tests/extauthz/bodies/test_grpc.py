"""gRPC requests as JSON; the expected values are what Go's protojson wrote for the same bytes."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from extauthz.bodies.grpc import Methods, methods_of
from extauthz.check import Unreadable
from tests.extauthz.bodies.protos import descriptor_set, framed, set_of

GET = ["shop.v1.Books", "Get"]


def methods() -> Methods:
    return methods_of(descriptor_set())


READ: dict[str, tuple[bytes, Any]] = {
    "nothing set": (b"", {}),
    "a text, by its JSON name": (b"\x0a\x01x", {"theTitle": "x"}),
    "int64 as a text": (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f", {"isbn": str(2**63 - 1)}),
    "bytes as base64": (b"\x1a\x02\xff\x00", {"cover": "/wA="}),
    "an enum by name": (b"\x20\x01", {"kind": "KIND_NOVEL"}),
    "an unknown enum by number": (b"\x20\x07", {"kind": 7}),
    "a float with its own digits": (b"\x2d\xcd\xcc\xcc\x3d", {"weight": Decimal("0.1")}),
    "a large float": (b"\x2d\xec\x0c\xad\x60", {"weight": 99756810000000000000}),
    "not a number": (b"\x2d\x00\x00\xc0\x7f", {"weight": "NaN"}),
    "a large double": (b"\x49\xf6\x4a\xe1\xc7\x02\x2d\xb5\x44", {"price": 10**23}),
    "a time": (b"\x32\x06\x08\x80\x8b\xd2\xbb\x06", {"at": "2025-01-01T00:00:00Z"}),
    "a list": (b"\x3a\x00\x3a\x03\x0a\x01a", {"sequels": [{}, {"theTitle": "a"}]}),
    "a map": (b"\x42\x05\x0a\x01a\x10\x05", {"stock": {"a": 5}}),
    "an unknown field": (b"\x98\x06\x01\x58\x05", {"pages": 5}),
    "a field twice": (b"\x58\x05\x58\x06", {"pages": 6}),
    "another file's message": (b"\x52\x03\x0a\x01p", {"part": {"name": "p"}}),
}

REFUSED: dict[str, bytes] = {
    "not protobuf": b"\xff\xff",
    "cut off": b"\x0a\x05x",
    "a text that is not UTF-8": b"\x0a\x01\xff",
    "a text of proto2 that is not UTF-8": b"\x52\x03\x0a\x01\xff",
    "another one": b"\x52\x06\x0a\x01p\x12\x01\xff",
    "a required field that is not there": b"\x52\x00",
    "a time out of range": b"\x32\x07\x08\x80\x83\xd1\xff\xaf\x07",
    "too deep": b"",  # made below
    "an entry of a map with an unknown field: Go shows it, Python does not": (
        b"\x42\x07\x0a\x01a\x10\x05\x18\x01"
    ),
}


def nested(levels: int) -> bytes:
    data = b""
    for _ in range(levels):
        size = len(data)
        length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
        data = b"\x3a" + length + data
    return data


REFUSED["too deep"] = nested(150)


@pytest.mark.parametrize("name", READ)
def test_a_message_is_read_as_protojson(name: str) -> None:
    body, expected = READ[name]

    value, state = methods().read(framed(body), GET, is_alone=True)

    assert (value, state) == (expected, "parsed")
    assert str(value) == str(expected)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_message_is_refused(name: str) -> None:
    with pytest.raises(Unreadable) as caught:
        methods().read(framed(REFUSED[name]), GET, is_alone=False)
    assert (caught.value.reason, caught.value.status) == ("body", 400)


STATES: dict[str, tuple[bytes, list[str], str]] = {
    "a method that streams its answers": (framed(b""), ["shop.v1.Books", "Watch"], "parsed"),
    "a service without a package": (framed(b""), ["Bare", "Do"], "parsed"),
    "a method that takes a stream": (framed(b""), ["shop.v1.Books", "Send"], "client_stream"),
    "an unknown method": (framed(b""), ["shop.v1.Books", "Gone"], "unknown_method"),
    "an unknown service": (framed(b""), ["shop.v2.Books", "Get"], "unknown_method"),
    "a message is no service": (framed(b""), ["shop.v1.Book", "Get"], "unknown_method"),
    "compressed": (framed(b"\x0a\x01x", compressed=True), GET, "compressed"),
    "cut off": (framed(b"\x0a\x01x")[:-1], GET, "truncated"),
    "longer than anything": (b"\0\xff\xff\xff\xff", GET, "truncated"),
}


@pytest.mark.parametrize("name", STATES)
def test_what_is_not_read_says_why(name: str) -> None:
    body, segments, expected = STATES[name]

    value, state = methods().read(body, segments, is_alone=True)

    assert (value, state) == ({} if expected == "parsed" else None, expected)


@pytest.mark.parametrize("segments", [[], ["shop.v1.Books"], [*GET, ""], ["", *GET]])
def test_a_path_that_is_none_of_grpc_is_refused(segments: list[str]) -> None:
    with pytest.raises(Unreadable):
        methods().read(framed(b""), segments, is_alone=False)


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0\0"])
def test_fewer_than_five_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        methods().read(body, GET, is_alone=False)


def test_the_first_message_counts_or_must_be_the_only_one() -> None:
    two = framed(b"\x58\x05") + framed(b"\x58\x06")

    assert methods().read(two, GET, is_alone=False) == ({"pages": 5}, "parsed")
    with pytest.raises(Unreadable):
        methods().read(two, GET, is_alone=True)


def test_a_set_is_read_whatever_the_order_of_its_files() -> None:
    whole = set_of(descriptor_set())
    backwards = type(whole)(file=reversed(whole.file))

    assert len(Methods(backwards)) == len(methods()) == 4


def incomplete() -> bytes:
    whole = set_of(descriptor_set())
    kept = [file for file in whole.file if file.name != "parts.proto"]
    return type(whole)(file=kept).SerializeToString()


def circular() -> bytes:
    whole = set_of(descriptor_set())
    next(file for file in whole.file if file.name == "parts.proto").dependency.append("books.proto")
    return whole.SerializeToString()


def contradictory() -> bytes:
    whole = set_of(descriptor_set())
    whole.file[0].message_type.add().CopyFrom(whole.file[0].message_type[0])
    return whole.SerializeToString()


BAD_SETS: dict[str, tuple[Callable[[], bytes], str]] = {
    "not protobuf": (lambda: b"\xff", "it is no FileDescriptorSet"),
    "an import is not there": (
        incomplete,
        "`books.proto` imports `parts.proto`, which is not in it (`--include_imports`)",
    ),
    "a circle": (circular, "imports itself"),
    "a file that is not valid": (contradictory, "is not valid"),
}


@pytest.mark.parametrize("name", BAD_SETS)
def test_a_bad_descriptor_set_says_why(name: str) -> None:
    data, expected = BAD_SETS[name]

    with pytest.raises(ValueError) as caught:
        methods_of(data())

    assert expected in str(caught.value)


def test_the_tables_have_all_their_rows() -> None:
    assert (len(READ), len(REFUSED), len(STATES), len(BAD_SETS)) == (16, 9, 9, 4)
